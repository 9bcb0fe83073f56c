"""One run of the constancy test, in steps that can be cut anywhere: send a film, wait for its flag, send the next; when
all are through, judge. Between two steps there is only the ledger."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import structlog
from pydicom import Dataset
from sqlalchemy import Connection

from agent.clock import Clock
from agent.errors import Permanent, Transient
from agent.evaluation.qc.checks import Check, Limits, Sent, judge
from agent.evaluation.qc.door import Door
from agent.evaluation.qc.films import CATALOGUE, Film, StoredBox, drawn, stored_boxes
from agent.evaluation.qc.seen import Seen, look
from agent.reading.build import Build
from agent.settings import FolderDestinationSettings, Hl7DestinationSettings, Settings
from agent.store import processes, qc
from agent.store.engine import Ledger
from agent.store.qc import QcRun
from dicom_nodes import scu
from structured_report.plain import provenance_to_json

# After the last film was sent, and nothing came: a line that is this far behind has failed, too.
PATIENCE_S = 3600.0
# A run that has not finished and has sent nothing for so long was killed, and keeps nobody from beginning another.
RECENT = timedelta(seconds=PATIENCE_S)


class AnotherRun(Transient):
    """A run is under way; two at once would measure one another's queue. Wait for its end."""

    def __init__(self, run: QcRun) -> None:
        words = f"constancy test {run.id} is under way (by {run.started_by}, last film {run.stepped_at:%H:%M:%S} UTC)"
        hint = f"should it have been killed, another may begin at {run.stepped_at + RECENT:%H:%M:%S} UTC"
        super().__init__(f"{words}; {hint}", code="qc-under-way", blames_work=False, wait_s=30.0)


class ConstancyTest:
    """Takes runs forward, one step a call.

    Args:
        door: says how films are sent. Raises `Permanent` when they cannot be.
        patience_s: how long after the last film results are waited for.
    """

    def __init__(
        self,
        ledger: Ledger,
        clock: Clock,
        settings: Settings,
        door: Callable[[], Door],
        *,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._ledger, self._clock, self._settings, self._door = ledger, clock, settings, door
        self._patience = timedelta(seconds=patience_s)
        self._log = structlog.get_logger()

    def begin(self, films: tuple[str, ...] = ()) -> QcRun:
        """A new run, by hand, of these films, or of those of the settings.

        Raises:
            AnotherRun: one is under way.
        """
        with self._ledger.begin() as tx:
            return self._new(tx, qc.free_id(tx, self._clock.now()), "hand", films)

    def scheduled(self, run_id: str) -> QcRun:
        """The run of that id: the one that has begun, or a new one of the films of the settings.

        Raises:
            AnotherRun: another is under way.
        """
        with self._ledger.begin() as tx:
            run = qc.run_of(tx, run_id)
            if run is not None:
                self._refuse_beside_another(tx, run_id)
            return run or self._new(tx, run_id, "schedule", ())

    def _new(self, tx: Connection, run_id: str, started_by: str, films: tuple[str, ...]) -> QcRun:
        self._refuse_beside_another(tx, run_id)
        build = provenance_to_json(Build.of(self._settings.report).without_model())
        names = [{"name": name} for name in films or self._settings.qc.films]
        run = QcRun(run_id, started_by, self._clock.now(), None, None, build, names, [])
        qc.keep(tx, run)
        return run

    def _refuse_beside_another(self, tx: Connection, run_id: str) -> None:
        recent = qc.unfinished_since(tx, self._clock.now() - RECENT)
        if other := next((run for run in recent if run.id != run_id), None):
            raise AnotherRun(other)

    def advance(self, run: QcRun) -> QcRun:
        """Do what is due.

        Raises:
            NodeError: the line could not be reached.
            Permanent: nobody may send from this host, or the run is one of another version of this program.
        """
        if run.finished_at is not None:
            return run
        seen = self.look(run)
        sent = [film for film in run.films if "sent_at" in film]
        last = datetime.fromisoformat(sent[-1]["sent_at"]) if sent else None
        if len(sent) < len(run.films):
            return self._send(run, len(sent)) if self._may_send(sent, seen, last) else run
        assert last is not None
        over = self._clock.now() - last > self._patience
        if over or all(s.reported or film["trouble"] for s, film in zip(seen, sent, strict=True)):
            return self._finish(run, seen)
        return run

    def look(self, run: QcRun) -> list[Seen]:
        """How far the films that were sent have come."""
        with self._ledger.read() as view:
            return [look(view, film["study_instance_uid"]) for film in run.films if "sent_at" in film]

    def fail(self, run: QcRun, words: str) -> QcRun:
        """End a run that could not be made."""
        unsent = next((film["name"] for film in run.films if "sent_at" not in film), run.films[-1]["name"])
        return self._conclude(run, [Check(unsent, "received", False, words)], run.build)

    def give_up(self, run_id: str) -> None:
        """End a run without a verdict: whoever waited for it does not wait any more, and another may begin."""
        with self._ledger.begin() as tx:
            run = qc.run_of(tx, run_id)
            if run is not None and run.finished_at is None:
                qc.keep(tx, replace(run, finished_at=self._clock.now()))

    def _may_send(self, sent: list[dict[str, Any]], seen: list[Seen], last: datetime | None) -> bool:
        """One study after the other, so that the time to a flag is that of the line and not that of its queue."""
        if last is None or sent[-1]["trouble"] or seen[-1].flagged:
            return True
        return self._clock.now() - last > timedelta(seconds=self._settings.qc.longest_flag_s)

    def _send(self, run: QcRun, number: int) -> QcRun:
        film = _known(run.films[number]["name"])
        images = drawn(film, run_id=run.id, number=number + 1)
        trouble = _store(images, self._door(), self._settings.delivery.timeout_s)
        entry = _entry(film, images, trouble, self._clock.now())
        return self._keep(replace(run, films=[*run.films[:number], entry, *run.films[number + 1 :]]))

    def _finish(self, run: QcRun, seen: list[Seen]) -> QcRun:
        sent = [_sent(film) for film in run.films]
        builds = [s.flag.provenance for s in seen if s.flag] + [s.reading.provenance for s in seen if s.reading]
        build = next((b for b in builds if b["weights_digest"]), run.build)
        return self._conclude(run, list(judge(sent, seen, self._limits())), build)

    def _conclude(self, run: QcRun, checks: list[Check], build: dict[str, Any]) -> QcRun:
        failed = [c for c in checks if not c.passed]
        done = self._keep(
            replace(
                run,
                finished_at=self._clock.now(),
                passed=not failed,
                build=build,
                checks=[asdict(c) for c in checks],
            )
        )
        if failed:
            words = "; ".join(f"{c.film}: {c.what}: {c.words}" for c in failed)
            self._log.error("constancy test failed", count=len(failed), words=words)
        else:
            self._log.info("constancy test passed", count=len(checks))
        return done

    def _limits(self) -> Limits:
        own = self._settings
        messages = any(isinstance(d, Hl7DestinationSettings | FolderDestinationSettings) for d in own.destinations)
        with self._ledger.read() as view:
            state = next((p for p in processes.all_processes(view) if p.role == "read"), None)
        why = f"the read process: {state.state} {state.words}".strip() if state else "no read process has ever run here"
        return Limits(own.qc.least_overlap, own.qc.longest_flag_s, ("sr", "oru") if messages else ("sr",), why)

    def _keep(self, run: QcRun) -> QcRun:
        with self._ledger.begin() as tx:
            qc.keep(tx, run)
        return run


def _store(images: list[Dataset], door: Door, timeout_s: float) -> str:
    """C-STORE them as one study; returns what went wrong with any of them, in the receiver's words. Raises `NodeError`."""
    with tempfile.TemporaryDirectory(prefix="preread-qc-") as folder:
        files = []
        for number, image in enumerate(images):
            files.append(Path(folder) / f"{number}.dcm")
            image.save_as(files[-1], enforce_file_format=True)
        results = scu.store(door.node, files, own_ae_title=door.ae_title, timeout_s=timeout_s)
    return "; ".join(f"{r.status_text} {r.comment}".strip() for r in results if not r.accepted)


def _entry(film: Film, images: list[Dataset], trouble: str, now: datetime) -> dict[str, Any]:
    return {
        "name": film.name,
        "accession": str(images[0].AccessionNumber),
        "study_instance_uid": str(images[0].StudyInstanceUID),
        "frontal": str(images[0].SOPInstanceUID),
        "boxes": [asdict(box) for box in stored_boxes(film)],
        "sent_at": now.isoformat(),
        "trouble": trouble,
    }


def _sent(entry: dict[str, Any]) -> Sent:
    boxes = tuple(StoredBox(**box) for box in entry["boxes"])
    return Sent(_known(entry["name"]), entry["frontal"], boxes, entry["trouble"])


def _known(name: str) -> Film:
    if name not in CATALOGUE:
        words = f'the run was begun by another version of this program, which knew a film "{name}"'
        raise Permanent(words, code="qc-unknown-film")
    return CATALOGUE[name]
