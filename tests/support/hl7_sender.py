"""Messages as a RIS writes them, and a sender on a raw socket that does what a test tells it to."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from sqlalchemy import select

from agent.audit.refusal_book import RefusalBook
from agent.clock import SystemClock
from agent.hl7.hear import Dialect
from agent.hl7.hearing import Hearing
from agent.hl7.listener import Limits, Listener
from agent.store import overview
from agent.store.engine import Ledger
from agent.store.files import FileStore
from agent.store.schema import hl7_message, job
from dicom_nodes.tls import TlsFiles
from tests.support.site import PATIENCE_S

VT, FS, CR = b"\x0b", b"\x1c", b"\x0d"


def segment(name: str, **fields: str) -> str:
    """A segment with those fields, for example ``segment("ORC", f1="NW")``."""
    numbered = {int(key[1:]): value for key, value in fields.items()}
    return "|".join([name, *(numbered.get(n, "") for n in range(1, max(numbered, default=0) + 1))])


def header(kind: str = "ORM^O01", control_id: str = "C1", character_set: str = "", **more: str) -> str:
    """MSH; `more` replaces fields by number, for example ``f15="AL"``."""
    fields = {
        "f3": "RIS", "f4": "HOSP", "f5": "PREREAD", "f6": "RADIOLOGY", "f7": "20260103101500", "f9": kind, "f10": control_id, "f11": "P",
        "f12": "2.5.1", "f18": character_set,
    } | more  # fmt: skip
    numbered = {f"f{int(key[1:]) - 1}": value for key, value in fields.items()}
    return segment("MSH", f1="^~\\&", **numbered).rstrip("|")


PID = "PID|1||P1^^^HOSP^MR||Test^Patient||19600101|F"
ORC = "ORC|NW|PO1^EHR|FO1^RIS||SC"
OBR = segment("OBR", f1="1", f2="PO1^EHR", f3="FO1^RIS", f4="36643-5^XR Chest 2 Views^LN", f18="ACC1", f24="CR")


def message(*segments: str, end: str = "\r", codec: str = "utf-8") -> bytes:
    return "".join(s + end for s in segments).encode(codec)


def order(control_id: str = "C1", **more: str) -> bytes:
    return message(header(control_id=control_id, **more), PID, ORC, OBR)


def framed(content: bytes) -> bytes:
    return VT + content + FS + CR


def rows(answer: bytes) -> dict[str, list[str]]:
    """The fields of an acknowledgement by segment; MSH-n stands at n - 1."""
    found: dict[str, list[str]] = {}
    for line in answer.decode("latin-1").split("\r"):
        if line:
            found.setdefault(line[:3], line.split(line[3:4] if line.startswith("MSH") else "|"))
    return found


@dataclass
class Ear:
    """The receiver of orders with its ledger, without a socket unless one is asked for."""

    root: Path
    dialect: Dialect = field(default_factory=Dialect)
    processing_ids: Sequence[str] = ("P",)

    def __post_init__(self) -> None:
        self.ledger = Ledger(f"sqlite:///{self.root / 'preread.db'}")
        self.ledger.create()
        self.files = FileStore(self.root, 0)
        self.files.prepare()
        self.refused = RefusalBook(self.ledger, SystemClock(), None)
        clock, ids = SystemClock(), self.processing_ids
        self.hearing = Hearing(self.ledger, self.files, clock, self.dialect, self.refused, processing_ids=ids)

    def say(self, content: bytes) -> bytes:
        """One message, one answer."""
        (answer,) = self.hearing.take(content, "192.0.2.1")
        return answer

    def kept(self) -> list[Any]:
        with self.ledger.read() as view:
            return list(view.execute(select(hl7_message).order_by(hl7_message.c.id)))

    def jobs(self) -> list[tuple[str, str]]:
        with self.ledger.read() as view:
            return [(str(r.kind), str(r.key)) for r in view.execute(select(job).order_by(job.c.id))]

    def refusals(self) -> list[dict[str, Any]]:
        with self.ledger.read() as view:
            return overview.refusals(view)

    def listen(self, *, tls: TlsFiles | None = None, **limits: Any) -> Listener:
        return Listener(self.hearing, limits=Limits(**limits), tls=tls)


class Sender:
    """A connection. Whatever must come is waited for."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        self._buffer = b""

    def send(self, content: bytes) -> Sender:
        self.socket.sendall(content)
        return self

    def answer(self) -> dict[str, list[str]]:
        """The next frame."""
        while FS + CR not in self._buffer:
            piece = self.socket.recv(65536)
            assert piece, f"closed without an answer, after {self._buffer!r}"
            self._buffer += piece
        frame, _, self._buffer = self._buffer.partition(FS + CR)
        assert frame.startswith(VT)
        return rows(frame[1:])

    def is_closed(self) -> bool:
        """Whether the other side closes without another answer."""
        try:
            return self._buffer + self.socket.recv(65536) == b""
        except ConnectionError:
            return True

    def __enter__(self) -> Sender:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()
