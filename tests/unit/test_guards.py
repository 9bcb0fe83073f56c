"""A reading is repaired visibly, doubted or withheld: it never gains certainty, and nothing is on a wrong side."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.evaluation.corpus import corpus
from agent.evaluation.sides import mirrored
from agent.model.parsing import Abstention, SaidBox, parse_boxes, parse_reply
from agent.reading import read as reading
from agent.reading.grammar.tokens import sentences
from agent.reading.guards import Draft, Evidence, Guarded, guard
from agent.reading.guards.codes import Code, Effect
from agent.reading.guards.comparison import compares
from agent.reading.guards.markup import without_markup
from agent.reading.guards.meaning import restated
from agent.reading.labels import label, statements
from agent.reading.triage import load_rules
from structured_report.content import Laterality, Narrative, Outcome, Presence, Priority, Probability
from structured_report.oru import encode_oru
from structured_report.sr import encode_sr, file_bytes
from structured_report.text import normalise_text
from structured_report.vocabulary import vocabulary
from tests.support import planted_drafts as planted
from tests.support.reports import images, preread
from tests.support.sentences import SALAD, Said, drafts
from tests.support.timing import least_times

P, A, U = Presence.PRESENT, Presence.ABSENT, Presence.UNDETERMINED
L, R, B = Laterality.LEFT, Laterality.RIGHT, Laterality.BILATERAL
NOTHING = Evidence()
WITH_PRIOR = Evidence(has_prior=True)
IN_LEFT, IN_RIGHT = SaidBox("", 60, 40, 90, 80), SaidBox("", 10, 40, 40, 80)  # the patient's side, in the picture
EVIDENCE = images()
slow = settings(max_examples=60, deadline=None)


def read(findings: str, evidence: Evidence = NOTHING, *, impression: str = "", reasoning: str = "") -> Guarded:
    return guard(Draft(reasoning, findings, impression), evidence)


def coded(guarded: Guarded) -> dict[str, tuple[Presence, Laterality | None]]:
    return {f.concept: (f.presence, f.laterality) for f in guarded.findings}


def fired(guarded: Guarded) -> set[tuple[str, str]]:
    return {(v.code, v.effect) for v in guarded.verdicts}


def comparing(text: str) -> list[str]:
    return [s.text for s in sentences(text) if compares(s.text)]


def probed(**values: float) -> Evidence:
    return Evidence(probabilities={c: Probability(c, v) for c, v in values.items()})


def drawn(**boxes: tuple[SaidBox, ...]) -> Evidence:
    return Evidence(boxes=boxes)


# Comparison without a prior


@pytest.mark.parametrize("draft", planted.COMPARING_DRAFTS)
def test_no_draft_compares_with_a_film_nobody_showed(draft: str) -> None:
    guarded = read(draft)
    assert comparing(draft)
    assert guarded.abstained is None
    assert not comparing(guarded.draft.findings)
    assert Code.COMPARISON in {v.code for v in guarded.verdicts}
    assert guarded.findings == tuple(
        replace(f, evidence=g.evidence) for f, g in zip(label(draft), guarded.findings, strict=True)
    )


@pytest.mark.parametrize("draft", planted.COMPARING_DRAFTS)
def test_what_was_left_out_is_quoted(draft: str) -> None:
    verdicts = " ".join(v.sentence for v in read(draft).verdicts if v.code == Code.COMPARISON)
    for sentence in comparing(draft):
        assert sentence in verdicts


@pytest.mark.parametrize(("draft", "wanted"), planted.SAID_AGAIN)
def test_a_comparison_is_said_again_without_it(draft: str, wanted: str) -> None:
    assert read(draft).draft.findings == wanted


@pytest.mark.parametrize("draft", planted.REAL_COMPARISONS)
def test_a_real_comparison_is_left_alone(draft: str) -> None:
    guarded = read(draft, WITH_PRIOR, impression=draft)
    assert (guarded.draft.findings, guarded.draft.impression) == (draft, draft)
    assert guarded.abstained is None
    assert Code.COMPARISON not in {v.code for v in guarded.verdicts}
    assert guarded.findings == label(draft)


@pytest.mark.parametrize("draft", planted.NOT_COMPARING)
def test_words_that_only_look_like_a_comparison_stay(draft: str) -> None:
    guarded = read(draft)
    assert guarded.draft.findings == draft
    assert Code.COMPARISON not in {v.code for v in guarded.verdicts}


def test_a_draft_that_only_compares_is_withheld() -> None:
    guarded = read("Compared to the prior study there is no change.")
    assert guarded.abstained is not None
    assert guarded.abstained[0] == Code.NOTHING_LEFT


def test_no_new_finding_is_not_no_finding() -> None:
    guarded = read("No new consolidation or effusion. There is no pneumothorax.")
    assert coded(guarded) == {"pneumothorax": (A, None), "pleural_effusion": (U, None), "consolidation": (U, None)}
    assert guarded.draft.findings.startswith("No new consolidation")
    assert (Code.COMPARISON, Effect.UNDETERMINED) in fired(guarded)


def test_no_residual_finding_presupposes_a_film_nobody_showed() -> None:
    assert coded(read("No residual pneumothorax.")) == {"pneumothorax": (U, None)}
    assert coded(read("No residual pneumothorax.", WITH_PRIOR)) == {"pneumothorax": (A, None)}


def test_a_finding_denied_as_new_and_as_such_stays_denied() -> None:
    assert coded(read("No new effusion. There is no pleural effusion.")) == {"pleural_effusion": (A, None)}


def test_the_impression_is_repaired_too_and_the_trace_is_only_noted() -> None:
    trace = "1. The heart remains enlarged, as before."
    guarded = read("The heart is enlarged.", impression="Stable cardiomegaly.", reasoning=trace)
    assert guarded.draft.impression == "Cardiomegaly."
    assert guarded.draft.reasoning == trace
    assert {(Code.COMPARISON, Effect.REPAIRED), (Code.COMPARISON, Effect.NOTED)} <= fired(guarded)


def test_a_comparison_nobody_could_make_is_left_out() -> None:
    guarded = guard(Draft("", "The lungs are clear.", "", "The effusion has grown."), NOTHING)
    assert guarded.draft.comparison == ""
    assert (Code.COMPARISON, Effect.DROPPED) in fired(guarded)


@pytest.mark.skipif(
    importlib.util.find_spec("radlabels") is None, reason="radlabels is not installed; make test does it"
)
@pytest.mark.parametrize("part", range(4))
def test_real_reports_lose_their_comparisons_and_nothing_else(part: int) -> None:
    doubted = kept = 0
    for report in corpus()[part::40]:
        guarded = read(report.text)
        if guarded.abstained is not None:
            continue
        assert comparing(guarded.draft.findings) == []
        assert read(mirrored(report.text)).draft.findings == mirrored(guarded.draft.findings)
        before = {f.concept: (f.presence, f.laterality) for f in label(report.text)}
        kept += sum(before[c] == now for c, now in coded(guarded).items())
        doubted += sum(before[c] != now for c, now in coded(guarded).items())
    assert kept > 40
    assert doubted <= 0.05 * kept  # they end in the middle of a sentence


# Measurements, nouns, repetition, script, markup


@pytest.mark.parametrize(("draft", "wanted"), planted.MEASURED)
def test_a_measurement_nobody_made_is_taken_out_and_the_finding_stays(draft: str, wanted: str) -> None:
    guarded = read(draft)
    assert guarded.draft.findings == wanted
    assert Code.MEASUREMENT in {v.code for v in guarded.verdicts}
    assert coded(guarded) == {f.concept: (f.presence, f.laterality) for f in label(draft)}


@pytest.mark.parametrize("draft", planted.NOT_MEASURED)
def test_a_number_that_is_no_measurement_stays(draft: str) -> None:
    assert read(draft).draft.findings == draft


@pytest.mark.parametrize("sentence", planted.WITHOUT_NOUNS)
def test_a_sentence_without_its_noun_is_left_out(sentence: str) -> None:
    guarded = read(f"There is a left pleural effusion. {sentence} The heart is enlarged.")
    assert guarded.draft.findings == "There is a left pleural effusion. The heart is enlarged."
    assert (Code.EMPTY_NOUNS, Effect.DROPPED) in fired(guarded)


@pytest.mark.parametrize("sentence", planted.WITH_NOUNS)
def test_a_whole_sentence_is_not_taken_for_an_empty_one(sentence: str) -> None:
    assert Code.EMPTY_NOUNS not in {v.code for v in read(sentence).verdicts}


def test_a_repeated_sentence_is_kept_once() -> None:
    guarded = read("There is a right effusion. " * 4 + "The lungs are clear.")
    assert guarded.draft.findings == "There is a right effusion. The lungs are clear."
    assert (Code.REPETITION, Effect.REPAIRED) in fired(guarded)


def test_a_loop_of_words_is_kept_once() -> None:
    guarded = read(
        "There is a right pleural effusion. The lungs are clear, the lungs are clear, the lungs are clear, the lungs are clear."
    )
    assert guarded.draft.findings == "There is a right pleural effusion. The lungs are clear."


@pytest.mark.parametrize("loop", ["There is a right effusion. ", "right lung base and the ", "effusion "])
def test_an_answer_that_is_a_loop_is_withheld(loop: str) -> None:
    guarded = read("The heart is enlarged. " + loop * 60)
    assert guarded.abstained is not None
    assert guarded.abstained[0] == Code.REPETITION


def test_a_trace_that_runs_in_circles_is_noted() -> None:
    guarded = read("There is a right effusion.", reasoning="Wait, look at the base again. " * 5)
    assert (Code.REPETITION, Effect.NOTED) in fired(guarded)


@pytest.mark.parametrize("foreign", ["心脏增大", "сердце увеличено", "القلب متضخم", "심장 비대", "η καρδιά"])
def test_a_sentence_in_another_script_is_left_out(foreign: str) -> None:
    guarded = read(
        f"There is a right pleural effusion and no pneumothorax. The {foreign} is seen. The heart is enlarged."
    )
    assert guarded.draft.findings == "There is a right pleural effusion and no pneumothorax. The heart is enlarged."
    assert (Code.FOREIGN_SCRIPT, Effect.DROPPED) in fired(guarded)


def test_a_finding_lost_with_its_sentence_is_undetermined_and_not_gone() -> None:
    guarded = read("There is a left pleural effusion. 右侧 pneumothorax is present.")
    assert coded(guarded) == {"pneumothorax": (U, None), "pleural_effusion": (P, L)}
    assert (Code.LOST_IN_REPAIR, Effect.UNDETERMINED) in fired(guarded)


def test_an_answer_in_another_language_is_withheld() -> None:
    guarded = read("双肺纹理清晰，心影不大，未见明显异常。No effusion.")
    assert guarded.abstained is not None
    assert guarded.abstained[0] == Code.FOREIGN_SCRIPT


@pytest.mark.parametrize(
    "signs", ["α-angle ≥ ≤ ± µ ° → is noted in the chest.", "Café-au-lait, naïve coöperation in the chest."]
)
def test_signs_and_accents_are_no_foreign_script(signs: str) -> None:
    assert read(signs).draft.findings == signs


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        ("**Right** pleural effusion.", "Right pleural effusion."),
        ("<div>There is a <b>left</b> effusion.</div>", "There is a left effusion."),
        ("There is a right effusion.<|im_end|>", "There is a right effusion."),
        ("```\nThe lungs are clear.\n```", "The lungs are clear."),
        ("\\text{The lungs are clear.}", "The lungs are clear."),
        ("# Findings\nThe lungs are clear.", "Findings\nThe lungs are clear."),
        ("The lungs are clear &amp; expanded.", "The lungs are clear & expanded."),
        ("A <|ref|>left effusion<|/ref|><|box|>(1,2),(3,4)<|/box|> is seen.", "A left effusion is seen."),
        ("<think>right? left?</think>There is a left effusion.", "There is a left effusion."),
    ],
)
def test_markup_is_taken_off_and_the_words_stay(answer: str, wanted: str) -> None:
    guarded = read(answer)
    assert guarded.draft.findings == wanted
    assert (Code.MARKUP, Effect.REPAIRED) in fired(guarded)


def test_a_bracket_of_latex_is_no_side() -> None:
    guarded = read("There is \\left( a pleural effusion \\right).")
    assert coded(guarded) == {"pleural_effusion": (P, None)}
    assert "left" not in guarded.draft.findings


# Not a report


@pytest.mark.parametrize("answer", planted.REFUSALS)
def test_a_refusal_is_not_filed_as_a_reading(answer: str) -> None:
    guarded = read(answer)
    assert guarded.abstained is not None
    assert guarded.abstained[0] == Code.MODEL_DECLINED
    assert guarded.findings == ()


@pytest.mark.parametrize("answer", planted.NO_REPORTS)
def test_what_is_no_report_is_withheld(answer: str) -> None:
    guarded = read(answer)
    assert guarded.abstained is not None
    assert guarded.abstained[0] == Code.NOT_A_REPORT
    assert (Code.NOT_A_REPORT, Effect.ABSTAINED) in fired(guarded)


@pytest.mark.parametrize("answer", planted.REPORTS)
def test_a_short_report_is_a_report(answer: str) -> None:
    assert read(answer).abstained is None


def test_an_endless_answer_is_withheld() -> None:
    words = " ".join(f"Nodule number {n} in the right lung is seen." for n in range(2000))
    guarded = read(words)
    assert guarded.abstained is not None
    assert guarded.abstained[0] == Code.TOO_LONG


# Statements against each other, the impression, the trace and the probes


def test_two_sentences_that_contradict_each_other_are_both_named() -> None:
    guarded = read("The right pleural effusion is large. There is no pleural effusion.")
    assert coded(guarded) == {"pleural_effusion": (U, None)}
    sentence = next(v.sentence for v in guarded.verdicts if v.code == Code.CONTRADICTION_IN_TEXT)
    assert "right pleural effusion is large" in sentence
    assert "There is no pleural effusion" in sentence


def test_clear_lungs_next_to_atelectasis_contradict_each_other() -> None:
    assert coded(read("The lungs are clear. There is left basilar atelectasis."))["atelectasis"] == (U, None)


def test_an_impression_that_denies_a_finding_leaves_it_undetermined() -> None:
    guarded = read("There is a right pneumothorax.", impression="No pneumothorax.")
    assert coded(guarded)["pneumothorax"][0] is U
    assert (Code.CONTRADICTION_IN_TEXT, Effect.UNDETERMINED) in fired(guarded)


def test_an_impression_on_the_other_side_takes_the_side_back() -> None:
    guarded = read("There is a right pneumothorax.", impression="Left pneumothorax.")
    assert coded(guarded) == {"pneumothorax": (P, None)}


def test_a_finding_of_the_impression_alone_is_noted() -> None:
    guarded = read("The heart is enlarged.", impression="Left pneumothorax.")
    assert (Code.IMPRESSION_ONLY, Effect.NOTED) in fired(guarded)
    assert "pneumothorax" not in coded(guarded)


def test_nothing_acute_next_to_a_pneumothorax_is_noted() -> None:
    guarded = read("There is a right pneumothorax.", impression="No acute cardiopulmonary process.")
    assert (Code.CONTRADICTION_IN_TEXT, Effect.NOTED) in fired(guarded)
    assert coded(guarded) == {"pneumothorax": (P, R)}


def test_a_trace_that_denies_the_answer_is_noted() -> None:
    guarded = read("The heart is enlarged.", reasoning="2. The heart size is normal.")
    assert (Code.TRACE_DISAGREES, Effect.NOTED) in fired(guarded)
    assert coded(guarded) == {"cardiomegaly": (P, None)}


def test_a_trace_on_the_other_side_takes_the_side_back_and_the_box_with_it() -> None:
    guarded = read(
        "There is a right effusion.", drawn(pleural_effusion=(IN_RIGHT,)), reasoning="A left effusion is seen."
    )
    assert coded(guarded) == {"pleural_effusion": (P, None)}
    assert guarded.regions == ()
    assert (Code.TRACE_DISAGREES, Effect.UNDETERMINED) in fired(guarded)


@pytest.mark.parametrize(
    ("draft", "value", "presence"),
    [
        ("There is a right pneumothorax.", 0.02, U), ("There is a right pneumothorax.", 0.10, P), ("No pneumothorax.", 0.98, U),
        ("No pneumothorax.", 0.90, A), ("Possible pneumothorax.", 0.99, U), ("There is a right pneumothorax.", 0.99, P),
    ],
)  # fmt: skip
def test_a_draft_against_a_clear_short_answer_is_undetermined(draft: str, value: float, presence: Presence) -> None:
    guarded = read(draft, probed(pneumothorax=value))
    assert coded(guarded)["pneumothorax"][0] is presence
    doubted = presence is U and "Possible" not in draft
    assert ((Code.CONTRADICTION_WITH_PROBES, Effect.UNDETERMINED) in fired(guarded)) is doubted


def test_a_calibrated_answer_is_believed_sooner() -> None:
    evidence = Evidence(probabilities={"pneumothorax": Probability("pneumothorax", 0.08, "site")})
    assert coded(read("There is a right pneumothorax.", evidence))["pneumothorax"][0] is U


def test_a_likely_finding_that_the_draft_passes_over_reaches_the_reader() -> None:
    guarded = read("The heart is enlarged.", probed(pneumothorax=0.85, nodule=0.5))
    noted = [v.sentence for v in guarded.verdicts if v.code == Code.PROBED_NOT_MENTIONED]
    assert len(noted) == 1
    assert "Pneumothorax" in noted[0]
    assert "0.85" in noted[0]


def test_a_denial_of_one_side_does_not_answer_for_the_other() -> None:
    guarded = read("No left pneumothorax.", probed(pneumothorax=0.97))
    assert coded(guarded) == {"pneumothorax": (A, L)}
    assert (Code.PROBED_NOT_MENTIONED, Effect.NOTED) in fired(guarded)


def test_a_finding_that_a_check_doubts_still_ranks_the_study() -> None:
    prepared = SimpleNamespace(pictures=(None,), keys=(0,), notes=(), changes=())
    guarded = read("There is a right pneumothorax.", probed(pneumothorax=0.01))
    concluded = reading.concluded(guarded, prepared, load_rules(None), ())  # type: ignore[arg-type]
    assert [f.presence for f in concluded.findings] == [U]
    assert concluded.ranked.priority is Priority.CRITICAL


# Regions


@pytest.mark.parametrize(("side", "box"), [("right", IN_LEFT), ("left", IN_RIGHT)])
def test_a_side_that_all_boxes_deny_is_taken_back(side: str, box: SaidBox) -> None:
    guarded = read(f"There is a {side} pneumothorax.", drawn(pneumothorax=(box,)))
    assert coded(guarded) == {"pneumothorax": (P, None)}
    assert guarded.regions == ()
    assert (Code.SIDE_AGAINST_REGION, Effect.UNDETERMINED) in fired(guarded)


def test_a_box_on_the_other_side_is_left_out_and_the_one_on_the_stated_side_stays() -> None:
    guarded = read("There is a left pneumothorax.", drawn(pneumothorax=(IN_LEFT, IN_RIGHT)))
    assert coded(guarded) == {"pneumothorax": (P, L)}
    assert [r.x0 for r in guarded.regions] == [0.6]


def test_boxes_on_the_stated_side_or_across_the_middle_are_believed() -> None:
    across = SaidBox("", 30, 10, 70, 40)
    guarded = read("There is a left effusion.", drawn(pleural_effusion=(IN_LEFT, across)))
    assert len(guarded.regions) == 2
    assert guarded.verdicts == ()


def test_both_sides_stated_and_one_drawn_is_noted() -> None:
    guarded = read("Bilateral effusions.", drawn(pleural_effusion=(IN_LEFT,)))
    assert coded(guarded) == {"pleural_effusion": (P, B)}
    assert (Code.SIDE_AGAINST_REGION, Effect.NOTED) in fired(guarded)


def test_a_line_may_cross_the_middle() -> None:
    guarded = read("A left PICC ends in the SVC.", drawn(central_line=(IN_RIGHT,)))
    assert coded(guarded) == {"central_line": (P, L)}
    assert len(guarded.regions) == 1


def test_a_box_of_what_is_denied_is_not_drawn() -> None:
    guarded = read("No pneumothorax.", drawn(pneumothorax=(IN_LEFT,), nodule=(IN_RIGHT,)))
    assert guarded.regions == ()
    assert (Code.ABSENT_WITH_REGION, Effect.NOTED) in fired(guarded)


def test_a_finding_that_could_not_be_drawn_is_noted() -> None:
    guarded = read("There is a right pneumothorax.", drawn(pneumothorax=()))
    assert fired(guarded) == {(Code.PRESENT_WITHOUT_REGION, Effect.NOTED)}
    assert coded(guarded) == {"pneumothorax": (P, R)}


@pytest.mark.parametrize(
    ("boxes", "probability", "presence", "effect"),
    [
        ((), 0.1, U, Effect.UNDETERMINED), ((), 0.6, P, Effect.NOTED), ((), None, P, Effect.NOTED), ((IN_LEFT,), 0.1, P, None),
    ],
)  # fmt: skip
def test_a_device_that_cannot_be_found_is_doubted(
    boxes: tuple[SaidBox, ...], probability: float | None, presence: Presence, effect: Effect | None
) -> None:
    evidence = probed(**({} if probability is None else {"endotracheal_tube": probability}))
    guarded = read("An endotracheal tube is in place.", replace(evidence, boxes={"endotracheal_tube": boxes}))
    assert coded(guarded)["endotracheal_tube"][0] is presence
    assert {e for c, e in fired(guarded) if c == Code.DEVICE_NOT_LOCATED} == ({effect} if effect else set())


@pytest.mark.parametrize(
    ("boxes", "kept", "code"),
    [
        ((SaidBox("", 10, 10, 300, 400),), 0, Code.BOX_IMPOSSIBLE),
        ((SaidBox("", 10, 10, 10, 40),), 0, Code.BOX_IMPOSSIBLE),
        ((SaidBox("", 60, 10, 40, 40),), 0, Code.BOX_IMPOSSIBLE),
        ((SaidBox("", 1, 1, 99, 99),), 0, Code.BOX_IMPOSSIBLE),
        ((SaidBox("", float("nan"), 1, 9, 9),), 0, Code.BOX_IMPOSSIBLE),
        (tuple(SaidBox("", 60 + n, 10, 62 + n, 20) for n in range(0, 28, 4)), 0, Code.BOX_IMPOSSIBLE),
        ((SaidBox("right effusion", 60, 40, 90, 80),), 0, Code.BOX_IMPOSSIBLE),
        ((SaidBox("pneumothorax", 60, 40, 90, 80),), 0, Code.BOX_OF_ANOTHER),
        ((IN_LEFT, IN_LEFT, IN_LEFT), 1, Code.BOX_DUPLICATE),
        ((IN_LEFT,) * 20, 1, Code.BOX_DUPLICATE),
    ],
)  # fmt: skip
def test_boxes_that_cannot_be_are_left_out(boxes: tuple[SaidBox, ...], kept: int, code: Code) -> None:
    guarded = read("There is a left effusion.", drawn(pleural_effusion=boxes))
    assert len(guarded.regions) == kept
    assert code in {v.code for v in guarded.verdicts}


def test_a_box_may_carry_the_name_of_a_kind_of_its_finding() -> None:
    box = replace(IN_LEFT, name="opacity in the left lung")
    assert len(read("Left lower lobe consolidation.", drawn(consolidation=(box,))).regions) == 1


def test_one_box_for_two_findings_is_noted() -> None:
    evidence = drawn(pleural_effusion=(IN_LEFT,), atelectasis=(IN_LEFT,))
    guarded = read("Left effusion. Left basilar atelectasis.", evidence)
    assert (Code.BOXES_IDENTICAL, Effect.NOTED) in fired(guarded)
    assert len(guarded.regions) == 2


# What holds for every text

_WORDS = """
    remains stable unchanged again new no persistent improved interval since prior compared to the study 5 cm mm <|im_end|> **
    { } $ <b> 心 β resolved increased in size is are . . , ; and there has been removed - 1. effusion pneumothorax opacity
    atelectasis edema consolidation heart enlarged lungs clear ETT tube left right bilateral both a small large base lobe on of
"""
MIXTURES = st.lists(st.sampled_from(_WORDS.split()), max_size=60).map(" ".join)
SENTENCES = [*planted.COMPARING_DRAFTS, *planted.NOT_COMPARING, *(draft for draft, _ in planted.MEASURED)]
PLANTED = st.lists(st.sampled_from(SENTENCES), max_size=3).map(" ".join)
GRAMMATICAL = drafts().map(lambda drawn: drawn[0])
TEXTS = (GRAMMATICAL | SALAD | MIXTURES | PLANTED | st.text(max_size=200)).map(normalise_text)
BOXES = st.lists(
    st.builds(
        SaidBox,
        st.sampled_from(["", "left effusion", "right pneumothorax", "nodule", "x"]),
        *[st.floats(0, 100) | st.floats(allow_nan=True, allow_infinity=True)] * 4,
    ),
    max_size=8,
).map(tuple)
EVIDENCES = st.builds(
    Evidence,
    has_prior=st.booleans(),
    probabilities=st.dictionaries(st.sampled_from(sorted(vocabulary())), st.floats(0, 1), max_size=4).map(
        lambda d: {c: Probability(c, v) for c, v in d.items()}
    ),
    boxes=st.dictionaries(st.sampled_from(sorted(vocabulary())), BOXES, max_size=3),
)
DRAFTS = st.builds(Draft, TEXTS, TEXTS, TEXTS, TEXTS)


@slow
@given(DRAFTS, EVIDENCES)
def test_no_guard_adds_certainty_or_a_side(draft: Draft, evidence: Evidence) -> None:
    guarded = guard(draft, evidence)
    said = {f.concept: f for f in label(without_markup(draft.findings)[0])}
    for finding in guarded.findings:
        was = said[finding.concept]
        assert finding.presence in (was.presence, U)
        assert finding.laterality in (was.laterality, None)
    if guarded.abstained is None:
        assert {f.concept for f in guarded.findings} == set(said)
    assert guarded.draft.reasoning == draft.reasoning


@slow
@given(drafts())
def test_what_a_comparing_draft_says_is_what_it_said(drawn: tuple[str, list[Said]]) -> None:
    text, said = drawn
    findings = {f.concept: f for f in read(text).findings}
    for one in said:
        assert findings[one.concept].presence is one.presence
        assert findings[one.concept].laterality in (one.laterality, None)


@slow
@given(DRAFTS, EVIDENCES)
def test_a_side_is_one_that_the_words_name(draft: Draft, evidence: Evidence) -> None:
    words = draft.findings.lower()
    for finding in guard(draft, evidence).findings:
        if finding.laterality is L:
            assert re.search(r"left|\bl\b|\blt\b|lul|lll", words)
        if finding.laterality is R:
            assert re.search(r"right|\br\b|\brt\b|rul|rml|rll", words)


@slow
@given(DRAFTS, EVIDENCES)
def test_guarding_what_was_guarded_changes_nothing(draft: Draft, evidence: Evidence) -> None:
    once = guard(draft, evidence)
    twice = guard(once.draft, evidence)
    assert twice.draft == once.draft
    assert (twice.abstained is None) == (once.abstained is None)
    if once.abstained is None:
        assert twice.regions == once.regions
        of_words = {
            Code.COMPARISON,
            Code.MEASUREMENT,
            Code.MARKUP,
            Code.EMPTY_NOUNS,
            Code.FOREIGN_SCRIPT,
            Code.REPETITION,
        }
        assert not {v.effect for v in twice.verdicts if v.code in of_words} & {Effect.REPAIRED, Effect.DROPPED}
    if once.abstained is None and not evidence.has_prior:
        assert not comparing(once.draft.findings)


def mirrored_box(box: SaidBox) -> SaidBox:
    return SaidBox(mirrored(box.name), 100 - box.x1, box.y0, 100 - box.x0, box.y1)


# Whole percents, as the model writes them: 100 minus one is exact, and a box on the very edge stays on it.
PERCENT = st.integers(-5, 105).map(float)
WHOLE_BOXES = st.builds(SaidBox, st.sampled_from(["", "left effusion", "nodule"]), PERCENT, PERCENT, PERCENT, PERCENT)


@slow
@given(DRAFTS, EVIDENCES, st.lists(WHOLE_BOXES, max_size=6).map(tuple))
def test_a_mirrored_study_is_read_mirrored(draft: Draft, evidence: Evidence, boxes: tuple[SaidBox, ...]) -> None:
    evidence = replace(evidence, boxes={"pleural_effusion": boxes, "nodule": boxes[:2]})
    other = guard(
        Draft(*(mirrored(t) for t in (draft.reasoning, draft.findings, draft.impression, draft.comparison))),
        replace(evidence, boxes={c: tuple(map(mirrored_box, said)) for c, said in evidence.boxes.items()}),
    )
    one = guard(draft, evidence)
    swapped = {L: R, R: L, B: B, None: None}
    assert [(f.concept, f.presence, swapped[f.laterality]) for f in one.findings] == [
        (f.concept, f.presence, f.laterality) for f in other.findings
    ]
    assert mirrored(one.draft.findings) == other.draft.findings
    assert len(one.regions) == len(other.regions)
    assert [(v.code, v.effect) for v in one.verdicts] == [(v.code, v.effect) for v in other.verdicts]


REPLIES = st.one_of(
    st.text(max_size=300),
    TEXTS.map(lambda t: f"**Thinking Process:**\n1. {t}\n\n**Final Answer:**\n\\boxed{{{t}}}"),
    st.builds(lambda a, b, n: f"{a}\\boxed{{{b}}}"[: n or None], TEXTS, TEXTS, st.integers(0, 200)),
    st.text(alphabet="\\boxed{}<|>()0123456789, refim_startend\n", max_size=300),
)


@settings(max_examples=40, deadline=None)
@given(REPLIES, st.booleans(), REPLIES, EVIDENCES)
def test_no_reply_whatever_breaks_the_line(reply: str, finished: bool, grounding: str, evidence: Evidence) -> None:
    parsed = parse_reply(reply, finished=finished)
    if isinstance(parsed, Abstention):
        value = replace(
            preread(EVIDENCE, outcome=Outcome.ABSTAINED), reason=parsed.code, explanation=parsed.explanation
        )
        value = replace(value, narrative=Narrative(reasoning=parsed.reasoning))
    else:
        evidence = replace(evidence, boxes={"pleural_effusion": parse_boxes(grounding), **evidence.boxes})
        draft = Draft(normalise_text(parsed.reasoning), normalise_text(parsed.answer), normalise_text(grounding))
        guarded = guard(draft, evidence)
        assert isinstance(guarded, Guarded)
        outcome = Outcome.READ if guarded.abstained is None else Outcome.ABSTAINED
        value = replace(
            preread(EVIDENCE, outcome=outcome),
            narrative=Narrative(guarded.draft.findings, guarded.draft.impression, guarded.draft.reasoning),
            findings=guarded.findings,
            verdicts=guarded.verdicts,
            reason="" if guarded.abstained is None else guarded.abstained[0],
        )
    assert file_bytes(encode_sr(value, EVIDENCE))
    assert encode_oru(
        value, sending_application="A", sending_facility="B", receiving_application="C", receiving_facility="D"
    )


@pytest.mark.parametrize(
    "unit",
    ["<think>", "{[(", "no new ", "stable and unchanged, ", "effusion is stable and ", "5 cm ", "**", "\\text{", "a.", "心", " ",
     "compared to the prior ", "there is again noted mildly ", "<|box|>(", "1. "],
)  # fmt: skip
@pytest.mark.parametrize("length", [11_000, 200_000])
def test_no_text_holds_the_reading_up(unit: str, length: int) -> None:
    def of(length: int) -> Callable[[], None]:
        text = (unit * (length // len(unit) + 1))[:length]

        def work() -> None:
            read(text, reasoning=text, impression=text)
            parse_reply(text + "\\boxed{x}", finished=True)
            parse_boxes(text)

        return work

    def in_proportion(short: float, long: float) -> bool:
        return long < 10 * short + 0.5

    times = least_times(of(length // 4), of(length), enough=in_proportion)
    assert in_proportion(*times), f"four times the text is four times the work, not sixteen: {times}"


@pytest.mark.parametrize("concept", sorted(vocabulary()))
@pytest.mark.parametrize("side", [None, L, R, B])
@pytest.mark.parametrize("pattern", ["There is a {} {}.", "No {} {}.", "Possible {} {}."])
def test_what_is_said_again_plainly_says_the_same(concept: str, side: Laterality | None, pattern: str) -> None:
    said = statements(pattern.format(side or "", vocabulary()[concept].words[0]))
    again = restated(said)
    assert again is not None
    assert [(f.concept, f.presence, f.laterality) for f in label(again)] == [
        (s.concept, s.presence, s.laterality) for s in said
    ]


def test_a_reader_is_not_drowned_in_verdicts() -> None:
    draft = " ".join(f"The nodule of rib {n} in the left lung is stable." for n in range(40))
    assert len(read(draft).verdicts) <= 24


def test_a_finding_that_is_in_no_vocabulary_breaks_nothing() -> None:
    evidence = replace(drawn(hernia=(IN_LEFT,)), probabilities={"hernia": Probability("hernia", 0.9)})
    guarded = read("The lungs are clear.", evidence)
    assert guarded.regions == ()
    assert (Code.PROBED_NOT_MENTIONED, Effect.NOTED) in fired(guarded)


def test_every_code_is_explained() -> None:
    text = (Path(__file__).parents[2] / "docs" / "guards.md").read_text(encoding="utf-8")
    assert {code for code in Code if f"`{code}`" not in text} == set()
