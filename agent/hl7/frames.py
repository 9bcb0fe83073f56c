"""MLLP frames out of a stream (HL7 Minimal Lower Layer Protocol, release 1): VT, the message, FS CR.

Put up with: anything before VT, a missing CR after FS, a message that was broken off and begun again.
"""

from __future__ import annotations

START, END, CR = b"\x0b", b"\x1c", b"\x0d"
MAX_FRAME = 1 << 20


class FrameTooLong(Exception):
    """A frame, or what is no frame at all, goes on for more than is taken."""


class FrameReader:
    """Takes a stream in pieces and gives the messages in it, without their frames."""

    def __init__(self, longest: int = MAX_FRAME) -> None:
        self._longest, self._noise = longest, 0
        self._body: bytearray | None = None
        self._ready: list[bytes] = []

    @property
    def is_inside(self) -> bool:
        """Whether a message has begun and not ended."""
        return self._body is not None

    @property
    def beginning(self) -> bytes:
        """Of the message that has begun and not ended: enough for its header."""
        return bytes(self._body[:4096]) if self._body is not None else b""

    @property
    def is_noisy(self) -> bool:
        """Whether something other than blanks came since the last message that is no frame."""
        return self._noise > 0

    def feed(self, piece: bytes) -> list[bytes]:
        """The messages that end in this piece. Raises `FrameTooLong`: what came whole before is in :meth:`leftover`."""
        rest = piece
        while rest:
            rest = self._outside(rest) if self._body is None else self._within(self._body, rest)
        return self.leftover()

    def leftover(self) -> list[bytes]:
        """The whole messages that were not handed out yet."""
        ready, self._ready = self._ready, []
        return ready

    def _outside(self, piece: bytes) -> bytes:
        noise, start, rest = piece.partition(START)
        self._noise += len(noise.strip(b" \t\r\n\x00"))
        if self._noise > self._longest:
            raise FrameTooLong
        if start:
            self._body, self._noise = bytearray(), 0
        return rest

    def _within(self, body: bytearray, piece: bytes) -> bytes:
        text, end, rest = piece.partition(END)
        _, again, after = text.rpartition(START)
        if again:
            body.clear()  # the sender broke off and began again; the first try was not acknowledged
            text = after
        body += text
        if len(body) > self._longest:
            raise FrameTooLong
        if end:
            self._ready.append(bytes(body))
            self._body = None
        return rest
