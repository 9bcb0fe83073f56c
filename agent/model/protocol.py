"""The model seam: what the agent asks of any engine that can read pictures.

An engine is loaded once by the read process. A :class:`StudySession` belongs to one study; it is given the study's
pictures and is asked questions about them, each about some of the pictures in an order. Greedy decoding: the same
question about the same pictures gets the same answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from agent.errors import Permanent

Picture = NDArray[np.uint8]
"""One image as the model sees it: shape (rows, columns), uint8, 0 black to 255 white, patient upright, patient's
right on the picture's left."""

MOST_PICTURES = 3
# The size the model family is trained and evaluated at. A checkpoint may ask for less, never for more.
MAX_PIXELS = 262_144


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """Which build answers.

    Attributes:
        name: what a person calls it, for example ``StanfordAIMI/CheXOne``.
        weights_digest: sha256 hex over the weight, tokenizer and configuration files; ``served:`` and a sha256 over what
            the server says of itself, where the files cannot be seen.
        quantization: ``nf4``, ``int8`` or ``none``, as asserted after loading; ``served`` where it cannot be.
        device: ``cpu`` or ``cuda:0``; host and port of servers; ``recorded``.
        licence: licence of the weights where it is known, else empty.
        engine: engine and versions, for example ``transformers 5.23.0, torch 2.13.0, bitsandbytes 0.50.2``.
        for_commissioning: the model is for phantoms and named test sets; it must not read patients.
    """

    name: str
    weights_digest: str
    quantization: str
    device: str
    licence: str
    engine: str
    for_commissioning: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """One reply.

    Attributes:
        text: exactly what the model wrote, special tokens of the chat removed.
        tokens: number of tokens generated.
        finished: True when the model ended its turn itself, False when a limit cut it off.
        seconds: wall time of the call, without the time `between_tokens` took.
    """

    text: str
    tokens: int
    finished: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class Choice:
    """How a question that has a few possible answers was answered.

    Attributes:
        shares: how the first token of the answer is shared among the choices, in their order; sums to 1. Uncalibrated. None
            when the engine does not say, and then `chosen` is all there is.
        chosen: index of the choice that was made, None when it was none of them.
    """

    shares: tuple[float, ...] | None
    chosen: int | None


class StudySession(Protocol):
    """Questions about the pictures of one study. The pictures are encoded once, however many questions are asked."""

    def ask(
        self,
        prompt: str,
        *,
        pictures: Sequence[int],
        max_new_tokens: int,
        deadline_s: float,
        between_tokens: Callable[[], None] | None = None,
    ) -> Answer:
        """Free text, greedy.

        Args:
            pictures: indices of the session's pictures, in the order in which the question shows them.
            between_tokens: called after every token, where the engine knows of tokens, else now and then. What it raises ends
                the reply and is raised here; the time it takes does not count against the deadline.

        Raises:
            Transient: code ``model-timeout``, within one token of the deadline; ``model-out-of-memory``, when memory runs out.
            Permanent: a picture that the session does not have (code ``picture-unknown``).
        """
        ...

    def choose(
        self, prompts: Sequence[str], *, pictures: Sequence[int], choices: Sequence[Sequence[str]], deadline_s: float
    ) -> tuple[Choice, ...]:
        """For each prompt, which of the choices begins its answer; all prompts together.

        Args:
            choices: for each choice its spellings. No two choices may begin with the same token.

        Raises:
            Permanent: choices that cannot be told apart (code ``choices-ambiguous``); as `ask`.
            Transient: as `ask`.
        """
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

    def open_study(self, pictures: Sequence[Picture], *, system: str) -> StudySession:
        """Start a session over one to `MOST_PICTURES` pictures. Raises `Permanent` for none or more.

        Args:
            system: the system prompt of every question.
        """
        ...

    def close(self) -> None:
        """Free the model."""
        ...


def selected(pictures: Sequence[int], have: int) -> tuple[int, ...]:
    """The indices, when a session of so many pictures has them all. Raises `Permanent` (code ``picture-unknown``)."""
    odd = [n for n in pictures if not 0 <= n < have]
    if odd:
        raise Permanent(
            f"picture {odd[0]} was asked about; the session has {have or 'none'}, counted from 0",
            code="picture-unknown",
        )
    return tuple(pictures)


def check_choices(choices: Sequence[Sequence[str]]) -> None:
    """Refuse choices that might begin with the same token. Without the tokenizer: one that begins as another does.

    Raises:
        Permanent: code ``choices-ambiguous``.
    """
    each = [{s.strip() for s in spellings} for spellings in choices]
    for n, own in enumerate(each):
        others = [s for m, spellings in enumerate(each) if m != n for s in spellings]
        if not own or any(not s for s in own) or any(s.startswith(o) for s in own for o in others):
            raise Permanent(
                "two of the choices may start with the same token and cannot be told apart", code="choices-ambiguous"
            )
