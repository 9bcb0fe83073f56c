"""Forms of an ORU, and what an outsider reads in each of them."""

from __future__ import annotations

import re
from itertools import product

import hl7
from hypothesis import strategies as st

from structured_report.content import PreRead
from structured_report.hl7_characters import CHARACTER_SETS, msh_18
from structured_report.oru import encode_oru
from structured_report.oru_form import OruForm

VERSIONS, TEXTS, UIDS = ("2.5.1", "2.4", "2.3.1"), ("ft", "tx", "nte"), ("st", "rp", "zds")
ALL = [OruForm(version=v, text=t, study_uid_as=u) for v, t, u in product(VERSIONS, TEXTS, UIDS)]  # type: ignore[arg-type]
ANY_FORM = st.builds(
    OruForm,
    version=st.sampled_from(VERSIONS),
    text=st.sampled_from(TEXTS),
    study_uid_as=st.sampled_from(UIDS),
    character_set=st.sampled_from(sorted(CHARACTER_SETS)),
    acknowledgement=st.sampled_from(["original", "commit", "both"]),
)
_ESCAPE = re.compile(r"\\([^\\]*)\\")


def sent(value: PreRead, form: OruForm, status: str = "R") -> bytes:
    return encode_oru(
        value,
        sending_application="PREREAD",
        sending_facility="RAD",
        receiving_application="RIS",
        receiving_facility="HOSP",
        status=status,  # type: ignore[arg-type]
        form=form,
    )


def received(message: bytes, form: OruForm) -> hl7.Message:
    """As a receiver has it that decodes by MSH-18, and then parses."""
    codec = CHARACTER_SETS[form.character_set]
    parsed = hl7.parse(message.decode(codec))
    assert str(parsed.segment("MSH")[18]) == msh_18(form.character_set)
    return parsed


def _line_end(found: re.Match[str]) -> str:
    return "\n" if found.group(1) in (".br", "X0A") else found.group()


def plain(message: hl7.Message, value: str) -> str:
    """Unescaped by the `hl7` package; line ends are LF."""
    return str(message.unescape(_ESCAPE.sub(_line_end, value)))


def text_in(message: hl7.Message, form: OruForm, concept: str, title: str) -> str:
    """The whole text of that concept, without the title that a note begins with."""
    if form.text == "nte":
        notes = [n for n in segments(message, "NTE") if str(n[4]).split("^")[0] == concept]
        text = "\n".join(plain(message, str(n[3])) for n in notes)
        return text.removeprefix(f"{title}:\n")
    rows = [o for o in segments(message, "OBX") if str(o[3]).split("^")[0] == concept]
    assert {str(o[2]) for o in rows} <= {form.text.upper()}
    lines = [plain(message, str(o[5])) for o in rows]
    return "\n".join("" if line == " " else line for line in lines)


def segments(message: hl7.Message, kind: str) -> list[hl7.Segment]:
    try:
        return list(message.segments(kind))
    except KeyError:
        return []
