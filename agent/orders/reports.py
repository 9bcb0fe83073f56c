"""The reports that persons have finished, and those that were taken back: which of them hold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from structured_report.content import Order, Patient

DELETED, WRONG, NO_RESULT = "D", "W", "X"
TAKEN_BACK = (DELETED, WRONG, NO_RESULT)
"""Status of what takes a report back (HL7 tables 0085 and 0123)."""


@dataclass(frozen=True, slots=True)
class FinishedReport:
    """A report that a person has finished, or, by its `status`, the message that takes one back. `order`: the numbers that it
    names."""

    message_id: int
    order: Order
    patient: Patient
    study_instance_uid: str
    status: str

    @property
    def is_taken_back(self) -> bool:
        """Whether it takes back what was said before."""
        return self.status in TAKEN_BACK


def that_hold(reports: Iterable[FinishedReport]) -> tuple[FinishedReport, ...]:
    """Those that nothing later takes back, in their order.

    Args:
        reports: about one study, in the order in which they were heard.
    """
    holding: list[FinishedReport] = []
    for report in reports:
        if report.is_taken_back:
            holding = [h for h in holding if not _is_same(h, report)]
        else:
            holding.append(report)
    return tuple(holding)


def _is_same(one: FinishedReport, other: FinishedReport) -> bool:
    """Whether two messages are about one report: a number is the same, and none is another. An accession number may have several
    orders below it, each with a report of its own."""
    pairs = (
        (one.order.placer_order_number, other.order.placer_order_number),
        (one.order.filler_order_number, other.order.filler_order_number),
        (one.order.accession_number, other.order.accession_number),
        (one.study_instance_uid, other.study_instance_uid),
    )
    said = [a.strip() == b.strip() for a, b in pairs if a.strip() and b.strip()]
    return bool(said) and all(said)
