"""What is wrong with a message that was sent to us: HL7 v2.5.1 table 0357, and how each is answered (2.9.2.2)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Condition(IntEnum):
    """Table 0357."""

    SEGMENT_SEQUENCE = 100
    REQUIRED_FIELD = 101
    DATA_TYPE = 102
    TABLE_VALUE = 103
    MESSAGE_TYPE = 200
    EVENT = 201
    PROCESSING_ID = 202
    VERSION = 203
    LOCKED = 206
    INTERNAL = 207

    @property
    def words(self) -> str:
        """As the table has them."""
        return _WORDS[self]

    @property
    def is_about_the_kind(self) -> bool:
        """Whether no message of that kind is taken, whatever it says: AR, not AE."""
        return Condition.MESSAGE_TYPE <= self <= Condition.VERSION


_WORDS = {
    Condition.SEGMENT_SEQUENCE: "Segment sequence error",
    Condition.REQUIRED_FIELD: "Required field missing",
    Condition.DATA_TYPE: "Data type error",
    Condition.TABLE_VALUE: "Table value not found",
    Condition.MESSAGE_TYPE: "Unsupported message type",
    Condition.EVENT: "Unsupported event code",
    Condition.PROCESSING_ID: "Unsupported processing id",
    Condition.VERSION: "Unsupported version id",
    Condition.LOCKED: "Application record locked",
    Condition.INTERNAL: "Application internal error",
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a message: ERR-2 (ERL). `sequence` counts the segments of that name from 1; `field` 0 is the segment."""

    segment: str
    sequence: int = 1
    field: int = 0

    @property
    def name(self) -> str:
        """For example ``PID-3``, or ``PID`` for the segment."""
        return f"{self.segment}-{self.field}" if self.field else self.segment


class Fault(Exception):
    """A message is not taken.

    Args:
        words: for the person who looks into it on either side; without patient data.
    """

    def __init__(self, condition: Condition, place: Place, words: str) -> None:
        super().__init__(words)
        self.condition, self.place = condition, place

    @property
    def told(self) -> str:
        """The words, with the segment or field that they are about."""
        words = str(self)
        return words if self.place.name in words else f"{self.place.name}: {words}"
