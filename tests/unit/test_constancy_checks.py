"""What the constancy test calls right: a right answer beside a wrong one is not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from agent.evaluation.qc.checks import Check, Limits, Sent, judge
from agent.evaluation.qc.films import CATALOGUE, stored_boxes
from agent.evaluation.qc.seen import Seen
from agent.store.results import StoredReading
from structured_report.content import Finding, Laterality, Outcome, Presence, Region
from structured_report.plain import finding_to_json, region_to_json

LEFT, RIGHT, BOTH = Laterality.LEFT, Laterality.RIGHT, Laterality.BILATERAL
LIMITS = Limits(0.4, 30.0, (), "")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
AIR = "pneumothorax"


def checked(name: str, findings: Sequence[Finding], regions: Sequence[Region]) -> dict[str, Check]:
    """The checks of a film that was read so."""
    film = CATALOGUE[name]
    reading = StoredReading(
        1, Outcome.READ, "", "", {}, "", "", "", [finding_to_json(f) for f in findings], [], 1.0, NOW,
        regions=[region_to_json(r) for r in regions],
    )  # fmt: skip
    sent = Sent(film, "1.2", stored_boxes(film))
    return {c.what: c for c in judge([sent], [Seen(NOW, None, reading)], LIMITS)}


def drawn_region(name: str, *, over: bool = False, concept: str = "") -> Region:
    """A box where it is drawn, or at the same place on the other side of the patient."""
    (box,) = stored_boxes(CATALOGUE[name])
    x0, y0, x1, y1 = box.x0, box.y0, box.x1, box.y1
    style = CATALOGUE[name].style
    if over and style.orientation == "quarter-turn":
        y0, y1 = style.columns - y1, style.columns - y0
    elif over:
        x0, x1 = style.columns - x1, style.columns - x0
    return Region(concept or box.concept, "1.2", x0, y0, x1, y1)


def present(concept: str, side: Laterality | None) -> Finding:
    return Finding(concept, Presence.PRESENT, side)


SIDED = {"right-pneumothorax": RIGHT, "left-effusion": LEFT, "stored-mirrored": RIGHT, "stored-quarter-turn": RIGHT}


@pytest.mark.parametrize("name", SIDED)
def test_a_box_on_the_healthy_side_is_not_made_good_by_one_on_the_sick_side(name: str) -> None:
    concept = CATALOGUE[name].scene.plants[0].kind
    found = [present(concept, SIDED[name])]
    good = checked(name, found, [drawn_region(name)])
    assert good["box"].passed
    bad = checked(name, found, [drawn_region(name), drawn_region(name, over=True)])["box"]
    assert not bad.passed
    assert "lies on the other side" in bad.words
    assert bad.value == good["box"].value


@pytest.mark.parametrize(
    ("findings", "words"),
    [
        ([present(AIR, RIGHT), present(AIR, LEFT)], "right and left instead of right"),
        ([present(AIR, LEFT), present(AIR, RIGHT)], "left and right instead of right"),
        ([present(AIR, BOTH)], "bilateral instead of right"),
        ([present(AIR, None)], "no side instead of right"),
    ],
)
def test_a_finding_that_is_also_called_on_the_healthy_side_fails(findings: list[Finding], words: str) -> None:
    check = checked("right-pneumothorax", findings, [drawn_region("right-pneumothorax")])["side"]
    assert not check.passed
    assert check.words == words


def test_another_name_of_what_is_drawn_has_to_be_on_its_side_too() -> None:
    region = drawn_region("right-consolidation")
    right = [present("consolidation", RIGHT), present("pneumonia", None), present("lung_opacity", RIGHT)]
    assert checked("right-consolidation", right, [region])["side"].passed
    wrong = [present("consolidation", RIGHT), present("pneumonia", LEFT)]
    assert not checked("right-consolidation", wrong, [region])["side"].passed


def test_a_denial_of_the_other_side_is_no_finding_there() -> None:
    found = [present(AIR, RIGHT), Finding(AIR, Presence.ABSENT, LEFT)]
    assert checked("right-pneumothorax", found, [drawn_region("right-pneumothorax")])["side"].passed


def test_a_box_on_a_normal_film_fails() -> None:
    assert checked("normal", [], [])["box"].passed
    bad = checked("normal", [], [Region("nodule", "1.2", 1, 1, 9, 9)])["box"]
    assert not bad.passed
    assert "nodule on a normal film" in bad.words
