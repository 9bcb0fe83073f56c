"""A sentence for people, as the key of a text and what stands in its holes: whoever shows it does so in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Value = str | int | float


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence.

    Attributes:
        key: of the texts (agent/web/texts).
        values: what stands in its holes. A number is written as the language writes numbers: ports and codes are words. The text
            may have another form where `n` is 1. `detail` is in the words of somebody else: of an error, a peer, a library.
    """

    key: str
    values: Mapping[str, Value]


def sentence(key: str, **values: Value) -> Sentence:
    """A sentence of the texts of the examination: ``sentence("disk", free=1.5)`` is the key ``doctor.disk``."""
    return Sentence(f"doctor.{key}", values)
