"""What peers come to say about what they were asked to commit. It is written down, and the office acts on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import structlog

from agent.clock import Clock
from agent.errors import PrereadError
from agent.settings import DicomDestinationSettings, Settings
from agent.store import commitments
from agent.store.engine import Ledger
from agent.work.queue import enqueue
from dicom_nodes.commitment import MalformedReport, read_report
from dicom_nodes.receiver import Event, StoreAnswer
from dicom_nodes.roles import COMMIT, AssociationInfo, Peer
from dicom_nodes.status import INVALID_ARGUMENT, PROCESSING_FAILURE, SUCCESS


def peers_with_commitments(settings: Settings) -> tuple[Peer, ...]:
    """The peers of the settings; those that are asked to commit may come and answer."""
    asked = {d.peer for d in settings.destinations if isinstance(d, DicomDestinationSettings) and d.commit}
    return tuple(replace(p, may=p.may | {COMMIT}) if p.name in asked else p for p in settings.all_peers())


class CommitmentReports:
    """Takes N-EVENT-REPORTs of storage commitments."""

    def __init__(self, settings: Settings, ledger: Ledger, clock: Clock) -> None:
        self._ledger, self._clock, self._log = ledger, clock, structlog.get_logger()
        titles = {p.name: p.ae_title for p in settings.peers}
        self._destinations: Mapping[str, list[str]] = {
            title: [
                d.name
                for d in settings.destinations
                if isinstance(d, DicomDestinationSettings) and d.commit and titles[d.peer] == title
            ]
            for title in titles.values()
        }

    def take(self, association: AssociationInfo, event: Event) -> StoreAnswer:
        """Write down what is reported, durably before Success is answered. Never raises."""
        who = association.calling_ae_title
        try:
            report = read_report(event.information, event.transfer_syntax_uid, event.event_type)
            reasons = dict.fromkeys(report.committed, SUCCESS) | dict(report.failed)
            now = self._clock.now()
            with self._ledger.begin() as tx:
                known = commitments.answer(
                    tx, report.transaction_uid, reasons, destinations=self._destinations.get(who, ()), now=now
                )
                if known is not None:
                    delivery_id, destination = known
                    enqueue(tx, "commit", str(delivery_id), lane=destination, now=now)
        except MalformedReport as error:
            self._log.warning("commitment report not understood", calling_ae_title=who, reason=str(error))
            return StoreAnswer(INVALID_ARGUMENT, str(error)[:64])
        except PrereadError as error:
            # The peer keeps its report and may come again; if it does not, the office asks it again.
            self._log.error("commitment report not written", calling_ae_title=who, reason=error.code)
            return StoreAnswer(PROCESSING_FAILURE, f"not written down ({error.code}), report again later")
        if known is None:
            self._log.warning("commitment report about nothing of ours", calling_ae_title=who)
            return StoreAnswer(INVALID_ARGUMENT, "no such transaction, or it says nothing of its instance")
        return StoreAnswer(SUCCESS)
