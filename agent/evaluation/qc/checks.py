"""What came out of the line against what was drawn: one film, one check at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from agent.evaluation.qc.films import CALLED_SO, CATALOGUE, Film, StoredBox, overlap, stored_half, upright_picture
from agent.evaluation.qc.seen import Seen
from agent.imaging.shrunk import shrunk
from agent.store.qc import Shown
from structured_report.content import Finding, Outcome, Presence, Priority, Region
from structured_report.plain import finding_from_json, region_from_json
from structured_report.vocabulary import vocabulary

# The checks, in the order in which they are shown.
CHECKS = {
    "received": "the receiver accepted the images",
    "flag": "seconds from the last image to the flag",
    "priority": "how urgent the flag calls it",
    "read": "it was read",
    "picture": "grey levels between what the model was shown and what is drawn",
    "kind": "what is drawn was found, and nothing on a normal film",
    "side": "on the patient's side where it is drawn, and nowhere else",
    "box": "overlap of the box with the drawn one; none on a normal film",
    "polarity": "the same findings when low values are bright",
    "storage": "the same findings when the film is stored in another way",
    "documents": "seconds from the last image to the documents",
}


# Measured over all films: 0.6 grey levels and a correlation of 0.9995 at worst from a sound line. The least visible of the
# planted faults, a mirrored film, makes 20 and 0.88; a swapped window, lost polarity, a cut more than that.
_MOST_GREY_LEVELS, _LEAST_CORRELATION = 5.0, 0.98


@dataclass(frozen=True, slots=True)
class Check:
    """One check of one film. `value`: what was measured, in the unit of the check, where there is a number."""

    film: str
    what: str
    passed: bool
    words: str
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """A film as it was sent.

    Attributes:
        frontal: SOP Instance UID of its frontal image.
        trouble: what the receiver answered instead of Success; empty when it accepted everything.
    """

    film: Film
    frontal: str
    boxes: tuple[StoredBox, ...]
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """What counts as passed.

    Attributes:
        least_overlap: of a box, 0 to 1.
        longest_flag_s: from the last image to the flag.
        documents: kinds that have to be made: ``sr``, ``oru``.
        why_not: words for what was not read in time.
    """

    least_overlap: float
    longest_flag_s: float
    documents: tuple[str, ...]
    why_not: str


def judge(sent: Sequence[Sent], seen: Sequence[Seen], limits: Limits) -> tuple[Check, ...]:
    """Every check of every film, in order."""
    found = {s.film.name: _present(v) for s, v in zip(sent, seen, strict=True) if _was_read(v)}
    return tuple(c for s, v in zip(sent, seen, strict=True) for c in _of_film(s, v, found, limits))


def _of_film(sent: Sent, seen: Seen, found: Mapping[str, Sequence[Finding]], limits: Limits) -> Iterator[Check]:
    film = sent.film
    yield Check(film.name, "received", not sent.trouble, sent.trouble or "accepted")
    if sent.trouble:
        return
    yield _flag(film, seen, limits)
    if film.priority is not None:
        yield _priority(film, seen)
    yield _read(film, seen, limits)
    if film.name in found or seen.shown is not None:
        yield _picture(film, seen.shown)
    if film.name in found:
        yield _kind(film, found[film.name])
        yield from _sides(film, found[film.name])
        yield from _boxes(sent, _regions(seen), limits)
    if film.same_as in found:
        yield _same(film, found.get(film.name), found[film.same_as])
    yield _documents(film, seen, limits)


def _was_read(seen: Seen) -> bool:
    return seen.reading is not None and seen.reading.outcome == Outcome.READ


def _present(seen: Seen) -> tuple[Finding, ...]:
    assert seen.reading is not None
    all_of_them = [finding_from_json(f) for f in seen.reading.findings]
    return tuple(f for f in all_of_them if f.presence is Presence.PRESENT)


def _regions(seen: Seen) -> tuple[Region, ...]:
    assert seen.reading is not None
    return tuple(region_from_json(r) for r in seen.reading.regions)


def _flag(film: Film, seen: Seen, limits: Limits) -> Check:
    if seen.flag is None or seen.arrived_at is None:
        return Check(film.name, "flag", False, f"there is no flag; {limits.why_not}")
    seconds = (seen.flag.flagged_at - seen.arrived_at).total_seconds()
    if seen.flag.trouble:
        return Check(film.name, "flag", False, seen.flag.trouble, seconds)
    late = seconds > limits.longest_flag_s
    words = f"{seconds:.1f} s" + (f", more than {limits.longest_flag_s:g} s" if late else "")
    return Check(film.name, "flag", not late, words, seconds)


def _priority(film: Film, seen: Seen) -> Check:
    """By the flag, before anything has been read; a normal film must not become urgent by its reading either."""
    wanted = film.priority
    said = [] if seen.flag is None or seen.flag.trouble else [seen.flag.priority]
    if wanted is Priority.ROUTINE and seen.reading is not None and seen.reading.priority:
        said.append(seen.reading.priority)
    wrong = [p for p in said if p != wanted]
    words = f"{wrong[0]} instead of {wanted}" if wrong else str(wanted)
    return Check(
        film.name, "priority", bool(said) and not wrong, words if said else f"not flagged; it has to be {wanted}"
    )


def _read(film: Film, seen: Seen, limits: Limits) -> Check:
    if seen.reading is None:
        return Check(film.name, "read", False, f"it was not read; {limits.why_not}")
    if not _was_read(seen):
        return Check(film.name, "read", False, f"{seen.reading.reason}: {seen.reading.explanation}")
    return Check(film.name, "read", True, "read", seen.reading.seconds)


def _picture(film: Film, shown: Shown | None) -> Check:
    """By the picture alone, whatever the model makes of it: a robust model reads a film in a wrong window all the same, and
    the patient whose finding is faint pays for it."""
    if shown is None:
        return Check(film.name, "picture", False, "what the model was shown was not kept")
    drawing = upright_picture(film)
    if drawing.shape != (shown.rows, shown.columns):
        sizes = f"{shown.columns} x {shown.rows} instead of {drawing.shape[1]} x {drawing.shape[0]}"
        return Check(film.name, "picture", False, f"the model was shown {sizes} pixels")
    here = np.frombuffer(shown.grid, np.uint8).astype(np.float64)
    there = shrunk(drawing).ravel().astype(np.float64)
    difference = float(np.abs(here - there).mean())
    alike = float(np.corrcoef(here, there)[0, 1]) if here.std() > 0 else 0.0
    passed = difference <= _MOST_GREY_LEVELS and alike >= _LEAST_CORRELATION
    words = f"{difference:.1f} grey levels from what is drawn, correlation {alike:.3f}"
    return Check(film.name, "picture", passed, words, difference)


def _kind(film: Film, present: Sequence[Finding]) -> Check:
    concepts = [f.concept for f in present]
    if not film.scene.plants:
        odd = [c for c in concepts if vocabulary()[c].abnormal]
        return Check(film.name, "kind", not odd, f"found {_listed(odd)} on a normal film" if odd else "nothing found")
    missing = [p.kind for p in film.scene.plants if not _called(p.kind, present)]
    said = f"found {_listed(concepts) or 'nothing'}"
    return Check(film.name, "kind", not missing, f"{_listed(missing)} not found; {said}" if missing else said)


def _names(kind: str) -> tuple[str, ...]:
    """What may stand for the kind, its own name first."""
    return CALLED_SO.get(kind, (kind,))


def _called(kind: str, present: Sequence[Finding]) -> list[Finding]:
    return [f for f in present if f.concept in _names(kind)]


def _sides(film: Film, present: Sequence[Finding]) -> Iterator[Check]:
    """Everything that is said of it: one right side beside a wrong one is no right answer."""
    for plant in film.scene.plants:
        called = _called(plant.kind, present)
        if plant.side and called:
            said = list(dict.fromkeys(str(f.laterality) for f in called if f.laterality is not None))
            right = said == [plant.side]
            words = plant.side if right else f"{' and '.join(said) or 'no side'} instead of {plant.side}"
            yield Check(film.name, "side", right, words)


def _boxes(sent: Sent, regions: Sequence[Region], limits: Limits) -> Iterator[Check]:
    film = sent.film
    if not film.scene.plants:
        odd = list(dict.fromkeys(r.concept for r in regions))
        words = f"a box of the {_listed(odd)} on a normal film" if odd else "no box"
        yield Check(film.name, "box", not odd, words)
    here = [r for r in regions if r.sop_instance_uid == sent.frontal]
    for box in sent.boxes:
        own = [r for r in here if r.concept in _names(box.concept)]
        yield _box(sent, box, own, limits)


def _box(sent: Sent, box: StoredBox, own: Sequence[Region], limits: Limits) -> Check:
    if not own:
        return Check(sent.film.name, "box", False, f"no box of the {_listed([box.concept])}")
    best = max(_overlap(box, r) for r in own)
    wrong = []
    if best < limits.least_overlap:
        wrong.append(f"less than {limits.least_overlap:g}")
    if box.side and not all(_lies_in(r, stored_half(sent.film, box.side)) for r in own):
        wrong.append(f"a box of the {_listed([box.concept])} lies on the other side")
    return Check(sent.film.name, "box", not wrong, ", ".join((f"{best:.2f}", *wrong)), best)


def _lies_in(region: Region, half: StoredBox) -> bool:
    """By its middle: a box may reach over the midline a little."""
    x, y = (region.x0 + region.x1) / 2, (region.y0 + region.y1) / 2
    return half.x0 <= x <= half.x1 and half.y0 <= y <= half.y1


def _overlap(box: StoredBox, region: Region) -> float:
    return overlap((box.x0, box.y0, box.x1, box.y1), (region.x0, region.y0, region.x1, region.y1))


def _same(film: Film, present: Sequence[Finding] | None, usual: Sequence[Finding]) -> Check:
    what = "polarity" if film.style.monochrome1 != CATALOGUE[film.same_as].style.monochrome1 else "storage"
    if present is None:
        return Check(film.name, what, False, f"not read, and {film.same_as} was")
    here, there = ({(f.concept, str(f.laterality or "")) for f in found} for found in (present, usual))
    if here == there:
        return Check(film.name, what, True, f"as {film.same_as}")
    words = f"{_pairs(here)} where {film.same_as} has {_pairs(there)}"
    return Check(film.name, what, False, words)


def _pairs(findings: set[tuple[str, str]]) -> str:
    return _listed(sorted(f"{side} {concept}".strip() for concept, side in findings)) or "nothing"


def _documents(film: Film, seen: Seen, limits: Limits) -> Check:
    made = [kind for kind, _ in seen.documents]
    missing = [kind.upper() for kind in limits.documents if kind not in made]
    if missing or seen.arrived_at is None or not seen.documents:
        return Check(
            film.name, "documents", False, f"{' and '.join(missing) or 'documents'} not made; {limits.why_not}"
        )
    seconds = (max(when for _, when in seen.documents) - seen.arrived_at).total_seconds()
    kinds = ", ".join(dict.fromkeys(kind.upper() for kind in made))
    return Check(film.name, "documents", True, f"{seconds:.1f} s ({kinds})", seconds)


def _listed(concepts: Sequence[str]) -> str:
    return ", ".join(c.replace("_", " ") for c in concepts)
