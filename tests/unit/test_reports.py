"""What is said in the SR and in the ORU is the same, whatever the model, the patient's name or the header hold."""

from __future__ import annotations

import re
from dataclasses import replace
from io import BytesIO

import hl7
import pytest
from hl7apy.parser import parse_message
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset, dcmread

from structured_report.concepts import LATERALITY_VALUES, PRESENCE_VALUES
from structured_report.content import BANNER, Code, Finding, Laterality, Narrative, Outcome, Patient, PreRead, Presence
from structured_report.hl7_text import cap, escape, unescape
from structured_report.identity import Place
from structured_report.oru import encode_oru
from structured_report.plain_sr import encode_plain_sr
from structured_report.read_sr import read_narrative
from structured_report.sr import as_comprehensive_sr, encode_sr, file_bytes
from structured_report.text import MAX_NARRATIVE, exactly, from_dicom, normalise_text, one_line, to_dicom
from structured_report.vocabulary import vocabulary
from tests.support.peers import text_of
from tests.support.reports import SOME_FINDINGS, TEXTS, images, preread

EVIDENCE = images()
slow = settings(max_examples=40, deadline=None)


def oru(value: PreRead, status: str = "R") -> str:
    return encode_oru(
        value,
        sending_application="PREREAD",
        sending_facility="RAD",
        receiving_application="RIS",
        receiving_facility="HOSP",
        status=status,  # type: ignore[arg-type]
    ).decode("utf-8")


@given(TEXTS)
def test_normalised_text_is_fit_for_ut_and_stays_what_it_is(text: str) -> None:
    once = normalise_text(text)
    assert normalise_text(once) == once
    assert all(c == "\n" or ord(c) >= 0x20 for c in once)
    once.encode("utf-8")
    assert from_dicom(to_dicom(once)) == once


def test_a_runaway_text_is_cut_with_its_digest() -> None:
    cut = normalise_text("word " * 20_000)
    assert len(cut) <= MAX_NARRATIVE
    assert re.search(r"\[truncated, sha256=[0-9a-f]{64}\]$", cut)
    assert normalise_text(cut) == cut


@given(TEXTS, st.booleans())
def test_escaping_is_undone_by_unescaping(text: str, formatted: bool) -> None:
    whole = normalise_text(text)
    escaped = escape(whole, formatted=formatted)
    assert not set(escaped) & set("|^&~\r\n")
    assert unescape(escaped) == whole


@given(TEXTS, st.integers(20, 60))
def test_a_capped_text_is_never_cut_inside_an_escape(text: str, limit: int) -> None:
    escaped = escape(normalise_text(text), formatted=True)
    capped = cap(escaped, limit, "[cut]")
    assert len(capped) <= max(limit, 0) or capped == escaped
    assert capped.count("\\") % 2 == 0


@slow
@given(findings=TEXTS, reasoning=TEXTS, remark=TEXTS)
def test_any_words_come_out_of_the_oru_as_they_went_in(findings: str, reasoning: str, remark: str) -> None:
    value = preread(EVIDENCE, narrative=Narrative(findings, "", reasoning), remarks=(remark,) if remark.strip() else ())
    message = hl7.parse(oru(value))
    bare = hl7.parse(oru(preread(EVIDENCE, narrative=Narrative(), remarks=())))
    expected = sum(bool(normalise_text(t)) for t in (findings, reasoning)) + bool(value.remarks)
    assert len(message) == len(bare) + expected, "a text never makes or swallows a segment"
    assert text_of(message, "59776-5") == [t for t in [normalise_text(findings)] if t]
    assert text_of(message, "REASONING") == [t for t in [normalise_text(reasoning)] if t]


@slow
@given(name=TEXTS, identifier=TEXTS, accession=TEXTS)
def test_no_identifier_can_change_the_structure_of_the_message(name: str, identifier: str, accession: str) -> None:
    value = preread(EVIDENCE, patient=Patient(identifier, "", name, "", ""))
    value = replace(value, study=replace(value.study, order=replace(value.study.order, accession_number=accession)))
    text = oru(value)
    message = hl7.parse(text)
    assert len(message) == len(hl7.parse(oru(preread(EVIDENCE))))
    for field, identity in ((message.segment("OBR")[18], accession), (message.segment("PID")[3], identifier)):
        printable = exactly(identity)
        assert unescape(str(field).split("^")[0]) == printable, "an identifier is never changed"


def test_the_message_says_what_standards_ask_for() -> None:
    message = hl7.parse(oru(preread(EVIDENCE)))
    obr = message.segment("OBR")
    assert (str(obr[25]), str(obr[18]), str(obr[2]), str(obr[3])) == ("R", "ACC0001", "PO1", "FO1")
    assert str(obr[4]) == str(obr[44]) == "36643-5^XR Chest 2 Views^LN"
    assert str(message.segment("ORC")[1]) == "RE"
    assert str(message.segment("ORC")[5]) == "IP"
    assert str(message.segment("MSH")[10]) == "PR0123456789ABCDEF01"
    assert str(message.segment("MSH")[18]) == "UNICODE UTF-8"
    assert {str(o[11]) for o in message.segments("OBX")} == {"R", "O"}
    assert str(message.segment("PID")[5]) == "Müller^Jürgen"
    assert BANNER in text_of(message, "121106")
    assert parse_message(oru(preread(EVIDENCE))).validate()


@pytest.mark.parametrize("status", ["F", "C", "", "r"])
def test_a_final_result_cannot_be_sent(status: str) -> None:
    with pytest.raises(ValueError, match="cannot be sent"):
        oru(preread(EVIDENCE), status)


def test_the_same_pre_read_is_the_same_bytes() -> None:
    value = preread(EVIDENCE)
    assert oru(value) == oru(value)
    assert file_bytes(encode_sr(value, EVIDENCE)) == file_bytes(encode_sr(value, EVIDENCE))


@slow
@given(findings=TEXTS, reasoning=TEXTS, coded=SOME_FINDINGS)
def test_any_words_come_out_of_the_sr_as_they_went_in(findings: str, reasoning: str, coded: tuple) -> None:  # type: ignore[type-arg]
    value = preread(EVIDENCE, narrative=Narrative(findings, "", reasoning), findings=coded)
    report = dcmread(BytesIO(file_bytes(encode_sr(value, EVIDENCE))))
    assert read_narrative(report) == Narrative(normalise_text(findings), "", normalise_text(reasoning))


@pytest.mark.parametrize("outcome", list(Outcome))
def test_no_report_can_look_final(outcome: Outcome) -> None:
    report = encode_sr(preread(EVIDENCE, outcome=outcome), EVIDENCE)
    assert (report.PreliminaryFlag, report.CompletionFlag, report.VerificationFlag) == (
        "PRELIMINARY",
        "COMPLETE",
        "UNVERIFIED",
    )
    partly = encode_sr(replace(preread(EVIDENCE, outcome=outcome), partial=True), EVIDENCE)
    assert partly.CompletionFlag == ("COMPLETE" if outcome is Outcome.WITHDRAWN else "PARTIAL")
    assert "VerifyingObserverSequence" not in report
    assert report.SeriesDescription == "AI pre-read (unverified)"
    assert BANNER in report.to_json()


def test_identity_is_copied_unaltered_and_the_build_is_named() -> None:
    value = preread(EVIDENCE)
    bare = images()
    bare[0].AccessionNumber = bare[0].PatientSex = bare[0].PatientName = (
        ""  # the image that happens to come first is poor
    )
    for evidence in (EVIDENCE, bare):
        report = encode_sr(value, evidence)
        assert (report.PatientID, str(report.PatientName)) == ("PID1", "Müller^Jürgen")
        assert (report.PatientBirthDate, report.PatientSex, report.AccessionNumber) == ("19600101", "F", "ACC0001")
        assert report.StudyInstanceUID == evidence[0].StudyInstanceUID
    words = report.to_json()
    for fact in ("ab" * 32, "nf4", "findings-reasoning@00000000", "2.25.123456"):
        assert fact in words


def test_a_report_carries_nothing_of_another_patient_than_the_one_it_is_about() -> None:
    """The wrong line of the worklist was picked at the modality, and a person has said whose film it is."""
    evidence = images()
    for image in evidence:
        image.PatientAge, image.PatientComments, image.EthnicGroup = "065Y", "allergic to latex", "of somebody"
        other = Dataset()
        other.PatientID, other.TypeOfPatientID = "SOMEBODY-ELSE", "TEXT"
        image.OtherPatientIDsSequence = [other]
    theirs = Patient(str(evidence[0].PatientID), "", "A^B", str(evidence[0].PatientBirthDate), "F")
    words = encode_sr(preread(evidence, patient=theirs), evidence).to_json()
    assert "SOMEBODY-ELSE" in words, "what the image says of the very patient is kept"
    for patient in (Patient("PID1", "", "A^B", theirs.birth_date, "F"), replace(theirs, birth_date="19010101")):
        value = preread(evidence, patient=patient)
        for report in (
            encode_sr(value, evidence),
            encode_plain_sr(value, evidence, Place("2.25.11", "2.25.12", "x", 1)),
        ):
            words = report.to_json()
            for said in ("SOMEBODY-ELSE", "065Y", "latex", "of somebody"):
                assert said not in words, said


def test_a_later_revision_names_its_predecessor() -> None:
    report = encode_sr(preread(EVIDENCE, supersedes="2.25.42"), EVIDENCE)
    (document,) = report.PredecessorDocumentsSequence
    old = document.ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
    assert old.ReferencedSOPInstanceUID == "2.25.42"
    assert (
        as_comprehensive_sr(report)
        .PredecessorDocumentsSequence[0]
        .ReferencedSeriesSequence[0]
        .ReferencedSOPSequence[0]
        .ReferencedSOPClassUID.endswith("88.33")
    )


@pytest.mark.parametrize(
    "damage",
    [
        {"PatientSex": "U"}, {"StudyTime": "noon"}, {"StudyDate": "today"}, {"PatientBirthDate": "19"}, {"PatientOrientation": []},
        {"PatientOrientation": None, "ImagerPixelSpacing": None}, {"ReferringPhysicianName": "ward"},
        {"PatientBirthDate": "19990229"}, {"StudyDate": "20260231"}, {"StudyDate": "00000101"}, {"Modality": None}, {"Rows": None},
        {"Columns": None}, {"PatientName": "A\\B"}, {"ViewPosition": ["PA", "AP"]}, {"StudyTime": "256161"}, {"PatientOrientation": ["L"]},
        {"PatientID": None, "PatientName": None, "PatientBirthDate": None, "PatientSex": None, "AccessionNumber": None, "StudyID": None},
    ],
)  # fmt: skip
def test_a_poor_header_still_gets_its_report(damage: dict[str, object]) -> None:
    evidence = images()
    for image in evidence:
        for keyword, value in damage.items():
            if value is None:
                delattr(image, keyword)
            else:
                setattr(image, keyword, value)
    report = dcmread(BytesIO(file_bytes(encode_sr(preread(evidence), evidence))))
    assert read_narrative(report).findings


@given(TEXTS, st.integers(1, 64))
def test_one_line_is_one_line(text: str, limit: int) -> None:
    line = one_line(text, limit)
    assert len(line) <= limit
    assert "\n" not in line
    assert "\\" not in line


@pytest.mark.parametrize("concept", sorted(vocabulary()))
@pytest.mark.parametrize("presence", list(Presence))
def test_a_finding_is_said_the_same_in_the_sr_and_in_the_oru(concept: str, presence: Presence) -> None:
    other = next(k for k in vocabulary() if k != concept)
    sides = (
        [Laterality.LEFT, Laterality.RIGHT]
        if vocabulary()[concept].sided and presence is not Presence.ABSENT
        else [None]
    )
    for side in sides:
        value = preread(EVIDENCE, findings=(Finding(concept, presence, side), Finding(other, Presence.ABSENT)))
        wanted = {
            (
                vocabulary()[f.concept].code.value,
                PRESENCE_VALUES[f.presence].value,
                LATERALITY_VALUES[f.laterality].value if f.laterality else "",
            )
            for f in value.findings
        }
        assert said_in_oru(hl7.parse(oru(value))) == wanted
        assert said_in_sr(encode_sr(value, EVIDENCE)) == wanted


def said_in_oru(message: hl7.Message) -> set[tuple[str, str, str]]:
    """(finding, presence, side) of the rows that OBX-4 ties together."""
    rows: dict[str, list[tuple[str, str]]] = {}
    for o in message.segments("OBX"):
        if str(o[2]) == "CE" and str(o[4]):
            rows.setdefault(str(o[4]), []).append((str(o[3]).split("^")[0], str(o[5]).split("^")[0]))
    return {(*r[0], dict(r[1:]).get("272741003", "")) for r in rows.values()}


def said_in_sr(report: Dataset) -> set[tuple[str, str, str]]:
    """(finding, presence, side) of every measurement group."""

    def inside(item: Dataset, name: str) -> list[Dataset]:
        return [i for i in item.get("ContentSequence", []) if i.ConceptNameCodeSequence[0].CodeValue == name]

    found = set()
    for container in inside(report, "126010"):
        for group in inside(container, "125007"):
            finding = inside(group, "121071")[0].ConceptCodeSequence[0].CodeValue
            presence = inside(group, finding)[0].ConceptCodeSequence[0].CodeValue
            sides = [s for site in inside(group, "363698007") for s in inside(site, "272741003")]
            found.add((finding, presence, sides[0].ConceptCodeSequence[0].CodeValue if sides else ""))
    return found


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("Doe^John^Quincy^Dr.^Jr.", "Doe^John^Quincy^Jr.^Dr."),
        ("=山田^太郎", "山田^太郎"),
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", "Yamada^Tarou^^^^^L^A~山田^太郎^^^^^L^I~やまだ^たろう^^^^^L^P"),
        ("Müller", "Müller"),
        ("", ""),
    ],
)
def test_a_name_keeps_its_parts(name: str, wanted: str) -> None:
    """PS3.5 6.2.1 has prefix before suffix, XPN suffix before prefix."""
    value = preread(EVIDENCE, patient=Patient("P", "", name, "", ""))
    assert unescape(str(hl7.parse(oru(value)).segment("PID")[5])) == wanted


def test_a_text_that_looks_like_a_placeholder_is_a_text() -> None:
    value = preread(EVIDENCE, patient=Patient("@@T00003@@", "", "@@T00001@@^x", "", ""))
    value = replace(value, narrative=Narrative("@@T00002@@ and @@T00003@@", "", ""))
    message = hl7.parse(oru(value))
    assert text_of(message, "59776-5") == ["@@T00002@@ and @@T00003@@"]
    assert str(message.segment("PID")[3]).split("^")[0] == "@@T00003@@"


@pytest.mark.parametrize("number", ["A#1", "A&B", "RÖ-123", "A@1", "A=1", "A^1", "A|1", "A~1", "A\\1"])
def test_an_accession_number_reaches_the_ris_whatever_is_in_it(number: str) -> None:
    value = preread(EVIDENCE)
    order = replace(value.study.order, accession_number=number, filler_order_number="", placer_order_number=number)
    order = replace(order, procedure=Code("RÖ&1", "99LOCAL", "Röntgen & Thorax"))
    message = hl7.parse(oru(replace(value, study=replace(value.study, order=order))))
    fields = [message.segment(s)[n] for s, n in (("ORC", 2), ("ORC", 3), ("OBR", 2), ("OBR", 3), ("OBR", 18))]
    assert [unescape(str(f)) for f in fields] == [number] * 5
    for n in (4, 44):
        assert [unescape(p) for p in str(message.segment("OBR")[n]).split("^")] == [
            "RÖ&1",
            "Röntgen & Thorax",
            "99LOCAL",
        ]


def test_an_offset_is_stated_only_when_the_images_state_one() -> None:
    """Timezone Offset From UTC holds for the copied study time too."""
    value = preread(EVIDENCE)
    assert encode_sr(value, EVIDENCE).TimezoneOffsetFromUTC == "+0100"
    silent = replace(value, study=replace(value.study, timezone_offset=""))
    assert "TimezoneOffsetFromUTC" not in encode_sr(silent, EVIDENCE)


def test_every_comment_of_the_message_has_a_sub_id_of_its_own() -> None:
    message = hl7.parse(oru(preread(EVIDENCE, outcome=Outcome.ABSTAINED, remarks=("one", "two"))))
    subs = [str(o[4]) for o in message.segments("OBX") if str(o[3]).startswith("121106")]
    assert subs == [str(n) for n in range(1, 5 + len(EVIDENCE))]


def test_why_an_image_was_not_read_reaches_the_ris_too() -> None:
    value = preread(EVIDENCE)
    left_out = replace(value.images[0], used=False, role="", reason="rejected-image", explanation="it was rejected")
    message = hl7.parse(oru(replace(value, images=(left_out, *value.images[1:]))))
    sentence = f"Image {left_out.sop_instance_uid}: not read: it was rejected [rejected-image]"
    assert sentence in text_of(message, "121106")
