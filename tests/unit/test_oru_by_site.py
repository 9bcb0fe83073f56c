"""Every receiver gets the message in the form it reads, and the same is said in each: no word, identifier or priority is
lost on the way to it, and nothing is altered without a word about it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import combinations

import hl7
import pytest
from hl7apy.parser import parse_message
from hypothesis import given, settings
from hypothesis import strategies as st

from structured_report.content import Code, Finding, Narrative, Outcome, Patient, PreRead, Presence, Priority
from structured_report.hl7_characters import CHARACTER_SETS, fit
from structured_report.hl7_text import unescape
from structured_report.oru_fields import IdentifierNotWritable
from structured_report.oru_form import OruForm
from structured_report.retraction import is_about, retraction_of
from structured_report.text import exactly, normalise_text
from tests.support.forms import ALL, ANY_FORM, VERSIONS, plain, received, segments, sent, text_in
from tests.support.reports import SOME_FINDINGS, TEXTS, images, preread

EVIDENCE = images()
VALUE = replace(preread(EVIDENCE), priority=Priority.CRITICAL)
FINDINGS, REASONING, COMMENT = (
    ("59776-5", "Findings"),
    ("REASONING", "Algorithm reasoning trace"),
    ("121106", "Comment"),
)
some = settings(max_examples=60, deadline=None)


def said(findings: str, reasoning: str = "") -> PreRead:
    return replace(VALUE, narrative=Narrative(findings, "", reasoning))


def expected(text: str, form: OruForm) -> str:
    return fit(normalise_text(text), form.character_set)[0]


def segments_for(text: str, form: OruForm) -> int:
    """How many rows or notes a text makes."""
    whole = expected(text, form)
    return 0 if not whole else whole.count("\n") + 1 if form.text == "tx" else 1


@some
@given(form=ANY_FORM, findings=TEXTS, reasoning=TEXTS)
def test_any_words_come_out_of_any_form_as_they_went_in(form: OruForm, findings: str, reasoning: str) -> None:
    value = said(findings, reasoning)
    message = received(sent(value, form), form)
    bare = received(sent(said(""), form), form)
    replaced = fit(normalise_text(findings) + normalise_text(reasoning), form.character_set)[1]
    added = segments_for(findings, form) + segments_for(reasoning, form)
    remark = segments_for(f"[U+ {form.character_set}", form) if replaced and not replaced_in(bare, form) else 0
    assert len(message) == len(bare) + added + remark, "a text never makes or swallows a segment"
    assert text_in(message, form, *FINDINGS) == expected(findings, form)
    assert text_in(message, form, *REASONING) == expected(reasoning, form)
    assert replaced_in(message, form) == bool(replaced) or replaced_in(bare, form), "what was altered is said"


def replaced_in(message: hl7.Message, form: OruForm) -> bool:
    return "in this message as [U+code point]" in text_in(message, form, *COMMENT)


@some
@given(form=ANY_FORM, name=TEXTS, identifier=TEXTS, accession=TEXTS)
def test_no_identifier_is_altered_in_any_form(form: OruForm, name: str, identifier: str, accession: str) -> None:
    value = replace(VALUE, study=replace(VALUE.study, patient=Patient(identifier, "", name, "", "")))
    value = replace(value, study=replace(value.study, order=replace(value.study.order, accession_number=accession)))
    readable = [exactly(i) for i in (identifier, accession)]
    try:
        message = received(sent(value, form), form)
    except IdentifierNotWritable:
        assert any(fit(i, form.character_set)[1] for i in readable), "refused for no reason"
        return
    assert unescape(str(message.segment("PID")[3]).split("^")[0]) == readable[0]
    assert unescape(str(message.segment("OBR")[18])) == readable[1]
    assert is_about(sent(value, form), value)


@pytest.mark.parametrize("form", ALL, ids=lambda f: f"{f.version} {f.text} {f.study_uid_as}")
def test_an_outsider_finds_nothing_wrong_with_the_message(form: OruForm) -> None:
    """hl7apy knows the segments, fields and order of each version; what a version has not got would be found here."""
    for outcome in (Outcome.READ, Outcome.ABSTAINED, Outcome.FLAGGED):
        value = replace(preread(EVIDENCE, outcome=outcome), priority=Priority.URGENT)
        content = sent(value, form).decode()
        # A site's own last segment is no part of the standard, and hl7apy knows that.
        known = "".join(f"{s}\r" for s in content.split("\r") if s and not s.startswith("ZDS"))
        assert parse_message(known, find_groups=True).validate()
        assert parse_message(known).version == form.version
        back = sent(replace(VALUE, outcome=outcome), form)
        taken = retraction_of(back, control_id="PR1", at=VALUE.analysed_at, reason="wrong patient").decode()
        assert parse_message("".join(f"{s}\r" for s in taken.split("\r") if s and not s.startswith("ZDS"))).validate()


@pytest.mark.parametrize("form", ALL, ids=lambda f: f"{f.version} {f.text} {f.study_uid_as}")
def test_the_study_and_its_status_are_found_in_every_form(form: OruForm) -> None:
    message = received(sent(VALUE, form), form)
    uid, obr = VALUE.study.study_instance_uid, message.segment("OBR")
    rows = {str(o[3]): o for o in segments(message, "OBX")}
    pointer = f"{uid}^PREREAD^Application^DICOM"
    if form.study_uid_as == "zds":
        assert str(message[-1]) == f"ZDS|{pointer}"
        assert "113014^DICOM Study^DCM" not in rows
    else:
        row = rows["113014^DICOM Study^DCM"]
        assert (str(row[2]), str(row[5])) == (("ST", uid) if form.study_uid_as == "st" else ("RP", pointer))
    assert str(rows["^SR Instance UID"][5]) == VALUE.sr_instance_uid
    assert (str(obr[25]), str(message.segment("ORC")[5]), str(message.segment("MSH")[12])) == ("R", "IP", form.version)
    assert {str(o[11]) for o in segments(message, "OBX")} == {"R", "O"}
    assert len(str(rows["121403^Level of Significance^DCM"]).split("|")) == (18 if form.version == "2.3.1" else 20)
    assert "AI PRE-READ - NOT A DIAGNOSTIC REPORT" in text_in(message, form, *COMMENT)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("chosen", [c for n in range(4) for c in combinations(("tq1", "obr27", "obx8"), n)])
def test_the_priority_stands_where_the_site_reads_it_and_nowhere_else(version: str, chosen: tuple[str, ...]) -> None:
    if "tq1" in chosen and version != "2.5.1":
        with pytest.raises(ValueError, match='"tq1" needs version'):
            OruForm(version=version, priority_in=frozenset(chosen))  # type: ignore[arg-type]
        return
    form = OruForm(version=version, priority_in=frozenset(chosen))  # type: ignore[arg-type]
    assert priority_in(received(sent(VALUE, form), form)) == {
        "tq1": "S^STAT^HL70485" if "tq1" in chosen else "",
        "obr27": "^^^^^S" if "obr27" in chosen else "",
        "obx8": "AA" if "obx8" in chosen else "",
    }


def priority_in(message: hl7.Message) -> dict[str, str]:
    tq1 = segments(message, "TQ1")
    row = next(o for o in segments(message, "OBX") if str(o[3]).startswith("121403"))
    return {"tq1": str(tq1[0][9]) if tq1 else "", "obr27": str(message.segment("OBR")[27]), "obx8": str(row[8])}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_site_that_chooses_nothing_gets_the_priority_all_the_same(version: str) -> None:
    form = OruForm(version=version)  # type: ignore[arg-type]
    found = priority_in(received(sent(VALUE, form), form))
    assert found["obx8"] == "AA"
    assert found["tq1"] or found["obr27"] == "^^^^^S"


@some
@given(form=ANY_FORM, text=TEXTS.filter(str.strip), limit=st.integers(200, 260), times=st.integers(1, 40))
def test_a_text_that_was_cut_says_so_and_where_the_whole_is(form: OruForm, text: str, limit: int, times: int) -> None:
    form = replace(form, longest_text=limit)
    message = received(sent(said(text * times), form), form)
    kind, field = ("NTE", 3) if form.text == "nte" else ("OBX", 5)
    rows = [s for s in segments(message, kind) if str(s[4 if kind == "NTE" else 3]).startswith("59776-5")]
    assert sum(len(str(r[field])) for r in rows) <= limit
    whole, got = expected(text * times, form), text_in(message, form, *FINDINGS)
    mark = f" [truncated; the whole text stands in the DICOM Structured Report {VALUE.sr_instance_uid}]"
    assert got == whole or (got.endswith(mark) and whole.startswith(got.removesuffix(mark)))


def test_an_identifier_that_the_receiver_cannot_read_is_not_sent_altered() -> None:
    form = OruForm(character_set="8859/1")
    value = replace(VALUE, study=replace(VALUE.study, patient=Patient("山田-1", "", "Yamada^Tarou", "", "")))
    with pytest.raises(IdentifierNotWritable, match="8859/1"):
        sent(value, form)


def test_a_procedure_code_that_cannot_be_written_leaves_its_meaning() -> None:
    form = OruForm(character_set="ASCII")
    order = replace(VALUE.study.order, procedure=Code("RÖ1", "99LOCAL", "Röntgen Thorax"))
    message = received(sent(replace(VALUE, study=replace(VALUE.study, order=order)), form), form)
    assert str(message.segment("OBR")[4]) == "^R[U+00F6]ntgen Thorax"


@pytest.mark.parametrize(
    ("character_set", "name"),
    [
        ("8859/1", "Müller^Jürgen"), ("8859/2", "Żółć^Łukasz"), ("8859/5", "Люкceмбypг"), ("8859/7", "Διονυσιος"),
        ("8859/8", "שרון^דבורה"), ("8859/6", "قباني^لنزار"), ("8859/9", "Çavuşoğlu"), ("8859/15", "Œuvré^€"),
        ("ISO IR87", "Yamada^Tarou=山田^太郎=やまだ^たろう"), ("KS X 1001", "Hong^Gildong=洪^吉洞=홍^길동"),
        ("GB 18030-2000", "Wang^XiaoDong=王^小东"), ("BIG-5", "Wang^XiaoDong=王^小東"),
    ],
)  # fmt: skip
def test_a_name_reaches_a_receiver_in_its_own_character_set(character_set: str, name: str) -> None:
    form = OruForm(character_set=character_set)
    value = replace(VALUE, study=replace(VALUE.study, patient=Patient("P", "", name, "", "")))
    content = sent(value, form)
    assert not {0x0B, 0x1C} & set(content), "nothing in it ends the MLLP frame"
    field = str(received(content, form).segment("PID")[5])
    parts = [p.split("^")[:2] for p in field.split("~")]
    assert parts == [g.split("^") for g in name.split("=")]


@pytest.mark.parametrize("character_set", ["ISO IR87", "ISO IR159"])
def test_a_name_in_half_width_katakana_is_a_name_to_a_japanese_ris(character_set: str) -> None:
    """Modalities write it so, and the set of the RIS has these letters in full width alone: a code is no name."""
    form = OruForm(character_set=character_set)
    value = replace(VALUE, study=replace(VALUE.study, patient=Patient("P", "", "ﾔﾏﾀﾞ^ﾎﾟﾁ=山田^ポチ", "", "")))
    field = str(received(sent(value, form), form).segment("PID")[5])
    assert [p.split("^")[:2] for p in field.split("~")] == [["ヤマダ", "ポチ"], ["山田", "ポチ"]]


@given(st.text(max_size=60), st.sampled_from(sorted(CHARACTER_SETS)))
def test_what_a_character_set_has_not_is_spelt_out_and_the_rest_is_untouched(text: str, character_set: str) -> None:
    whole = normalise_text(text)
    fitting, replaced = fit(whole, character_set)
    codec = CHARACTER_SETS[character_set]
    assert fitting.encode(codec).decode(codec) == fitting
    assert (fitting == whole) == (replaced == 0)


@some
@given(form=ANY_FORM, findings=SOME_FINDINGS, text=TEXTS, reason=TEXTS)
def test_a_retraction_takes_back_every_row_and_repeats_no_word(
    form: OruForm, findings: tuple[Finding, ...], text: str, reason: str
) -> None:
    value = replace(said(text), findings=findings)
    old = sent(value, form)
    at = VALUE.analysed_at + timedelta(hours=1)
    message = received(retraction_of(old, control_id="PR-BACK", at=at, reason=reason), form)
    before = received(old, form)
    assert (str(message.segment("MSH")[10]), str(message.segment("OBR")[25])) == ("PR-BACK", "R")
    assert str(message.segment("OBR")[22]) > str(before.segment("OBR")[22])
    for kind, fields in (("PID", range(1, 9)), ("OBR", (2, 3, 4, 7, 18, 19, 20))):
        assert [str(message.segment(kind)[n]) for n in fields] == [str(before.segment(kind)[n]) for n in fields]
    wrong = [o for o in segments(message, "OBX") if str(o[11]) == "W"]
    results = [o for o in segments(before, "OBX") if str(o[11]) == "R"]
    assert [(str(o[3]), str(o[4])) for o in wrong] == [(str(o[3]), str(o[4])) for o in results]
    assert all(str(o[5]) == "[withdrawn]" for o in wrong if str(o[2]) in ("FT", "TX"))
    assert [str(o[1]) for o in segments(message, "OBX")] == [str(n + 1) for n in range(len(segments(message, "OBX")))]
    why = [plain(message, str(s[n])) for k, n in (("OBX", 5), ("NTE", 3)) for s in segments(message, k)]
    assert any(w.startswith("WITHDRAWN: this result was taken back and must not be used.") for w in why)


def test_a_withdrawn_result_names_the_reason_and_nothing_of_it_stands_as_a_result() -> None:
    value = replace(VALUE, outcome=Outcome.WITHDRAWN, explanation="hung the wrong film")
    message = received(sent(value, OruForm()), OruForm())
    assert "Reason: hung the wrong film" in text_in(message, OruForm(), *COMMENT)
    standing = {str(o[3]).split("^")[0] for o in segments(message, "OBX") if str(o[11]) == "R"}
    assert standing == {"121106"}


def test_what_is_no_message_of_ours_cannot_be_taken_back() -> None:
    for content in (b"", b"MSH|^~\\&|A\r", b"MSH|^~\\&|A|B|C|D|1||ORU^R01|1|P|2.5.1||||||KLINGON\rPID|1\rOBR|1\r"):
        with pytest.raises(ValueError, match="the message that was sent"):
            retraction_of(content, control_id="X", at=VALUE.analysed_at, reason="")


def test_absent_findings_are_said_in_every_form() -> None:
    for form in ALL:
        value = preread(EVIDENCE, findings=(Finding("pneumothorax", Presence.ABSENT),))
        rows = segments(received(sent(value, form), form), "OBX")
        assert [str(o[5]) for o in rows if str(o[3]).startswith("36118008")] == ["272519000^Absent^SCT"]
