"""Acknowledgements: taken apart by hand (hl7apy cannot validate one without a message structure), and what each means
for the message.

HL7 v2.5.1 chapter 2: MSA-1 (table 0008), MSA-2, ERR-3 (table 0357), ERR-4 (table 0516).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from structured_report.hl7_characters import codec_of
from structured_report.hl7_text import unescape


class NotAnAck(ValueError):
    """The frame holds no MSH, or no MSA with a control id."""


@dataclass(frozen=True, slots=True)
class Ack:
    """MSA-1, MSA-2, the codes of every ERR-3, and what the receiver said in words (MSA-3, ERR-8 and ERR-7, at most 200
    characters). Those may quote the message, patients included: they belong in the ledger and never in a log.

    Attributes:
        errors: codes of the errors; where there are none, of the warnings. remarks: those of the warnings beside errors.
        own_id: MSH-10 of the acknowledgement itself. wants_commit: it asks to be acknowledged in its turn (MSH-15).
    """

    code: str
    control_id: str
    errors: tuple[str, ...]
    said: str = ""
    own_id: str = ""
    wants_commit: bool = False
    parties: tuple[str, str, str, str] = ("", "", "", "")
    remarks: tuple[str, ...] = ()

    @property
    def is_commit(self) -> bool:
        """Of the enhanced mode's first kind: it is about safe storage, not about what was done with the message."""
        return self.code in ("CA", "CE", "CR")

    @property
    def is_busy(self) -> bool:
        """Whether the receiver says that it cannot do it just now, whatever the message is about."""
        return bool(set(self.errors) & _LOCKED_OR_INTERNAL)

    def commit(self) -> bytes:
        """The commit acknowledgement of this application acknowledgement (2.5.1 2.9.3.2), back to where it came from."""
        theirs, ours = self.parties[:2], self.parties[2:]
        header = "|".join(("MSH", "^~\\&", *ours, *theirs, "", "", "ACK", f"C{self.own_id}"[:20], "P", "2.5.1"))
        return f"{header}\rMSA|CA|{self.own_id}\r".encode()

    @property
    def words(self) -> str:
        """The peer's verdict in its own codes, without patient data."""
        codes = [f" ERR-3 {e}" for e in self.errors] + [f" ERR-3 {e} (no error)" for e in self.remarks]
        return f"MSA|{self.code}|{self.control_id}" + "".join(codes)


class Verdict(Enum):
    """What an acknowledgement means for the message."""

    DELIVERED = "delivered"
    TRY_AGAIN = "try-again"
    GIVE_UP = "give-up"


_LOCKED_OR_INTERNAL = {"206", "207"}  # table 0357: application record locked, application internal error
_DUPLICATE_KEY = "205"
_TABLE = "HL70357"
_OUR_DEFECT = {"100", "101", "102", "103", "200", "201", "202", "203"}


def parse_ack(frame: bytes) -> Ack:
    """Take a frame apart. Raises `NotAnAck`."""
    segments = [s for s in re.split(r"[\r\n]+", _text(frame)) if s.strip()]
    if not segments or not segments[0].startswith("MSH") or len(segments[0]) < 4:
        raise NotAnAck(f"it does not start with MSH but with {_short(frame[:20].decode('latin-1'))!r}")
    separator, component, repetition = segments[0][3], segments[0][4:5] or "^", segments[0][5:6] or "~"
    rows = [s.split(separator) for s in segments]
    msa = next((r for r in rows if r[0] == "MSA"), None)
    if msa is None or len(msa) < 3 or not msa[2].strip():
        raise NotAnAck("it has no MSA-2")
    errs = [r for r in rows if r[0] == "ERR"]
    errors, remarks = _codes(msa, errs, component, repetition)
    msh = rows[0]
    return Ack(
        _short(msa[1]).upper(),
        _short(msa[2], 199),  # longer than any of ours: one that only begins with ours is another's
        errors,
        _said(msa, errs, component),
        own_id=_short(_field(msh, 9)),
        wants_commit=_field(msh, 14) in ("AL", "SU"),  # it was received, so "only when it was" (SU) is now
        parties=(_field(msh, 2), _field(msh, 3), _field(msh, 4), _field(msh, 5)),
        remarks=remarks,
    )


def _text(frame: bytes) -> str:
    """In the character set that it names (MSH-18); in Latin-1 where it names none that holds, and is no UTF-8: no byte is
    lost, and what decides is ASCII."""
    header = frame.partition(b"\r")[0].split(frame[3:4] or b"|")
    named = header[17].decode("latin-1") if len(header) > 17 else ""
    for codec in (_codec(named), "utf-8-sig"):
        try:
            return frame.decode(codec)
        except UnicodeError:
            continue
    return frame.decode("latin-1")


def _codec(named: str) -> str:
    try:
        codec = codec_of(named)
    except KeyError:
        return "utf-8-sig"
    return "utf-8-sig" if codec == "utf-8" else codec


def _field(row: Sequence[str], number: int) -> str:
    return row[number].strip() if len(row) > number else ""


def _said(msa: list[str], errs: list[list[str]], component: str) -> str:
    """MSA-3, and of every ERR the user message (ERR-8), else the diagnostic (ERR-7), else the text of its code (ERR-3.2)."""
    texts = [_field(msa, 3)]
    texts += [_field(e, 8) or _field(e, 7) or "".join(_field(e, 3).split(component)[1:2]) for e in errs]
    whole = "; ".join(dict.fromkeys(t for t in map(unescape, texts) if t))
    return "".join(c for c in whole if c.isprintable())[:200]


def _codes(
    msa: list[str], errs: list[list[str]], component: str, repetition: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Codes of the errors, and of what is beside them of no weight: with severity W or I (ERR-4, table 0516)."""
    found = [(_code(_field(msa, 6).split(component)), "")]  # the error condition of version 2.4 and before
    for e in errs:
        if _field(e, 3):
            found.append((_code(_field(e, 3).split(component)), _field(e, 4).upper()))
        else:  # before version 2.5: the code is the fourth component of each location
            parts = [r.split(component) for r in _field(e, 1).split(repetition)]
            found += [(_short(_field(p, 3).partition("&")[0]), "") for p in parts]
    said = [(code, severity) for code, severity in found if code]
    errors = tuple(code for code, severity in said if severity not in ("W", "I"))
    remarks = tuple(code for code, severity in said if severity in ("W", "I"))
    return (errors, remarks) if errors else (remarks, ())


def _code(coded: list[str]) -> str:
    """The identifier of a coded element; of its two, the one that is said to be of table 0357."""
    second = len(coded) > 5 and coded[5].strip() == _TABLE and _field(coded, 2) != _TABLE
    return _short(coded[3] if second else coded[0])


def _short(text: str, longest: int = 20) -> str:
    return "".join(c for c in text.strip() if c.isprintable())[:longest]


def judge(ack: Ack) -> Verdict:
    """What to do with the message that was answered so.

    AA is done. CA means committed to safe storage: done too, whether it was asked for (enhanced mode) or not. AE and CE may
    be about an order or patient that is not there yet and are tried again, within the age limit, unless they name a defect
    of the message. AR and CR are final unless the receiver was only busy. Whoever says that he has the message already has it.
    """
    errors = set(ack.errors)
    if ack.code in ("AA", "CA") or _DUPLICATE_KEY in errors:
        return Verdict.DELIVERED
    if ack.is_busy:
        return Verdict.TRY_AGAIN
    if ack.code in ("AE", "CE"):
        return Verdict.GIVE_UP if errors & _OUR_DEFECT else Verdict.TRY_AGAIN
    return Verdict.GIVE_UP
