"""How a receiver wants its ORU: version, text, priority, study UID, characters. What it says is the same in every form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from structured_report.hl7_characters import CHARACTER_SETS, UTF_8

Status = Literal["R", "P"]
Version = Literal["2.5.1", "2.4", "2.3.1"]
TextForm = Literal["ft", "tx", "nte"]
PriorityField = Literal["tq1", "obr27", "obx8"]
StudyUidForm = Literal["st", "rp", "zds"]
AcknowledgementMode = Literal["original", "commit", "both"]

SHORTEST_CAP, LONGEST_CAP = 200, 65_536  # FT has 65 536 characters (2.5.1 2.A.31), counted after escaping
MODES = {"original": ("", ""), "commit": ("AL", "NE"), "both": ("AL", "AL")}  # MSH-15 and MSH-16, table 0155


@dataclass(frozen=True, slots=True)
class OruForm:
    """What one receiver reads.

    Attributes:
        text: ``ft``: one OBX a text, its lines ended by ``\\.br\\``; ``tx``: one OBX a line; ``nte``: notes below the OBR,
            each with its title as first line, the lines ended by ``\\X0A\\``.
        priority_in: where the priority stands: TQ1-9 (from v2.5), OBR-27.6, or OBX-8 of the level of significance. None: TQ1
            or, before v2.5, OBR-27; and OBX-8.
        study_uid_as: an OBX of type ST (IHE RAD-128) or RP, or the segment ZDS, which comes last.
        longest_text: characters of one text after escaping; what is longer is cut and says so.
        character_set: MSH-18 (table 0211). What it has not stands as ``[U+2265]``, and the message says so.
        acknowledgement: ``original`` mode; or enhanced mode, asking for a ``commit`` acknowledgement or for ``both``.

    Raises:
        ValueError: a choice that does not exist, or TQ1 before v2.5; in words for the person who made it.
    """

    version: Version = "2.5.1"
    text: TextForm = "ft"
    priority_in: frozenset[PriorityField] | None = None
    study_uid_as: StudyUidForm = "st"
    longest_text: int = 60_000
    character_set: str = UTF_8
    acknowledgement: AcknowledgementMode = "original"

    def __post_init__(self) -> None:
        for given, choices in (
            (self.version, get_args(Version)), (self.text, get_args(TextForm)), (self.study_uid_as, get_args(StudyUidForm)),
            (self.character_set, tuple(CHARACTER_SETS)), (self.acknowledgement, tuple(MODES)),
            *((p, get_args(PriorityField)) for p in self.priority_in or ()),
        ):  # fmt: skip
            if given not in choices:
                raise ValueError(f'"{given}" is not allowed; allowed: {", ".join(choices)}')
        if self.priority_in is not None and "tq1" in self.priority_in and not self.has_tq1:
            raise ValueError(
                f'priority_in: "tq1" needs version 2.5.1, and there is no TQ1 in {self.version}; use "obr27"'
            )
        if not SHORTEST_CAP <= self.longest_text <= LONGEST_CAP:
            raise ValueError(f"longest_text must be from {SHORTEST_CAP} to {LONGEST_CAP}")

    @property
    def has_tq1(self) -> bool:
        """TQ1 came with v2.5."""
        return self.version == "2.5.1"

    @property
    def has_equipment(self) -> bool:
        """OBX-18 and OBX-19 came with v2.4."""
        return self.version != "2.3.1"

    @property
    def sub_id_of_the_study(self) -> str:
        """OBX-4 of rows that belong to no finding and no text of several: v2.3.1 wants one in every row."""
        return "0" if self.version == "2.3.1" else ""

    @property
    def priorities(self) -> frozenset[PriorityField]:
        """Where the priority stands."""
        if self.priority_in is not None:
            return self.priority_in
        return frozenset({"tq1" if self.has_tq1 else "obr27", "obx8"})

    @property
    def message_type(self) -> str:
        """MSH-9; receivers of v2.3.1 know two components."""
        return "ORU^R01" if self.version == "2.3.1" else "ORU^R01^ORU_R01"
