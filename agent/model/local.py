"""The local engine: any Qwen2.5-VL checkpoint through transformers, quantized by bitsandbytes. With the checkpoint
maker, the only importer of torch."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from transformers import (
    AutoTokenizer,
    BitsAndBytesConfig,
    GenerationConfig,
    Qwen2_5_VLForConditionalGeneration,
    StoppingCriteria,
)
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.utils import logging as transformers_logging

from agent.errors import ModelBroken, ModelUnavailable, Permanent, Transient
from agent.model.prompts import chat_text
from agent.model.protocol import Answer, ModelIdentity, Picture
from agent.model.weights import find_weights, licence_of, weights_digest

# The size the model family is trained and evaluated at. A checkpoint may ask for less, never for more.
MAX_PIXELS = 262_144
MOST_PICTURES = 3
# `visual` alone matches nothing: the tower is `model.visual`. Quantizing it costs accuracy, and its sizes do not fit
# nf4 on every machine.
NOT_QUANTIZED = ("model.visual", "lm_head")
_QUANTIZED_CLASS = {"nf4": "Linear4bit", "int8": "Linear8bitLt"}


def available_devices() -> tuple[str, ...]:
    """Devices a model can be put on, with their names."""
    cards = (
        [f"cuda:{n} ({torch.cuda.get_device_name(n)})" for n in range(torch.cuda.device_count())]
        if torch.cuda.is_available()
        else []
    )
    return (*cards, "cpu")


def load_local(weights: str, *, quantization: str, device: str) -> LocalModel:
    """Load a checkpoint and assert that it is quantized as asked.

    Args:
        weights: folder, or name on the hub.
        quantization: ``nf4``, ``int8`` or ``none``.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        Permanent: not a Qwen2.5-VL checkpoint, no such device, or the quantization did not take.
        ModelUnavailable: the hub cannot be reached, or memory does not suffice at the moment.
    """
    folder = find_weights(weights)
    _check_architecture(folder, weights)
    place = _device(device)
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    # A line for every layer and token: int8 on a CPU converts its inputs, and no faster nf4 kernel is installed. Both
    # are meant.
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    with _mapped_load(weights):
        model = Qwen2_5_VLForConditionalGeneration.from_pretrained(
            folder,
            dtype=torch.bfloat16,
            device_map={"": place},
            quantization_config=_quantization(quantization),
            local_files_only=True,
        ).eval()
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        processor = Qwen2VLImageProcessorPil.from_pretrained(folder, local_files_only=True)
    assert_quantized(model, quantization)
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    # Greedy, whatever the checkpoint's own generation_config.json says.
    model.generation_config = GenerationConfig(do_sample=False, eos_token_id=end, pad_token_id=end)
    identity = ModelIdentity(
        name=Path(weights).name if Path(weights).is_dir() else weights,
        weights_digest=weights_digest(folder),
        quantization=quantization,
        device=place,
        licence=licence_of(weights, folder),
        engine=", ".join(f"{p} {version(p)}" for p in ("transformers", "torch", "bitsandbytes")),
    )
    return LocalModel(model, tokenizer, processor, identity)


def assert_quantized(model: torch.nn.Module, quantization: str) -> None:
    """Every linear layer of the language model is of the wanted kind, and none of the vision tower or the head is
    quantized.

    Raises:
        Permanent: naming the first layer that is not as it should be.
    """
    wanted = _QUANTIZED_CLASS.get(quantization, "Linear")
    seen = 0
    for name, layer in model.named_modules():
        kind = type(layer).__name__
        if kind not in ("Linear", *_QUANTIZED_CLASS.values()):
            continue
        kept = name.startswith(NOT_QUANTIZED)
        if kind != ("Linear" if kept else wanted):
            raise Permanent(
                f"quantization {quantization}: layer {name} is {kind}, {wanted} was asked for",
                code="quantization-not-as-asked",
            )
        seen += not kept
    if seen == 0:
        raise Permanent("the checkpoint has no linear layers in its language model", code="not-a-model")


class LocalModel:
    """A loaded checkpoint: the `Model` of the seam."""

    def __init__(self, model: Any, tokenizer: Any, processor: Any, identity: ModelIdentity) -> None:
        self._model, self._tokenizer, self._processor, self._identity = model, tokenizer, processor, identity
        most = min(int(processor.size["longest_edge"]), MAX_PIXELS)
        self._sizes = {"shortest_edge": min(int(processor.size["shortest_edge"]), most), "longest_edge": most}

    @property
    def identity(self) -> ModelIdentity:
        return self._identity

    def open_study(self, pictures: Sequence[Picture]) -> LocalSession:
        if not 1 <= len(pictures) <= MOST_PICTURES:
            raise Permanent(
                f"a study is read from 1 to {MOST_PICTURES} pictures, not {len(pictures)}", code="picture-count"
            )
        images = [Image.fromarray(p).convert("RGB") for p in pictures]
        encoded = self._processor(images=images, size=self._sizes, return_tensors="pt")
        return LocalSession(
            self._model, self._tokenizer, encoded["pixel_values"], encoded["image_grid_thw"], self._processor.merge_size
        )

    def close(self) -> None:
        self._model = None
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


class LocalSession:
    """Questions about the pictures of one study."""

    def __init__(self, model: Any, tokenizer: Any, pixels: torch.Tensor, grid: torch.Tensor, merge: int) -> None:
        self._model, self._tokenizer = model, tokenizer
        self._pixels, self._grid = pixels.to(model.device, model.dtype), grid.to(model.device)
        self._image_tokens = [int(t * h * w) // merge**2 for t, h, w in grid.tolist()]

    def ask(
        self, prompt: str, *, max_new_tokens: int, deadline_s: float, cancelled: Callable[[], bool] | None = None
    ) -> Answer:
        started = time.monotonic()
        stop = _Stop(started + deadline_s, cancelled)
        inputs = self._inputs(prompt)
        end = self._model.generation_config.eos_token_id
        with _mapped_run(), torch.inference_mode():
            tokens = self._model.generate(**inputs, max_new_tokens=max_new_tokens, stopping_criteria=[stop])
        new = tokens[0, inputs["input_ids"].shape[1] :].tolist()
        finished = bool(new) and new[-1] == end
        if stop.why and not finished:
            words = _STOPPED[stop.why].format(seconds=deadline_s, tokens=len(new))
            raise Transient(words, code=stop.why, blames_work=stop.why != "model-cancelled")
        text = self._tokenizer.decode(new[:-1] if finished else new, skip_special_tokens=True)
        return Answer(text, len(new), finished, time.monotonic() - started)

    def choose(self, prompt: str, choices: Sequence[str]) -> tuple[float, ...]:
        firsts = [self._tokenizer(choice, add_special_tokens=False)["input_ids"][0] for choice in choices]
        if len(set(firsts)) != len(firsts):
            raise Permanent(
                "two of the choices start with the same token and cannot be told apart", code="choices-ambiguous"
            )
        with _mapped_run(), torch.inference_mode():
            logits = self._model(**self._inputs(prompt)).logits[0, -1].float()
        return tuple(float(p) for p in torch.softmax(logits[firsts], dim=0))

    def close(self) -> None:
        self._pixels = self._grid = torch.empty(0)

    def _inputs(self, prompt: str) -> dict[str, torch.Tensor]:
        pictures = "".join(f"<|vision_start|>{'<|image_pad|>' * n}<|vision_end|>" for n in self._image_tokens)
        chat = chat_text(pictures, prompt)
        ids = self._tokenizer(chat, add_special_tokens=False, return_tensors="pt")["input_ids"].to(self._model.device)
        return {
            "input_ids": ids,
            "attention_mask": torch.ones_like(ids),
            "mm_token_type_ids": (ids == self._model.config.image_token_id).long(),
            "pixel_values": self._pixels,
            "image_grid_thw": self._grid,
        }


_STOPPED = {
    "model-timeout": "the model was stopped after {seconds:.0f} s and {tokens} tokens, before the end of its reply",
    "model-cancelled": "the reading was cancelled after {tokens} tokens",
}


class _Stop(StoppingCriteria):  # type: ignore[misc]
    """Looks at the clock, and at whether anybody still wants the answer, after every token."""

    def __init__(self, deadline: float, cancelled: Callable[[], bool] | None) -> None:
        self._deadline, self._cancelled = deadline, cancelled
        self.why = ""

    def __call__(self, input_ids: torch.Tensor, scores: Any, **kwargs: Any) -> torch.Tensor:
        if self._cancelled is not None and self._cancelled():
            self.why = "model-cancelled"
        elif time.monotonic() > self._deadline:
            self.why = "model-timeout"
        return torch.full((input_ids.shape[0],), bool(self.why), dtype=torch.bool, device=input_ids.device)


def _check_architecture(folder: Path, weights: str) -> None:
    try:
        kind = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("model_type")
    except (OSError, ValueError) as error:
        raise Permanent(
            f"model.weights {weights}: {folder} is not a model folder: it has no readable config.json",
            code="not-a-model",
        ) from error
    if kind != "qwen2_5_vl":
        raise Permanent(
            f"model.weights {weights}: the model is of type {kind!r}; Qwen2.5-VL checkpoints (qwen2_5_vl) can be read",
            code="not-a-model",
        )


def _device(wanted: str) -> str:
    if wanted == "auto":
        return "cuda:0" if torch.cuda.is_available() else "cpu"
    if wanted == "cpu":
        return "cpu"
    number = int(wanted.partition(":")[2] or 0)
    if not torch.cuda.is_available() or number >= torch.cuda.device_count():
        raise Permanent(
            f'model.device "{wanted}": this machine has {", ".join(available_devices())}', code="no-such-device"
        )
    return f"cuda:{number}"


def _quantization(name: str) -> BitsAndBytesConfig | None:
    if name == "nf4":
        return BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.bfloat16,
            llm_int8_skip_modules=list(NOT_QUANTIZED),
        )
    if name == "int8":
        return BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=list(NOT_QUANTIZED))
    return None


@contextmanager
def _mapped_load(weights: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if _is_out_of_memory(error):
            raise ModelUnavailable(
                f"there is not enough memory to load {weights}", code="model-out-of-memory"
            ) from error
        words = " ".join(str(error).split())[:300]
        raise Permanent(
            f"model.weights {weights} cannot be loaded: {type(error).__name__}: {words}", code="model-not-loadable"
        ) from error


@contextmanager
def _mapped_run() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        if _is_out_of_memory(error):
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


def _is_out_of_memory(error: Exception) -> bool:
    words = str(error)
    return (
        isinstance(error, torch.OutOfMemoryError | MemoryError)
        or "not enough memory" in words
        or "can't allocate memory" in words
    )
