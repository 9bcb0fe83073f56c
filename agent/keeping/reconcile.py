"""What a PACS has, compared with what is known here: films that never arrived, reports that are gone, or there already.

After a restore, after an outage of days, or because somebody wants to know.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from agent.audit.trail import Trail
from agent.clock import Clock
from agent.errors import Permanent
from agent.reporting.compose import series_of
from agent.settings import DicomDestinationSettings, Settings
from agent.store import reconciled, studies
from agent.store.engine import Ledger
from agent.store.reconciled import ReportRow
from agent.work.queue import revive
from dicom_nodes import query, retrieve
from dicom_nodes.deadline import Deadline
from dicom_nodes.found import FoundStudy
from dicom_nodes.roles import Peer
from dicom_nodes.scu import NodeError
from structured_report.sr import SERIES_DESCRIPTION

QUERY_S, MOVE_S = 60.0, 600.0
MOST_AT_ONCE = 20_000
_FILMS = {"CR", "DX"}


@dataclass(frozen=True, slots=True)
class Differences:
    """What differs.

    Attributes:
        absent: studies with films that never arrived here, and that have no report of this program's.
        forgotten: those that have one, in the PACS, though nothing of it is known here: read again they would have two.
        there: reports that wait and are in the PACS.
        gone: reports that were delivered and are not in it.
        compared: how many studies and reports were looked at.
    """

    absent: tuple[FoundStudy, ...]
    forgotten: tuple[FoundStudy, ...]
    there: tuple[ReportRow, ...]
    gone: tuple[ReportRow, ...]
    compared: tuple[int, int]


class Reconciliation:
    """Asks one PACS. Raises `Permanent` when it may not be asked."""

    def __init__(self, settings: Settings, ledger: Ledger, clock: Clock, peer: Peer) -> None:
        if "query" not in peer.may:
            raise Permanent(
                f'{peer.name} may not be asked; add "query" to its `may`, and allow {settings.node.ae_title} to query there',
                code="peer-may-not-be-queried",
            )
        self._ledger, self._clock, self._peer = ledger, clock, peer
        self._own, self._trail = settings.node.ae_title, Trail.of(settings)
        self._destinations = [
            d.name for d in settings.destinations if isinstance(d, DicomDestinationSettings) and d.peer == peer.name
        ]

    def differences(self, first: date, last: date) -> Differences:
        """Compare, for those days of study. Nothing is changed, but for the trail, which says that the PACS was asked.

        Raises:
            NodeError: the PACS could not be asked to the end.
        """
        with self._ledger.begin() as tx:
            self._trail.compared(tx, self._peer.name, now=self._clock.now())
        held = list(self._films_of(first, last))
        since = datetime.combine(first, time(), UTC) - timedelta(days=1)
        with self._ledger.read() as view:
            unknown = reconciled.unknown_studies(view, {s.study_instance_uid for s in held})
            rows = reconciled.reports_to(view, self._destinations, since)
        has = {row: self._has(row) for row in rows}
        absent = {s: self._has_report(s) for s in held if s.study_instance_uid in unknown}
        return Differences(
            tuple(s for s, reported in absent.items() if not reported),
            tuple(s for s, reported in absent.items() if reported),
            tuple(r for r, there in has.items() if there and not r.delivered),
            tuple(r for r, there in has.items() if not there and r.delivered),
            (len(held), len(rows)),
        )

    def settle(self, found: Differences) -> int:
        """Write down what is there, and make due again what is not; returns how many deliveries changed."""
        now, changed = self._clock.now(), 0
        with self._ledger.begin() as tx:
            for row in found.there:
                words = f"{self._peer.name} has it: found there by a query"
                if reconciled.is_there_after_all(tx, row.delivery_id, words, now=now):
                    studies.note(tx, row.study_instance_uid, "reconcile", "report-is-there", words, now=now)
                    changed += 1
            for row in found.gone:
                words = f"{self._peer.name} does not have it any more: it is sent again"
                if reconciled.is_not_there(tx, row.delivery_id, words, now=now):
                    studies.note(tx, row.study_instance_uid, "reconcile", "report-is-gone", words, now=now)
                    revive(tx, "deliver", str(row.delivery_id), lane=row.destination, now=now)
                    changed += 1
        return changed

    def fetch(self, study: FoundStudy) -> str:
        """Have a study sent here by C-MOVE; returns why it could not be, or nothing."""
        try:
            retrieve.move_study(self._peer, study.study_instance_uid, own_ae_title=self._own, deadline=Deadline(MOVE_S))
        except NodeError as error:
            return str(error)
        return ""

    def _films_of(self, first: date, last: date) -> Iterator[FoundStudy]:
        found = query.find_studies_of(
            self._peer,
            (f"{first:%Y%m%d}", f"{last:%Y%m%d}"),
            own_ae_title=self._own,
            deadline=Deadline(QUERY_S),
            most=MOST_AT_ONCE,
        )
        if not found.more:
            # Where the PACS does not say what a study consists of, a person has to look.
            yield from (s for s in found.answers if not s.modalities or _FILMS & set(s.modalities))
        elif first == last:
            raise NodeError(f"{self._peer.name} has more than {MOST_AT_ONCE} studies of {first}: not all were compared")
        else:
            middle = first + (last - first) // 2
            yield from self._films_of(first, middle)
            yield from self._films_of(middle + timedelta(days=1), last)

    def _has_report(self, study: FoundStudy) -> bool:
        if study.modalities and "SR" not in study.modalities:
            return False
        found = query.find_series(
            self._peer, study.study_instance_uid, own_ae_title=self._own, deadline=Deadline(QUERY_S)
        )
        return any(s.modality == "SR" and s.description == SERIES_DESCRIPTION for s in found.answers)

    def _has(self, row: ReportRow) -> bool:
        found = query.find_images(
            self._peer,
            row.study_instance_uid,
            series_of(row.sop_instance_uid),
            own_ae_title=self._own,
            deadline=Deadline(QUERY_S),
        )
        return any(i.sop_instance_uid == row.sop_instance_uid for i in found.answers)
