"""From words to findings: no side is guessed or swapped, no presence flipped, whatever the sentence."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.evaluation.sides import mirror, mirrored
from agent.reading.grammar.tokens import sentences, tokenize
from agent.reading.labels import contradict, draft_is_abnormal, label, settle, statements
from structured_report.content import Finding, Laterality, Presence, Severity
from structured_report.plain import finding_from_json, finding_to_json
from structured_report.vocabulary import VocabularyError, parse_whole_vocabulary, vocabulary, whole_vocabulary
from tests.support import hard_sentences
from tests.support.sentences import SALAD, Said, drafts
from tests.support.timing import least_times

BOTH = {"both", "bilateral", "bilaterally", "bibasilar", "bibasal", "biapical"}
_SIGNS = {Presence.PRESENT: "+", Presence.ABSENT: "-", Presence.UNDETERMINED: "?"}


def _written(finding: Finding) -> tuple[str, ...]:
    place = f"@{finding.place}" if finding.place else ""
    rest = filter(None, (finding.laterality, finding.severity, place))
    return (finding.concept, _SIGNS[finding.presence], *sorted(map(str, rest)))


def _expected(findings: str) -> set[tuple[str, ...]]:
    words = [part.split() for part in findings.split(";") if part.strip()]
    return {(concept, sign, *sorted(rest)) for concept, sign, *rest in words}


@pytest.mark.parametrize(("draft", "findings"), hard_sentences.ALL)
def test_a_sentence_that_is_easily_misread_is_read_as_it_is_meant(draft: str, findings: str) -> None:
    assert {_written(f) for f in label(draft)} == _expected(findings)


def test_there_are_enough_hard_sentences() -> None:
    assert len(hard_sentences.ALL) >= 150
    assert len({draft for draft, _ in hard_sentences.ALL}) == len(hard_sentences.ALL)


@pytest.mark.parametrize(("draft", "findings"), hard_sentences.ALL)
def test_a_mirrored_sentence_is_read_with_mirrored_sides(draft: str, findings: str) -> None:
    if "lingula" in draft.lower() or "middle lobe" in draft:
        return  # there is one lingula, and it is left
    there, mirrored_there = label(draft), label(mirrored(draft))
    assert [(f.concept, f.presence, f.laterality, f.severity, f.place) for f in there] == [
        (f.concept, f.presence, mirror(f.laterality), f.severity, f.place) for f in mirrored_there
    ]


@settings(max_examples=600, deadline=None)
@given(drafts())
def test_grammatical_sentences_never_get_a_wrong_side_or_the_opposite_presence(
    generated: tuple[str, list[Said]],
) -> None:
    text, said = generated
    found = {f.concept: f for f in label(text)}
    assert found.keys() == {s.concept for s in said}
    for s in said:
        finding = found[s.concept]
        assert finding.laterality in (s.laterality, None), (s, finding)
        assert {finding.presence, s.presence} != {Presence.PRESENT, Presence.ABSENT}, (s, finding)


@settings(max_examples=300, deadline=None)
@given(drafts())
def test_grammatical_sentences_are_read_whole(generated: tuple[str, list[Said]]) -> None:
    text, said = generated
    found = {f.concept: f for f in label(text)}
    for s in said:
        finding = found[s.concept]
        assert finding.presence is s.presence, (s, finding)
        side = None if s.presence is Presence.ABSENT and s.laterality is Laterality.BILATERAL else s.laterality
        assert finding.laterality is side, (s, finding)
        if s.presence is not Presence.ABSENT:
            assert (finding.severity, finding.place) == (s.severity, s.place), (s, finding)


@settings(max_examples=400, deadline=None)
@given(SALAD)
def test_left_for_right_in_the_text_is_left_for_right_in_the_findings(text: str) -> None:
    if "lingular" in text:
        text = text.replace("lingular", "lower")
    there, other = statements(text), statements(mirrored(text))
    assert [(s.concept, s.presence, s.laterality, s.severity, s.place, s.partial) for s in there] == [
        (s.concept, s.presence, mirror(s.laterality), s.severity, s.place, s.partial) for s in other
    ]


@settings(max_examples=400, deadline=None)
@given(SALAD | st.text(max_size=300))
def test_no_side_is_stated_that_the_sentence_does_not_state(text: str) -> None:
    spans = sentences(text)
    for said in statements(text):
        words = {token.text for token in tokenize(spans[said.sentence])}
        if said.laterality is Laterality.BILATERAL:
            assert words & BOTH or {"left", "right"} <= words
        elif said.laterality is not None:
            assert said.laterality in words


@settings(deadline=None)
@given(st.text(max_size=2000) | SALAD)
def test_no_draft_breaks_the_labeller_and_every_statement_points_at_its_words(text: str) -> None:
    spans = sentences(text)
    for said in statements(text):
        sentence = spans[said.sentence]
        assert sentence.start <= said.start < said.end <= sentence.end
        assert said.concept in vocabulary()
        assert vocabulary()[said.concept].sided or said.laterality is None
    findings = label(text)
    assert len({f.concept for f in findings}) == len(findings)
    draft_is_abnormal(findings)


@pytest.mark.parametrize(
    "unit",
    [
        "effusion ", "left ", "no ", "and ", ", ", "(", "\n", ". ", "-", "a", "?", "heart is ", "no effusion or ",
        "left effusion and right pneumothorax ", "in the left base and ", "no significant ", "left greater than right ",
        "blunting left ", "to a lesser extent ", "costophrenic angle the ", "effusion / ", "x and ", "no effusion, left ",
        "There is a small left pleural effusion. No pneumothorax. ", "é ", "\\boxed{", "1.5",
        "left effusion ", "heart is normal ", "no effusion, , , , ", "effusion is ", "effusion in the left and ", "effusions, ",
        "no left effusion or ", "right effusion than ",
    ],
)  # fmt: skip
def test_a_runaway_draft_does_not_hold_up_the_line(unit: str) -> None:
    def of(length: int) -> Callable[[], object]:
        text = unit * (length // len(unit))
        return lambda: label(text)

    def in_proportion(short: float, long: float) -> bool:
        return long < 10 * short + 0.5

    label(unit)
    times = least_times(of(25_000), of(100_000), enough=in_proportion)
    assert in_proportion(*times), f"four times the text is four times the work, not sixteen: {times}"


def test_a_statement_knows_its_sentence_and_its_words() -> None:
    draft = "Heart size is normal.  There is a small left\npleural effusion. No pneumothorax."
    heart, effusion, pneumothorax = statements(draft)
    assert [s.sentence for s in (heart, effusion, pneumothorax)] == [0, 1, 2]
    assert draft[effusion.start : effusion.end] == "pleural effusion"
    assert draft[heart.start : heart.end] == "Heart size is normal"
    assert [sentences(draft)[s.sentence].text for s in (effusion, pneumothorax)] == [
        "There is a small left\npleural effusion",
        "No pneumothorax",
    ]
    assert (effusion.presence, effusion.laterality, effusion.severity) == (
        Presence.PRESENT,
        Laterality.LEFT,
        Severity.MILD,
    )


def test_a_guard_can_ask_whether_two_statements_contradict() -> None:
    def pair(draft: str) -> bool:
        one, other = statements(draft)
        return contradict(one, other)

    assert pair("Left effusion. No effusion.")
    assert pair("Bilateral effusions. No left effusion.")
    assert not pair("Right effusion. No left effusion.")
    assert not pair("Small effusion. No large effusion.")
    assert not pair("Small left effusion. No large left effusion.")
    assert pair("Left opacity. The left lung shows no opacity.")
    assert not pair("Possible effusion. No effusion.")
    assert not pair("Left effusion. No pneumothorax.")


def test_settling_is_of_the_statements_alone() -> None:
    draft = "Small left effusion. No pneumothorax."
    said = statements(draft)
    assert settle(draft, said) == label(draft)
    assert [f.concept for f in settle(draft, said[:1])] == ["pleural_effusion"]


def test_a_finding_written_before_there_were_degrees_and_places_still_loads() -> None:
    old = {
        "concept": "pneumothorax",
        "presence": "present",
        "laterality": "left",
        "certainty_percent": None,
        "evidence": "x",
    }
    assert finding_from_json(old) == Finding("pneumothorax", Presence.PRESENT, Laterality.LEFT, "x")
    new = Finding("pneumothorax", Presence.PRESENT, Laterality.LEFT, "x", Severity.SEVERE, "apical")
    assert finding_from_json(finding_to_json(new)) == new


def test_every_degree_and_place_has_a_code_that_fits_and_a_word() -> None:
    whole = whole_vocabulary()
    assert set(whole.severities) == {str(s) for s in Severity}
    assert {"apical", "basal", "upper_lobe", "lower_zone", "perihilar", "retrocardiac", "costophrenic"} <= set(
        whole.places
    )
    assert all(m.words for m in (*whole.severities.values(), *whole.places.values()))
    assert set(whole.concepts) == set(vocabulary())


_CODE = "code = ['1', 'S', 'm']\n"


@pytest.mark.parametrize(
    "text",
    [
        f"[severity.grave]\n{_CODE}words = ['grave']", f"[place.x]\n{_CODE}", f"[place.x]\n{_CODE}words = ['X']",
        "[place.x]\ncode = ['1']\nwords = ['x']", f"[place.x]\n{_CODE}words = ['x']\nsite = 1",
        f"[place.x]\n{_CODE}words = ['x']\n[place.y]\n{_CODE}words = ['x']",
        f"[x]\n{_CODE}sided = true\nabnormal = true\nwords = ['x']\ndenied_by = 'x'",
        f"[x]\n{_CODE}sided = true\nabnormal = true\nwords = []", "[not_findings]\nwords = [1]", "place = 1", "severity = []",
        "not_findings = 1",
    ],
)  # fmt: skip
def test_a_mistake_in_the_degrees_and_places_is_refused(text: str) -> None:
    with pytest.raises(VocabularyError):
        parse_whole_vocabulary(text)
