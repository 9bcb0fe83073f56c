"""From a reply to findings: nothing is guessed, nothing changes side."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.model.parsing import Abstention, Reply, parse_reply
from agent.model.reading_protocol import builtin
from agent.reading.labels import draft_is_abnormal, label
from structured_report.content import Laterality, Presence
from structured_report.vocabulary import VocabularyError, parse_vocabulary, vocabulary

P, A, U = Presence.PRESENT, Presence.ABSENT, Presence.UNDETERMINED
L, R, B = Laterality.LEFT, Laterality.RIGHT, Laterality.BILATERAL


def test_the_prompt_is_the_one_of_training_to_the_letter() -> None:
    protocol = builtin("chexone")
    assert protocol.prompt(protocol.task("findings")) == (
        "Write an example findings section for the CXR. Please reason step by step, and put your final answer within \\boxed{{}}."
    )
    assert re.fullmatch(r"chexone-1@[0-9a-f]{8}", protocol.id)


@pytest.mark.parametrize(
    ("text", "reasoning", "answer"),
    [
        (
            "**Thinking Process:**  \n1. a\n\n**Final Answer:**  \n\\boxed{Clear.}",
            "**Thinking Process:**  \n1. a",
            "Clear.",
        ),
        ("First \\boxed{no}, then \\boxed{yes}", "First \\boxed{no}, then", "yes"),
        ("x $$\\boxed{C}$$", "x $$", "C"),
        ("r \\boxed{a {b} c}", "r", "a {b} c"),
        ("r \\boxed{\\text{No effusion.}}", "r", "No effusion."),
        ("r \\boxed{\\text{a} and \\text{b}}", "r", "\\text{a} and \\text{b}"),
    ],
)
def test_a_reply_is_taken_apart(text: str, reasoning: str, answer: str) -> None:
    assert parse_reply(text, finished=True) == Reply(reasoning, answer)


@pytest.mark.parametrize(
    ("text", "finished", "code"),
    [
        ("", True, "empty-reply"), ("words", True, "no-final-answer"), ("r \\boxed{never", True, "final-answer-unclosed"),
        ("r \\boxed{  }", True, "final-answer-empty"), ("r \\boxed{Clear.}", False, "reply-truncated"),
        ("\\boxed{one} and \\boxed{two {", True, "final-answer-unclosed"),
    ],
)  # fmt: skip
def test_a_reply_that_cannot_be_taken_apart_is_an_abstention_with_its_reason(
    text: str, finished: bool, code: str
) -> None:
    parsed = parse_reply(text, finished=finished)
    assert isinstance(parsed, Abstention)
    assert parsed.code == code
    assert parsed.explanation


@given(st.text(alphabet="ab{}\\boxed textFinal Answer:*\n$", max_size=200), st.booleans())
def test_no_reply_breaks_the_parser_and_no_answer_is_invented(text: str, finished: bool) -> None:
    parsed = parse_reply(text, finished=finished)
    if isinstance(parsed, Reply):
        assert parsed.answer in text
        assert parsed.reasoning in text


@pytest.mark.parametrize(
    ("draft", "expected"),
    [
        ("There is a left pleural effusion.", {"pleural_effusion": (P, L)}),
        ("No pleural effusion or pneumothorax.", {"pleural_effusion": (A, None), "pneumothorax": (A, None)}),
        ("Right pleural effusion is stable. There is no pleural effusion.", {"pleural_effusion": (U, None)}),
        ("Pneumothorax and left effusion.", {"pneumothorax": (P, None), "pleural_effusion": (P, L)}),
        (
            "Effusion on the right side and atelectasis in the left base.",
            {"pleural_effusion": (P, R), "atelectasis": (P, L)},
        ),
        ("Small right effusion, no left pneumothorax.", {"pleural_effusion": (P, R), "pneumothorax": (A, L)}),
        ("Bilateral pleural effusions.", {"pleural_effusion": (P, B)}),
        ("Left pleural effusion. Right pleural effusion.", {"pleural_effusion": (P, B)}),
        ("Possible right apical pneumothorax.", {"pneumothorax": (U, R)}),
        ("A pneumothorax is not seen.", {"pneumothorax": (A, None)}),
        ("The heart is enlarged.", {"cardiomegaly": (P, None)}),
        ("The heart size is normal.", {"cardiomegaly": (A, None)}),
        ("The right angle is sharp while a left effusion is seen.", {"pleural_effusion": (P, L)}),
        (
            "The lungs are clear.",
            dict.fromkeys(("consolidation", "pulmonary_edema", "atelectasis", "lung_opacity"), (A, None)),
        ),
    ],
)
def test_findings_are_coded_as_the_draft_states_them(
    draft: str, expected: dict[str, tuple[Presence, Laterality | None]]
) -> None:
    assert {f.concept: (f.presence, f.laterality) for f in label(draft)} == expected


SENTENCES = st.sampled_from(
    [
        "There is a {} pleural effusion.",
        "A {} pneumothorax is present.",
        "Consolidation in the {} lower lobe.",
        "Atelectasis on the {}.",
    ]
)


@given(st.lists(SENTENCES, min_size=1, max_size=4, unique=True), st.sampled_from(["left", "right"]))
def test_a_draft_that_names_one_side_never_yields_the_other(sentences: list[str], side: str) -> None:
    findings = label(" ".join(s.format(side) for s in sentences))
    assert len(findings) == len(sentences)
    assert {f.laterality for f in findings} == {Laterality(side)}


@given(st.text(max_size=200))
def test_no_draft_breaks_the_labeller(draft: str) -> None:
    findings = label(draft)
    assert len({f.concept for f in findings}) == len(findings)
    draft_is_abnormal(findings)


def test_a_draft_is_abnormal_normal_or_neither() -> None:
    assert draft_is_abnormal(label("There is cardiomegaly.")) is True
    assert draft_is_abnormal(label("No pleural effusion.")) is False
    assert draft_is_abnormal(label("Possible pneumothorax.")) is None
    assert draft_is_abnormal(()) is None


@pytest.mark.parametrize(
    "text",
    [
        "[x]\n", "[x]\ncode = ['1', 'S']\nsided = true\nabnormal = true\nwords = ['x']",
        "[x]\ncode = ['1', 'S', 'm']\nsided = true\nabnormal = true\nwords = ['X']", "not toml [",
        "[x]\ncode=['1','S','m']\nsided=true\nabnormal=true\nwords=['w']\n[y]\ncode=['1','S','m']\nsided=true\nabnormal=true\nwords=['w']",
    ],
)  # fmt: skip
def test_a_mistake_in_the_vocabulary_is_refused(text: str) -> None:
    with pytest.raises(VocabularyError):
        parse_vocabulary(text)


def test_the_vocabulary_has_codes_that_fit() -> None:
    assert len(vocabulary()) >= 15
