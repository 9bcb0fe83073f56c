"""The stages of the line in the test's own process, stepped by hand, behind a real receiver."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pydicom import Dataset

from agent.clock import SystemClock
from agent.delivery.build import build_destinations
from agent.delivery.outbox import Outbox
from agent.intake.assembly import assembly_of
from agent.model.protocol import Model
from agent.orders.stage import OrdersStage
from agent.reading.desk import ModelDesk, make_desk
from agent.reading.flag_stage import Flagging
from agent.reading.stage import Reading
from agent.reporting.stage import Reporting
from agent.settings import Settings
from agent.store import overview
from agent.work.queue import Job, Queue
from agent.work.role import Heart
from agent.work.worker import Running
from tests.support.node import Node


class Line:
    """A receiver with its sender, and the stages behind it, each of which does its next job when it is told to."""

    def __init__(
        self,
        node: Node,
        model: Model,
        ris_port: int,
        *,
        send_flag: bool = False,
        on_patients: bool = False,
        qc: dict[str, Any] | None = None,
        **triage: Any,
    ) -> None:
        self.node, self.model = node, model
        self.during_read: Callable[[], None] = lambda: None
        destination = {
            "name": "to-ris", "type": "hl7", "host": "127.0.0.1", "port": ris_port, "send_flag": send_flag,
        }  # fmt: skip
        extra = Settings(destinations=[destination], triage=triage, qc=qc or {})
        here = node.settings.node.model_copy(update={"port": node.scp.port})
        changed = {"node": here, "destinations": extra.destinations, "triage": extra.triage, "qc": extra.qc}
        self.settings = node.settings.model_copy(update=changed)
        settings, ledger, files, clock = self.settings, node.ledger, node.files, SystemClock()
        self.queue = Queue(ledger, clock, "test")
        desk = replace(make_desk(settings, files, model), commissioning_on_patients=on_patients)
        report = Reporting(ledger, files, self.queue, clock, settings)
        outbox = Outbox(ledger, files, self.queue, clock, settings.delivery, build_destinations(settings))
        self.stages: dict[str, Callable[[Job], None]] = {
            "assemble": assembly_of(settings, ledger, self.queue, clock),
            "orders": OrdersStage(ledger, self.queue, clock),
            "flag": Flagging(ledger, self.queue, clock, desk, settings.triage.findings, announce=send_flag),
            "read": Reading(ledger, self.queue, clock, desk, self._between_tokens),
            "announce": report.announce,
            "report": report,
            "deliver": outbox,
        }

    def _between_tokens(self) -> None:
        happens, self.during_read = self.during_read, lambda: None
        happens()

    def do(self, *kinds: str) -> None:
        """The next job of each kind, in turn."""
        for kind in kinds:
            job = self._claim(kind)
            assert job is not None, f"nothing to {kind}"
            self.stages[kind](job)

    def idle(self, kind: str) -> bool:
        return self._claim(kind) is None

    def _claim(self, kind: str) -> Job | None:
        return self.queue.claim(kind, "to-ris" if kind == "deliver" else "")

    def send(self, *images: Dataset) -> None:
        for image in images:
            sop_class = image.SOPClassUID
            assert self.node.send_image(image, sop_class=sop_class, context=sop_class)[0] == 0x0000

    def study(self) -> overview.StudyLine:
        with self.node.ledger.read() as view:
            (line,) = overview.studies(view)
        return line

    def desk(self) -> tuple[ModelDesk, threading.Event]:
        """The read process's own arrangement of flag and read."""
        stop, running, clock = threading.Event(), Running(), SystemClock()
        heart = Heart(self.node.ledger, clock, "read", self.queue, running, stop)
        return ModelDesk(
            self.settings, self.node.ledger, self.node.files, self.queue, clock, self.model, heart, stop
        ), stop
