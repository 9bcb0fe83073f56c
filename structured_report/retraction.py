"""Taking back an ORU that was sent: the same patient, order and rows, posted as wrong.

It is made of the bytes that were sent, because what has to be taken back is what a receiver has, under the identity it
has it under, whatever is known by now. OBX-11 W is "post original as wrong, e.g. transmitted for wrong patient" (table 0085).
"""

from __future__ import annotations

from datetime import datetime

from structured_report import concepts
from structured_report.content import BANNER, PreRead
from structured_report.hl7_characters import CHARACTER_SETS, codec_of, fit
from structured_report.hl7_text import escape, unescape
from structured_report.text import exactly, one_line

TAKEN_BACK = "WITHDRAWN: this result was taken back and must not be used."
_WITHDRAWN = "[withdrawn]"
_TEXTS = ("FT", "TX")

Segment = list[str]


def retraction_of(sent: bytes, *, control_id: str, at: datetime, reason: str) -> bytes:
    """The message that takes back `sent`, one of ours, in the same version, form and character set.

    Coded rows stand as they were and say W; of the texts the rows are repeated and the words are not, so that a receiver
    that does not know W shows no finding again. OBR-22 is later, OBR-25 is R. Why stands in the first row or note.

    Args:
        at: when it was taken back, aware.
        reason: in a person's words.

    Raises:
        ValueError: `sent` is no ORU of ours.
    """
    segments, codec = _taken_apart(sent)
    moment = at.strftime("%Y%m%d%H%M%S%z")
    why = _in(codec, f"{TAKEN_BACK} {one_line(reason, 1024)}")
    made: list[Segment] = []
    for segment in segments:
        kind = segment[0]
        if kind == "MSH":
            made.append(_changed(segment, {6: moment, 9: control_id}))
        elif kind == "OBR":
            made.append(_changed(segment, {22: moment, 25: "R"}))
        elif kind == "OBX":
            made.append(_posted_as_wrong(segment, moment))
        elif kind != "NTE":
            made.append(segment)
    made = _with_the_reason(made, [s for s in segments if s[0] == "NTE"], segments, why)
    return ("\r".join("|".join(s) for s in _numbered(made)) + "\r").encode(codec)


def is_about(sent: bytes, preread: PreRead) -> bool:
    """Whether a message of ours is filed where one about that pre-read is: same patient, same order."""
    segments, _ = _taken_apart(sent)
    person, order = preread.study.patient, preread.study.order
    wanted = (
        person.patient_id, person.issuer if person.patient_id else "", order.placer_order_number,
        order.filler_order_number or order.accession_number, order.accession_number,
    )  # fmt: skip
    said = (*_patient_identifier(segments), *_order_numbers(segments))
    return said == tuple(exactly(w) for w in wanted)


def is_filed_with(one: bytes, other: bytes) -> bool:
    """Whether a receiver may file two messages of ours in one place: placer, filler or accession number is the same; where neither
    names an order, the patient is.

    Raises:
        ValueError: one of them is no ORU of ours.
    """
    first, second = _taken_apart(one)[0], _taken_apart(other)[0]
    mine, its = _order_numbers(first), _order_numbers(second)
    if any(mine) or any(its):
        return any(a and a == b for a, b in zip(mine, its, strict=True))
    return _patient_identifier(first) == _patient_identifier(second)


def sent_anew(sent: bytes, *, control_id: str, at: datetime) -> bytes:
    """The same result as another message: with the same MSH-10 a receiver may take it for one that it has, and not file it again.

    Args:
        at: MSH-7, aware.

    Raises:
        ValueError: `sent` is no ORU of ours.
    """
    segments, codec = _taken_apart(sent)
    moment = at.strftime("%Y%m%d%H%M%S%z")
    made = [_changed(s, {6: moment, 9: control_id}) if s[0] == "MSH" else s for s in segments]
    return ("\r".join("|".join(s) for s in made) + "\r").encode(codec)


def _order_numbers(segments: list[Segment]) -> tuple[str, ...]:
    """Placer and filler order number, without who gave them, and accession number."""
    obr = next(s for s in segments if s[0] == "OBR")
    return tuple(unescape(_at(obr, n).split("^")[0]) for n in (2, 3, 18))


def _patient_identifier(segments: list[Segment]) -> tuple[str, str]:
    parts = _at(next(s for s in segments if s[0] == "PID"), 3).split("^") + [""] * 4
    return unescape(parts[0]), unescape(parts[3])


def _taken_apart(sent: bytes) -> tuple[list[Segment], str]:
    """Segments of fields, and the codec. The names of the fields in MSH are one less than their places."""
    first = sent.split(b"\r", 1)[0].decode("ascii", "replace").split("|")
    try:
        codec = codec_of(_at(first, 17))
        segments = [line.split("|") for line in sent.decode(codec).split("\r") if line]
    except (KeyError, UnicodeDecodeError) as error:
        raise ValueError("the message that was sent cannot be read again") from error
    if {"MSH", "PID", "OBR"} - {s[0] for s in segments}:
        raise ValueError("the message that was sent has no MSH, PID or OBR")
    return segments, codec


def _posted_as_wrong(obx: Segment, moment: str) -> Segment:
    if _at(obx, 11) == "O":  # an identifier, and no result
        return obx
    changes = {11: "W", 8: "", 9: ""}
    if obx[2] in _TEXTS:
        changes[5] = _WITHDRAWN
    if _at(obx, 19):
        changes[19] = moment
    return _changed(obx, changes)


def _with_the_reason(made: list[Segment], notes: list[Segment], segments: list[Segment], why: str) -> list[Segment]:
    """Where the texts of the message stood: as a note below the OBR, or as the first row, which says R and is no longer
    wrong."""
    obr = next(n for n, s in enumerate(made) if s[0] == "OBR")
    if notes:
        banner = _changed(notes[0], {3: escape(BANNER, formatted=False)})
        return [*made[: obr + 1], banner, _changed(notes[0], {3: why}), *made[obr + 1 :]]
    first = next((n for n, s in enumerate(made) if s[0] == "OBX"), len(made))
    texts = [s for s in segments if s[0] == "OBX" and s[2] in _TEXTS]
    if not texts:  # a message of ours has its banner; one that has lost it still gets the reason
        texts = [["OBX", "", "FT", "", "", "", "", "", "", "", "", "R"]]
    comment = f"{concepts.COMMENT.value}^{concepts.COMMENT.meaning}^{concepts.COMMENT.scheme}"
    row = _changed(texts[0], {3: comment, 4: "withdrawn", 5: why, 11: "R"})
    return [*made[:first], row, *made[first:]]


def _numbered(segments: list[Segment]) -> list[Segment]:
    """With set ids that count anew."""
    counts = {"OBX": 0, "NTE": 0}
    numbered = []
    for segment in segments:
        if segment[0] in counts:
            counts[segment[0]] += 1
            segment = _changed(segment, {1: str(counts[segment[0]])})
        numbered.append(segment)
    return numbered


def _changed(segment: Segment, fields: dict[int, str]) -> Segment:
    longest = max(fields)
    padded = segment + [""] * (longest + 1 - len(segment))
    whole = [fields.get(n, value) for n, value in enumerate(padded)]
    while whole and not whole[-1]:
        whole.pop()
    return whole


def _at(segment: Segment, number: int) -> str:
    return segment[number] if len(segment) > number else ""


def _in(codec: str, text: str) -> str:
    character_set = next(name for name, c in CHARACTER_SETS.items() if c == codec)
    return escape(fit(text, character_set)[0], formatted=False)
