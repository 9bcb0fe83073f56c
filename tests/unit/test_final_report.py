"""The report that a person has finished, beside the draft: its own words, of this patient, and where the two differ."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.hl7.message import read
from agent.hl7.report_text import report_text
from agent.settings import Settings
from agent.store.engine import Ledger
from agent.store.files import FileStore
from agent.web.study.final import compare, final_report
from structured_report.content import Finding, Laterality, Presence
from structured_report.hl7_text import escape
from tests.support.drafted import Desk
from tests.support.films import small_image

PRESENT, ABSENT, DOUBT = Presence.PRESENT, Presence.ABSENT, Presence.UNDETERMINED


def said(*lines: str) -> bytes:
    return "\r".join(("MSH|^~\\&|RIS|S|P|S|20260103||ORU^R01|1|P|2.5.1", "PID|||P1", *lines)).encode()


def text_of(*lines: str, numbers: tuple[str, ...] = ("ACC1",)) -> str:
    return report_text(read(said(*lines)).segments, numbers)


def test_the_words_of_a_report_come_in_their_order_without_what_is_no_text() -> None:
    found = text_of(
        "ORC|RE|P1|ACC1", "OBR|1|P1|ACC1|XR", "OBX|1|TX|1^FINDINGS||The heart is large.~Second line.", "OBX|2|FT|2||No effusion.\\.br\\End",
        "OBX|3|ED|3||^TEXT^PDF^BASE64^AAAA", "OBX|4|ST|113014^DICOM Study^DCM||1.2.3", "OBX|5|TX|5||  ",
    )  # fmt: skip
    assert found == "The heart is large.\nSecond line.\nNo effusion.\nEnd"


def test_of_a_message_with_several_reports_only_this_studys_is_shown() -> None:
    lines = (
        "ORC|RE|P1|ACC1", "OBR|1|P1|ACC1|XR", "OBX|1|TX|1||Of this study.",
        "ORC|RE|P2|ACC2", "OBR|2|P2|ACC2|CT", "OBX|1|TX|1||Of another one.",
    )  # fmt: skip
    assert text_of(*lines) == "Of this study."
    assert text_of(*lines, numbers=("P2",)) == "Of another one."
    assert text_of(*lines, numbers=("ACC3", "")) == ""


@given(
    st.text(
        st.characters(min_codepoint=33, max_codepoint=0x24F, blacklist_categories=("Cs", "Cc")), min_size=1, max_size=80
    )
)
def test_what_stands_in_an_observation_is_what_is_read(words: str) -> None:
    content = said("OBR|1|P1|ACC1", f"OBX|1|TX|1||{escape(words, formatted=False)}")
    found = report_text(read(content.replace(b"|2.5.1", b"|2.5.1||||||UNICODE UTF-8")).segments, ())
    assert found == ("" if words == '""' else words.strip())  # the null value of HL7 says nothing


@pytest.mark.parametrize(
    ("mine", "its", "verdict"),
    [
        (Finding("mass", PRESENT), Finding("mass", PRESENT), "agree"),
        (Finding("mass", ABSENT), Finding("mass", ABSENT), "agree"),
        (Finding("mass", PRESENT), Finding("mass", ABSENT), "differ"),
        (Finding("mass", ABSENT), Finding("mass", PRESENT), "differ"),
        (Finding("mass", PRESENT, Laterality.LEFT), Finding("mass", PRESENT, Laterality.RIGHT), "side_differs"),
        (Finding("mass", PRESENT, Laterality.LEFT), Finding("mass", PRESENT), "agree"),
        (Finding("mass", PRESENT, Laterality.LEFT), Finding("mass", ABSENT, Laterality.RIGHT), "undecided"),
        (Finding("mass", PRESENT, Laterality.LEFT), Finding("mass", ABSENT, Laterality.LEFT), "differ"),
        (Finding("mass", DOUBT), Finding("mass", PRESENT), "undecided"),
        (Finding("mass", PRESENT), None, "only_draft"),
        (None, Finding("mass", PRESENT), "only_report"),
    ],
)
def test_agreement_is_called_by_its_name(mine: Finding | None, its: Finding | None, verdict: str) -> None:
    (row,) = compare([f for f in [mine] if f], [f for f in [its] if f])
    assert row.verdict == verdict


def test_what_only_one_of_the_two_denies_is_no_difference() -> None:
    assert compare([Finding("mass", ABSENT)], [Finding("nodule", ABSENT)]) == ()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    files, ledger = FileStore(tmp_path, 0), Ledger(f"sqlite:///{tmp_path}/preread.db")
    files.prepare()
    ledger.create()
    yield Desk(ledger, files)
    ledger.close()


def test_a_report_under_the_same_number_of_another_patient_is_not_this_studys(desk: Desk) -> None:
    image = small_image(PatientBirthDate="19700101", PatientSex="F")
    drafted = desk.study([image], boxes={})
    settings = Settings()
    with desk.ledger.read() as view:
        assert final_report(view, drafted.uid, settings, ()) is None
    desk.finished(drafted, "There is a nodule.", patient_id="SOMEBODY-ELSE")
    with desk.ledger.read() as view:
        assert final_report(view, drafted.uid, settings, ()) is None


def test_the_final_report_is_shown_with_what_it_says_of_each_finding(desk: Desk) -> None:
    drafted = desk.study([small_image()], boxes={})
    desk.finished(
        drafted, "There is a small left pleural effusion.", "Nodule in the right upper lobe.", "Kein Pneumothorax."
    )
    mine = (Finding("pleural_effusion", PRESENT, Laterality.LEFT), Finding("atelectasis", PRESENT))
    with desk.ledger.read() as view:
        final = final_report(view, drafted.uid, Settings(), mine)
    assert final is not None
    assert final.text.splitlines()[1] == "Nodule in the right upper lobe."
    verdicts = {row.concept: row.verdict for row in final.compared}
    assert verdicts["pleural_effusion"] == "agree"
    assert verdicts["atelectasis"] == "only_draft"
    assert verdicts["nodule"] == "only_report"
