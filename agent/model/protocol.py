"""The model seam: what the agent asks of any engine that can read pictures.

An engine is loaded once by the read process. A :class:`StudySession` belongs to one study; it is given the study's
pictures in order and is asked questions about them. Greedy decoding: the same question about the same pictures gets
the same answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
"""One image as the model sees it: shape (rows, columns), uint8, 0 black to 255 white, patient upright, patient's
right on the picture's left."""


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """Which build answers.

    Attributes:
        name: what a person calls it, for example ``StanfordAIMI/CheXOne``.
        weights_digest: sha256 hex over the weight, tokenizer and configuration files.
        quantization: ``nf4``, ``int8`` or ``none``, as asserted after loading.
        device: ``cpu`` or ``cuda:0``.
        licence: licence of the weights where it is known, else empty.
        engine: engine and versions, for example ``transformers 5.23.0, torch 2.13.0, bitsandbytes 0.50.2``.
    """

    name: str
    weights_digest: str
    quantization: str
    device: str
    licence: str
    engine: str


@dataclass(frozen=True, slots=True)
class Answer:
    """One reply.

    Attributes:
        text: exactly what the model wrote, special tokens of the chat removed.
        tokens: number of tokens generated.
        finished: True when the model ended its turn itself, False when a limit cut it off.
        seconds: wall time of the call.
    """

    text: str
    tokens: int
    finished: bool
    seconds: float


class StudySession(Protocol):
    """Questions about the pictures of one study."""

    def ask(
        self, prompt: str, *, max_new_tokens: int, deadline_s: float, cancelled: Callable[[], bool] | None = None
    ) -> Answer:
        """Free text, greedy. Raises `Transient` (code ``model-timeout`` or ``model-cancelled``) within one token of
        the deadline or of `cancelled()` turning True; `Transient` (code ``model-out-of-memory``) when memory runs
        out."""
        ...

    def choose(self, prompt: str, choices: Sequence[str]) -> tuple[float, ...]:
        """Uncalibrated probability of each choice (sum 1) at the first answer token. Each choice must start with a
        token of its own."""
        ...

    def close(self) -> None:
        """Free what the session holds. Calling it twice is harmless."""
        ...


class Model(Protocol):
    """A vision-language model that can open a study."""

    @property
    def identity(self) -> ModelIdentity:
        """Which build this is."""
        ...

    def open_study(self, pictures: Sequence[Picture]) -> StudySession:
        """Start a session over one to three pictures, in the order given. Raises `Permanent` for no pictures."""
        ...

    def close(self) -> None:
        """Free the model."""
        ...
