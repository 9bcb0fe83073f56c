"""What a sentence can say of a finding it names."""

from __future__ import annotations

from enum import Enum, auto


class Said(Enum):
    """The four things there are."""

    AFFIRMED = auto()
    DENIED = auto()
    DOUBTED = auto()
    NOTHING = auto()  # named, but not as something of this film: "evaluate for pneumonia"
