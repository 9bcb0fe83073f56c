"""Boxes that cannot be: out of range, empty, absurd, of another finding, or twice the same."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

from agent.model.parsing import SaidBox
from agent.reading.guards.case import Case, named, opposite
from agent.reading.guards.codes import Code, Effect, verdict
from agent.reading.guards.evidence import Located, half_of
from agent.reading.guards.passage import quote
from agent.reading.statements import statements
from structured_report.content import Laterality, Verdict

MOST_AREA = 0.70  # of the picture: a box round everything shows nothing
LEAST_SIDE = 0.01
MOST_BOXES = 6  # for one finding
SAME = 0.9  # overlap over union
# Names that a model uses for one another: a box of one may carry the name of the other.
_ALIKE = (
    frozenset({"lung_opacity", "consolidation", "pneumonia", "atelectasis", "pulmonary_edema"}),
    frozenset({"lung_opacity", "nodule", "mass"}),
)


def check_boxes(case: Case) -> Case:
    """The boxes that can be, and a verdict for each finding of which some cannot."""
    for concept, said in case.evidence.boxes.items():
        named_right, of_another = _of_it(concept, said)
        if of_another:
            words = f"A box for {named(concept)} carries the name {quote(of_another[0].name)}; it was left out."
            case = case.noting(Code.BOX_OF_ANOTHER, Effect.DROPPED, words)
        kept, verdicts = _possible(concept, named_right)
        case = _with(case, kept, verdicts)
    return _identical(case)


def overlap(one: Located, other: Located) -> float:
    """Intersection over union, 0 to 1."""
    width = min(one.x1, other.x1) - max(one.x0, other.x0)
    height = min(one.y1, other.y1) - max(one.y0, other.y0)
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return both / (_area(one) + _area(other) - both)


def _with(case: Case, kept: list[Located], verdicts: list[Verdict]) -> Case:
    return replace(case, regions=(*case.regions, *kept), verdicts=(*case.verdicts, *verdicts))


def _of_it(concept: str, said: tuple[SaidBox, ...]) -> tuple[list[SaidBox], list[SaidBox]]:
    mine: list[SaidBox] = []
    other: list[SaidBox] = []
    for box in said:
        names = {s.concept for s in statements(box.name[:200])}
        alike = any(concept in group and names & group for group in _ALIKE)
        (other if names and concept not in names and not alike else mine).append(box)
    return mine, other


def _possible(concept: str, said: list[SaidBox]) -> tuple[list[Located], list[Verdict]]:
    faults = [fault for box in said if (fault := _fault(box))]
    good = [box for box in said if not _fault(box)]
    merged = _merged([_located(concept, box) for box in good])
    verdicts = []
    if len(merged) < len(good):
        words = (
            f"Boxes for {named(concept)} that were the same as another were merged with it ({len(good) - len(merged)})."
        )
        verdicts.append(verdict(Code.BOX_DUPLICATE, Effect.REPAIRED, words))
    if len(merged) > MOST_BOXES:
        faults.append("too many")
        merged = []
    if faults:
        words = (
            f"The model located {named(concept)} with boxes that cannot be "
            f"({', '.join(sorted(set(faults)))}); they were left out."
        )
        verdicts.append(verdict(Code.BOX_IMPOSSIBLE, Effect.DROPPED, words))
    return merged, verdicts


def _fault(box: SaidBox) -> str:
    """Values over 100 are pixels of some picture or nonsense: never guessed at."""
    if not all(0 <= v <= 100 for v in (box.x0, box.y0, box.x1, box.y1)):
        return "out of range"
    width, height = (box.x1 - box.x0) / 100, (box.y1 - box.y0) / 100
    if width < LEAST_SIDE or height < LEAST_SIDE:
        return "empty"
    if width * height > MOST_AREA:
        return "round everything"
    return "on the other side than its name says" if _against_its_name(box) else ""


def _against_its_name(box: SaidBox) -> bool:
    words = set(box.name.lower().replace("-", " ").split())
    sides = [side for side in (Laterality.LEFT, Laterality.RIGHT) if str(side) in words]
    return len(sides) == 1 and half_of(_located("", box)) is opposite(sides[0])


def _located(concept: str, box: SaidBox) -> Located:
    return Located(concept, box.x0 / 100, box.y0 / 100, box.x1 / 100, box.y1 / 100)


def _merged(boxes: list[Located]) -> list[Located]:
    kept: list[Located] = []
    for box in boxes:
        if not any(overlap(box, other) >= SAME for other in kept[: MOST_BOXES + 1]):
            kept.append(box)
    return kept


def _area(box: Located) -> float:
    return (box.x1 - box.x0) * (box.y1 - box.y0)


def _identical(case: Case) -> Case:
    """One place for two findings may be true, and may be a model that draws one box whatever it is asked."""
    for one, other in combinations(dict.fromkeys(r.concept for r in case.regions), 2):
        boxes = [[r for r in case.regions if r.concept == c] for c in (one, other)]
        if any(overlap(a, b) >= SAME for a in boxes[0] for b in boxes[1]):
            words = f"{named(one).capitalize()} and {named(other)} were located with the same box."
            case = case.noting(Code.BOXES_IDENTICAL, Effect.NOTED, words)
    return case
