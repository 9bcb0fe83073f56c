"""The embedded RIS of the demonstration: an MLLP listener that keeps every message and acknowledges it."""

from __future__ import annotations

from pathlib import Path

from agent.hl7.listener import MllpListener, acknowledge


class DemoRis(MllpListener):
    """Listens on a loopback port, a free one unless it is named, and writes ``<MSH-10>.hl7`` into a folder; the same
    message again is the same file."""

    def __init__(self, folder: Path, *, port: int = 0) -> None:
        super().__init__(self._take, port=port)
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def _take(self, message: bytes) -> bytes:
        fields = message.split(b"\r", 1)[0].split(b"|")
        control_id = fields[9].decode("ascii", "replace") if len(fields) > 9 else ""
        if not control_id.isalnum():
            return acknowledge(message, code="AR", application="DEMORIS", facility="DEMO")
        (self._folder / f"{control_id}.hl7").write_bytes(message)
        return acknowledge(message, application="DEMORIS", facility="DEMO")
