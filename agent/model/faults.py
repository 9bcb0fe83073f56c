"""torch's exceptions while a model runs, as what they mean for the study."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from agent.errors import ModelBroken, ModelUnavailable, Transient


@contextmanager
def mapped_run() -> Iterator[None]:
    """Raise `ModelUnavailable` when memory runs out, `ModelBroken` when the device fails, `Transient` for the rest."""
    try:
        yield
    except RuntimeError as error:
        if is_out_of_memory(error):
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            raise _no_memory() from error
        if "CUDA error" in str(error) or "device-side" in str(error):  # sticky: every later call fails likewise
            raise ModelBroken("the device failed while the model was reading", code="model-device-failed") from error
        raise Transient(f"the model failed on this study ({type(error).__name__})", code="model-failed") from error
    except MemoryError as error:
        raise _no_memory() from error


def _no_memory() -> ModelUnavailable:
    """Every study takes about the same memory, so it is the machine that has too little, or a neighbour too much."""
    return ModelUnavailable(
        'the model ran out of memory while it was reading; free some, or set model.quantization to "nf4"',
        code="model-out-of-memory",
    )


def is_out_of_memory(error: Exception) -> bool:
    """Whether the exception says that there is not enough memory, on the device or on the machine."""
    words = str(error)
    return (
        isinstance(error, torch.OutOfMemoryError | MemoryError)
        or "not enough memory" in words
        or "can't allocate memory" in words
    )
