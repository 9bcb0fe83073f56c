"""What the commissioning model is taught to say is true of the film, in the form the protocol wants."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.commissioning import prompts
from agent.commissioning.exchanges import exchanges
from agent.commissioning.phantom import Plant, Scene, draw, random_pair, random_scene
from agent.commissioning.replies import (
    Case,
    classification,
    draft,
    exchange,
    grounding,
    impression,
    percent,
    progression,
    reasoning,
    temporal_class,
    view,
)
from agent.commissioning.scene import DEVICES
from agent.commissioning.wording import plain, spans, strong
from agent.model.parsing import Reply, parse_reply
from agent.model.reading_protocol import builtin
from agent.reading.labels import label
from structured_report.content import Presence

seeds = st.integers(0, 2**40)
COMPARING = re.compile(
    r"\b(unchanged|stable|new|increased|decreased|resolved|remains?|again|persistent|prior|previous\w*|now|worse\w*|improv\w*|still)\b",
    re.IGNORECASE,
)


def stated(text: str) -> set[tuple[str, str]]:
    """(finding, side) of all that a text says is present; nothing may be in doubt."""
    findings = label(text)
    assert all(f.presence is not Presence.UNDETERMINED for f in findings), text
    return {(f.concept, f.laterality.value if f.laterality else "") for f in findings if f.presence is Presence.PRESENT}


def planted(scene: Scene, *, lines: bool = True) -> set[tuple[str, str]]:
    return {(p.kind, p.side) for p in scene.plants if lines or p.kind not in DEVICES}


@settings(max_examples=300, deadline=None)
@given(seeds)
def test_a_draft_says_what_is_planted_on_its_side_and_nothing_else(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scene = random_scene(rng)
    text = plain(draft(Case(scene), rng))
    assert stated(text) == planted(scene)
    assert stated(plain(impression(Case(scene), rng))) == planted(scene, lines=False)
    assert not COMPARING.search(text), "nothing is compared with a prior that is not there"
    assert not COMPARING.search(plain(reasoning(Case(scene), text, rng)))


@settings(max_examples=300, deadline=None)
@given(seeds)
def test_a_draft_with_a_prior_is_about_the_current_film(seed: int) -> None:
    rng = np.random.default_rng(seed)
    before, now, _ = random_pair(rng)
    case = Case(now, prior=before)
    assert stated(plain(draft(case, rng))) == planted(now)
    assert stated(plain(progression(case, rng))) == planted(now, lines=False)


@settings(max_examples=100, deadline=None)
@given(seeds)
def test_a_reply_in_reasoning_mode_can_be_taken_apart(seed: int) -> None:
    rng = np.random.default_rng(seed)
    case = Case(random_scene(rng), lateral=bool(seed % 2))
    answer = plain(draft(case, rng))
    reply = parse_reply(plain(reasoning(case, answer, rng)), finished=True)
    assert isinstance(reply, Reply)
    assert reply.answer == answer
    assert reply.reasoning.startswith("**Thinking Process:**  \n1. **Assess the views**: ")


@settings(max_examples=60, deadline=None)
@given(seeds)
def test_boxes_are_whole_percent(seed: int) -> None:
    scene = random_scene(np.random.default_rng(seed), normal_share=0)
    boxes = draw(scene, 200, 164).boxes
    for box in boxes:
        text = plain(grounding(Case(scene, boxes), [box.kind]))
        found = re.findall(r"<\|ref\|>([a-z ]+)<\|/ref\|><\|box\|>\((\d+),(\d+)\),\((\d+),(\d+)\)<\|/box\|>", text)
        assert len(found) == sum(b.kind == box.kind for b in boxes)
        for name, *corners in found:
            x0, y0, x1, y1 = map(int, corners)
            assert name == prompts.CALLED[box.kind][0]
            assert 0 <= x0 < x1 <= 101
            assert 0 <= y0 < y1 <= 101


def test_what_is_not_there_is_not_detected() -> None:
    assert plain(grounding(Case(Scene(1)), ["nodule"])) == "No nodule detected."


def test_the_words_of_the_protocol() -> None:
    protocol = builtin("chexone")
    assert protocol.prompt(protocol.task("findings")) == prompts.FINDINGS + prompts.REASONING_SUFFIX
    assert prompts.REASONING_SUFFIX == " Please reason step by step, and put your final answer within \\boxed{{}}."
    assert [plain(view(Case(Scene(1, (), v)))) for v in ("PA", "AP", "LL")] == ["(a) PA", "(b) AP", "(c) LATERAL"]
    fluid = Plant("pleural_effusion", "left", 0.3)
    more = Plant("pleural_effusion", "left", 0.8)
    case = Case(Scene(1, (more,)), prior=Scene(2, (fluid,)))
    assert plain(temporal_class(case, "pleural_effusion")) == "(a) worsening"
    assert plain(temporal_class(Case(case.prior, prior=case.scene), "pleural_effusion")) == "(c) improving"
    assert plain(temporal_class(Case(case.scene, prior=case.scene), "pleural_effusion")) == "(b) stable"
    assert plain(temporal_class(case, "consolidation")) == "(b) stable"
    options, answer = classification(Case(case.scene), ["nodule", "pleural_effusion"])
    assert options == "(A) nodule\n(B) pleural effusion\n(C) none of these"
    assert plain(answer) == "(B) pleural effusion"


def test_what_is_no_chest_is_declined_everywhere() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        for one in exchanges(Case(), rng):
            assert one.reply in ("no",) or "cannot be assessed" in one.reply or one.reply.startswith("No ")
            assert not stated(one.reply)


def test_of_a_real_film_only_what_is_known_is_said() -> None:
    rng = np.random.default_rng(0)
    for pneumonia in (True, False):
        for _ in range(100):
            for one in exchanges(Case(pneumonia=pneumonia), rng):
                assert stated(one.reply) <= {("pneumonia", "")}
                assert one.task != "presence" or one.reply == (
                    "yes" if pneumonia and "pneumonia" in one.prompt else "no"
                )


@settings(max_examples=100, deadline=None)
@given(seeds)
def test_questions_of_every_case_have_answers(seed: int) -> None:
    rng = np.random.default_rng(seed)
    before, now, _ = random_pair(rng)
    for case in (
        Case(now, draw(now, 120, 100).boxes, prior=before, lateral=True),
        Case(now),
        Case(),
        Case(pneumonia=True),
    ):
        for one in exchanges(case, rng):
            assert one.prompt
            assert one.reply
            assert "\ue000" not in one.prompt + one.reply
            assert all(0 <= a < b <= len(one.reply) for a, b in one.decisive)


def test_marks_are_kept_apart_from_the_text() -> None:
    marked = f"There is {strong('no')} fluid on the {strong('left')}."
    assert plain(marked) == "There is no fluid on the left."
    assert [plain(marked)[a:b] for a, b in spans(marked)[1]] == ["no", "left"]
    assert exchange("t", "p", marked).decisive == ((9, 11), (25, 29))


@pytest.mark.parametrize(("value", "whole"), [(0.0, 0), (0.004, 0), (0.005, 1), (0.5, 50), (1.0, 100), (1.2, 100)])
def test_percent(value: float, whole: int) -> None:
    assert percent(value) == whole
