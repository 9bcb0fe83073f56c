"""A PACS and a RIS that outlive the site, answer what they are told to, and write down every single thing they took.

They are the peers of the demonstration with a list of answers: what they keep and what they refuse is what the standard says
that the answer means.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from agent.demo.pacs import DemoPacs
from agent.demo.ris import DemoRis
from agent.hl7.listener import acknowledge

RECEIPTS = "receipts.jsonl"


def has_it(status: int) -> bool:
    """Whether a PACS that answers so has stored the object: success and warnings (PS3.7 Annex C: 0001 and Bxxx) say so, and
    0111, duplicate SOP instance, is said by one that has it already."""
    return status in (0x0000, 0x0001, 0x0111) or status & 0xF000 == 0xB000


class _Answers:
    """What is answered next; when nothing is asked for, yes."""

    def __init__(self) -> None:
        self._next: deque[Any] = deque()
        self._lock = threading.Lock()
        self.given = 0

    def say(self, answers: Iterable[Any]) -> None:
        with self._lock:
            self._next.extend(answers)

    def take(self) -> Any:
        with self._lock:
            if not self._next:
                return None
            self.given += 1
            return self._next.popleft()

    def clear(self) -> None:
        with self._lock:
            self._next.clear()


class _Receipts:
    """One line for each thing that was taken, in the order in which it was."""

    def __init__(self, folder: Path) -> None:
        self._path, self._lock = folder / RECEIPTS, threading.Lock()

    def add(self, **values: str) -> None:
        with self._lock, self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(values) + "\n")


class MoodyPacs(DemoPacs):
    """Answers the next C-STOREs with the statuses that `answers` holds."""

    def __init__(self, folder: Path, *, ae_title: str) -> None:
        super().__init__(folder, ae_title=ae_title)
        self.answers, self._receipts = _Answers(), _Receipts(folder)

    def _store(self, event: Any) -> int:
        status = self.answers.take()
        if status is not None and not has_it(status):
            return int(status)
        kept = super()._store(event)
        if kept == 0:
            self._receipts.add(identifier=str(event.request.AffectedSOPInstanceUID))
        return kept if status is None or kept else int(status)


class MoodyRis(DemoRis):
    """Acknowledges the next messages with the (MSA-1, ERR-3 or nothing) that `answers` holds."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.answers, self._receipts = _Answers(), _Receipts(folder)

    def _take(self, message: bytes) -> bytes:
        answer = self.answers.take()
        code, error = answer or ("AA", "")
        said = b""
        if answer is None or code in ("AA", "CA") or error == "205":
            said = super()._take(message)
            control_id = message.split(b"\r", 1)[0].split(b"|")[9].decode("ascii", "replace")
            self._receipts.add(identifier=control_id, digest=hashlib.sha256(message).hexdigest())
            if answer is None:
                return said
        answered = acknowledge(message, code=code, application="DEMORIS", facility="DEMO")
        return answered + (f"ERR|||{error}|E\r".encode() if error else b"")
