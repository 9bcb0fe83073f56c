"""Whether results of a study may leave at the moment, and which."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from agent.store import identity, studies
from agent.store.messages import RESULTS


@dataclass(frozen=True, slots=True)
class Outlet:
    """How the way out stands.

    Attributes:
        held: nothing leaves: a person holds it, or has to look, or something was heard about the study that has not been weighed.
        cancelled: the order was cancelled: no message about it is sent, and reports go to the archive as ever.
        reported: a person has finished the report, in words; empty while nobody has.
    """

    held: bool
    cancelled: bool
    reported: str

    def holds(self, kind: str) -> bool:
        """Whether a document of that kind is held back."""
        return self.held or (self.cancelled and kind in RESULTS)


def outlet_of(view: Connection, study_instance_uid: str) -> Outlet:
    """The way out of that study."""
    stops = identity.stops_of(view, study_instance_uid)
    doubtful = studies.state_of(view, study_instance_uid) == studies.NEEDS_ATTENTION
    return Outlet(
        doubtful or identity.HELD in stops or identity.is_unsettled(view, study_instance_uid),
        identity.CANCELLED in stops,
        stops.get(identity.REPORTED, ""),
    )
