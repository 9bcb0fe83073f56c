"""Acknowledgements of what is sent to us: HL7 v2.5.1 2.9 (original and enhanced mode), MSA (table 0008), ERR (table 0357).

An answer is written as the message was: its version, its separators, its character set, sender and receiver swapped.
"""

from __future__ import annotations

import uuid
from datetime import datetime

from agent.hl7.faults import Fault
from agent.hl7.message import Header
from structured_report.hl7_characters import reader_of

_BEFORE_ERR_3 = ("2.1", "2.2", "2.3", "2.3.1", "2.4")
_ON_SUCCESS, _ON_ERROR = ("AL", "SU"), ("AL", "ER")  # table 0155


def is_acknowledgement(header: Header) -> bool:
    """Those are never acknowledged, or two programs would thank one another for ever (2.9.2)."""
    return header.type in ("ACK", "MCF")


def answers(header: Header, fault: Fault | None, *, now: datetime) -> tuple[bytes, ...]:
    """What is to be sent, in order: one acknowledgement in original mode; in enhanced mode those that were asked for.

    Args:
        fault: why the message is not taken; None when it is safely kept, or was before.
    """
    if not header.wants_commit and not header.wants_application:
        return (acknowledgement(header, f"A{_letter(fault)}", fault, now=now),)
    wanted = _ON_SUCCESS if fault is None else _ON_ERROR
    made = []
    if header.wants_commit in wanted:
        made.append(acknowledgement(header, f"C{_letter(fault)}", fault, now=now))
    # What is not committed has no second answer (2.9.3.2), unless nobody asked for the first.
    if header.wants_application in wanted and (fault is None or not made):
        made.append(acknowledgement(header, f"A{_letter(fault)}", fault, now=now))
    return tuple(made)


def _letter(fault: Fault | None) -> str:
    if fault is None:
        return "A"
    return "R" if fault.condition.is_about_the_kind else "E"


def acknowledgement(header: Header, code: str, fault: Fault | None, *, now: datetime, own_id: str = "") -> bytes:
    """One acknowledgement, segments ended by CR, no frame.

    Args:
        code: MSA-1. own_id: MSH-10 of the answer; made up when empty.
    """
    field, component = header.separators[0], header.separators[1]
    subcomponent = header.separators[4:5] or "&"
    version = header.version or "2.5.1"
    enhanced = bool(header.wants_commit or header.wants_application)
    structure = ["ACK", *([header.event] if header.event and version != "2.1" else [])]
    if len(structure) > 1 and version not in ("2.2", "2.3", "2.3.1"):
        structure.append("ACK")
    msh = [
        "MSH", header.separators[1:], *header.receiver, *header.sender, f"{now:%Y%m%d%H%M%S}+0000", "", component.join(structure),
        own_id or uuid.uuid4().hex[:20], header.processing_id or "P", version, "", "", *(("NE", "NE") if enhanced else ("", "")), "",
        _character_set(header),
    ]  # fmt: skip
    words = "" if fault is None else _fit(fault.told, header.separators)
    msa = ["MSA", code, header.control_id, words]
    rows = [msh, msa]
    if fault is not None:
        rows.append(_err(fault, words, component, subcomponent, old=version in _BEFORE_ERR_3))
    text = "".join(field.join(row).rstrip(field) + "\r" for row in rows)
    return text.encode(header.codec, "replace")


def _err(fault: Fault, words: str, component: str, subcomponent: str, *, old: bool) -> list[str]:
    place, code = fault.place, str(int(fault.condition))
    where = [place.segment, str(place.sequence), str(place.field) if place.field else ""]
    if old:
        coded = subcomponent.join((code, fault.condition.words, "HL70357"))
        return ["ERR", component.join((*where, coded))]
    coded = component.join((code, fault.condition.words, "HL70357"))
    return ["ERR", "", component.join(where).rstrip(component), coded, "E", "", "", "", words]


def _character_set(header: Header) -> str:
    """That of the message, where it is one: what else may stand in MSH-18 is no name of what the answer is written in."""
    try:
        reader_of(header.character_set, header.separators[2])
    except KeyError:
        return ""
    return header.character_set


def _fit(words: str, separators: str) -> str:
    """Our own words, with nothing in them that could be taken for structure."""
    return "".join(" " if c in separators or not c.isascii() or not c.isprintable() else c for c in words)[:200]
