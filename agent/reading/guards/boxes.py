"""Boxes that cannot be: out of range, empty, absurd."""

from __future__ import annotations

from collections.abc import Mapping

from agent.model.parsing import SaidBox
from agent.reading.guards.evidence import Located
from structured_report.content import Verdict
from structured_report.vocabulary import vocabulary

MOST_AREA = 0.70  # of the picture: a box round everything shows nothing
LEAST_SIDE = 0.01
MOST_BOXES = 6  # for one finding


def check_boxes(boxes: Mapping[str, tuple[SaidBox, ...]]) -> tuple[tuple[Located, ...], tuple[Verdict, ...]]:
    """The boxes that can be, and a verdict for each finding of which some cannot."""
    kept: list[Located] = []
    verdicts = []
    for concept, said in boxes.items():
        faults = {fault for box in said if (fault := _fault(box))}
        if len(said) > MOST_BOXES:
            faults.add("too many")
        else:
            kept += [Located(concept, b.x0 / 100, b.y0 / 100, b.x1 / 100, b.y1 / 100) for b in said if not _fault(b)]
        if faults:
            name = vocabulary()[concept].words[0]
            words = (
                f"The model located {name} with boxes that cannot be ({', '.join(sorted(faults))}); they were left out."
            )
            verdicts.append(Verdict("box-impossible", "dropped", words))
    return tuple(kept), tuple(verdicts)


def _fault(box: SaidBox) -> str:
    """Values over 100 are pixels of some picture or nonsense: never guessed at."""
    if not all(0 <= v <= 100 for v in (box.x0, box.y0, box.x1, box.y1)):
        return "out of range"
    width, height = (box.x1 - box.x0) / 100, (box.y1 - box.y0) / 100
    if width < LEAST_SIDE or height < LEAST_SIDE:
        return "empty"
    return "round everything" if width * height > MOST_AREA else ""
