"""Acknowledgements: taken apart by hand (hl7apy cannot validate one without a message structure), and what each means
for the message.

HL7 v2.5.1 chapter 2: MSA-1 (table 0008), MSA-2, ERR-3 (table 0357).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class NotAnAck(ValueError):
    """The frame holds no MSH, or no MSA with a control id."""


@dataclass(frozen=True, slots=True)
class Ack:
    """MSA-1, MSA-2, the codes of every ERR-3, and what the receiver said in words (MSA-3, ERR-8 and ERR-7, at most 200
    characters). Those may quote the message, patients included: they belong in the ledger and never in a log."""

    code: str
    control_id: str
    errors: tuple[str, ...]
    said: str = ""

    @property
    def words(self) -> str:
        """The peer's verdict in its own codes, without patient data."""
        return f"MSA|{self.code}|{self.control_id}" + "".join(f" ERR-3 {e}" for e in self.errors)


class Verdict(Enum):
    """What an acknowledgement means for the message."""

    DELIVERED = "delivered"
    TRY_AGAIN = "try-again"
    GIVE_UP = "give-up"


_LOCKED_OR_INTERNAL = {"206", "207"}  # table 0357: application record locked, application internal error
_UNKNOWN_KEY, _DUPLICATE_KEY = "204", "205"
_OUR_DEFECT = {"100", "101", "102", "103", "200", "201", "202", "203"}


def parse_ack(frame: bytes) -> Ack:
    """Take a frame apart. Raises `NotAnAck`."""
    segments = [s for s in frame.decode("utf-8", "replace").replace("\n", "\r").split("\r") if s.strip()]
    if not segments or not segments[0].startswith("MSH") or len(segments[0]) < 4:
        raise NotAnAck(f"it does not start with MSH but with {_short(frame[:20].decode('latin-1'))!r}")
    separator = segments[0][3]
    rows = [s.split(separator) for s in segments]
    msa = next((r for r in rows if r[0] == "MSA"), None)
    if msa is None or len(msa) < 3 or not msa[2].strip():
        raise NotAnAck("it has no MSA-2")
    errors = tuple(code for r in rows if r[0] == "ERR" and (code := _error_code(r)))
    return Ack(_short(msa[1]), _short(msa[2]), errors, _said(msa, [r for r in rows if r[0] == "ERR"]))


def _said(msa: list[str], errs: list[list[str]]) -> str:
    """MSA-3, and of every ERR the user message (ERR-8), else the diagnostic (ERR-7), else the text of its code (ERR-3.2)."""

    def field(row: list[str], number: int) -> str:
        return row[number].strip() if len(row) > number else ""

    texts = [field(msa, 3)]
    texts += [field(e, 8) or field(e, 7) or "".join(field(e, 3).split("^")[1:2]) for e in errs]
    whole = "; ".join(dict.fromkeys(t for t in texts if t))
    return "".join(c for c in whole if c.isprintable())[:200]


def _error_code(err: list[str]) -> str:
    """ERR-3.1 (v2.5), or the code in ERR-1.4 (before)."""
    if len(err) > 3 and err[3].strip():
        return _short(err[3].partition("^")[0])
    parts = err[1].split("^") if len(err) > 1 else []
    return _short(parts[3].partition("&")[0]) if len(parts) > 3 else ""


def _short(text: str) -> str:
    return "".join(c for c in text.strip() if c.isprintable())[:20]


def judge(ack: Ack) -> Verdict:
    """What to do with the message that was answered so.

    AA is done. CA, from a receiver that answers in enhanced mode unasked, means committed to safe storage: done too.
    AE may be about an order or patient that is not there yet and is tried again, within the age limit, unless it
    names a defect of the message. AR is final unless the receiver was only busy.
    """
    errors = set(ack.errors)
    if ack.code in ("AA", "CA") or _DUPLICATE_KEY in errors:
        return Verdict.DELIVERED
    if errors & _LOCKED_OR_INTERNAL:
        return Verdict.TRY_AGAIN
    if ack.code in ("AE", "CE"):
        return Verdict.GIVE_UP if errors & _OUR_DEFECT else Verdict.TRY_AGAIN
    return Verdict.GIVE_UP
