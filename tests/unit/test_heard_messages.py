"""An order on the wrong patient, a name that arrives damaged, a message that is lost after AA: what must not happen."""

from __future__ import annotations

import hashlib
import sqlite3
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from agent.audit.refusal_book import RefusalBook
from agent.clock import SystemClock
from agent.hl7.fields import Identifiers
from agent.hl7.hear import Dialect, NotForUs, hear
from agent.hl7.hearing import Hearing
from agent.hl7.listener import acknowledge
from agent.hl7.message import peek, read
from agent.orders.said import Heard, OrderChange, OrderSaid, PatientSaid, PatientsMerged, ReportSaid
from structured_report.content import Code, Patient, Priority
from structured_report.hl7_characters import CHARACTER_SETS, fit
from structured_report.hl7_text import escape
from tests.support.hl7_sender import OBR, ORC, PID, Ear, header, message, order, rows, segment


@pytest.fixture
def ear(tmp_path: Path) -> Iterator[Ear]:
    made = Ear(tmp_path)
    yield made
    made.ledger.close()


def heard(*segments: str, kind: str = "ORM^O01", dialect: Dialect | None = None, **more: str) -> Any:
    """The only thing that a message says."""
    said = hear(read(message(header(kind, **more), *segments)), dialect or Dialect()).said
    assert Heard.from_json(Heard(said).to_json()) == Heard(said)
    (one,) = said
    return one


def test_an_order_says_all_that_its_segments_say() -> None:
    orc = segment("ORC", f1="NW", f2="PO1^EHR", f3="FO1^RIS", f5="SC", f12="99^Other^Doctor")
    tq1 = segment("TQ1", f1="1", f7="20260103110000", f9="S^STAT^HL70485")
    obr = segment(
        "OBR", f2="PO1^EHR", f3="FO1^RIS", f4="399208008^Plain chest X-ray^SNOMEDCT", f13="cough \\T\\ fever", f16="7^Ray^Rosa^M^Jr^Dr",
        f18="ACC1", f19="RP1", f20="SPS1", f24="CR", f31="^dyspnoea~R05^Cough^I10",
    )  # fmt: skip
    said = heard(PID, orc, tq1, obr, "ZDS|1.2.3.4^RIS^Application^DICOM")
    assert isinstance(said, OrderSaid)
    assert said.change is OrderChange.PLACED
    assert said.patient == Patient("P1", "HOSP", "Test^Patient", "19600101", "F")
    assert said.study_instance_uid == "1.2.3.4"
    assert (said.priority, said.scheduled_at, said.modality) == (Priority.CRITICAL, "20260103110000", "CR")
    o = said.order
    assert (o.accession_number, o.placer_order_number, o.filler_order_number) == ("ACC1", "PO1", "FO1")
    assert (o.requested_procedure_id, o.scheduled_procedure_step_id) == ("RP1", "SPS1")
    assert o.procedure == Code("399208008", "SCT", "Plain chest X-ray")
    assert o.procedure_description == "Plain chest X-ray"
    assert o.referring_physician == "Ray^Rosa^M^Dr^Jr"
    assert o.indication == "dyspnoea\nCough\ncough & fever"


def test_an_imaging_order_says_what_its_ipc_says() -> None:
    ipc = segment("IPC", f1="ACC9^RIS", f2="RP9", f3="1.2.9", f4="SPS9", f5="DX")
    said = heard(
        PID, ORC, "TQ1|1||||||||A", segment("OBR", f2="PO1", f3="FO1", f18="OTHER"), ipc, kind="OMI^O23^OMI_O23"
    )
    assert said.order.accession_number == "ACC9"
    assert (said.order.requested_procedure_id, said.order.scheduled_procedure_step_id) == ("RP9", "SPS9")
    assert (said.study_instance_uid, said.modality, said.priority) == ("1.2.9", "DX", Priority.URGENT)


@pytest.mark.parametrize(
    ("orc", "change"),
    [
        ("ORC|NW|P|F", OrderChange.PLACED), ("ORC|XO|P|F||IP", OrderChange.PLACED), ("ORC|RO|P|F", OrderChange.PLACED),
        ("ORC|CA|P|F", OrderChange.CANCELLED), ("ORC|DC|P|F", OrderChange.CANCELLED), ("ORC|OC|P|F", OrderChange.CANCELLED),
        ("ORC|RP|P|F", OrderChange.CANCELLED), ("ORC|SC|P|F||CM", OrderChange.COMPLETED), ("ORC|SC|P|F||CA", OrderChange.CANCELLED),
        ("ORC|SC|P|F||SC", OrderChange.PLACED), ("ORC|XO|P|F||CM", OrderChange.COMPLETED), ("ORC|CA|P|F||CM", OrderChange.CANCELLED),
    ],
)  # fmt: skip
def test_what_becomes_of_an_order(orc: str, change: OrderChange) -> None:
    assert heard(PID, orc, OBR).change is change


@pytest.mark.parametrize(
    ("places", "priority"),
    [
        ({"tq1": "S"}, Priority.CRITICAL), ({"tq1": "A^ASAP^HL70485"}, Priority.URGENT), ({"tq1": "R"}, Priority.ROUTINE),
        ({"obr": "^^^^^S"}, Priority.CRITICAL), ({"orc": "^^^20260103^^STAT"}, Priority.CRITICAL), ({"tq1": "TM30"}, None),
        ({"tq1": "LOCAL", "obr": "^^^^^A"}, Priority.URGENT), ({"tq1": "P"}, Priority.URGENT), ({}, None),
    ],
)  # fmt: skip
def test_how_urgent_an_order_is(places: dict[str, str], priority: Priority | None) -> None:
    orc = segment("ORC", f1="NW", f2="P", f7=places.get("orc", ""))
    tq1 = segment("TQ1", f1="1", f9=places.get("tq1", ""))
    assert heard(PID, orc, tq1, segment("OBR", f2="P", f27=places.get("obr", ""))).priority is priority


def test_several_orders_in_a_message_keep_apart_and_share_one_study() -> None:
    def one(n: int, accession: str) -> list[str]:
        return [segment("ORC", f1="NW", f2=f"P{n}"), segment("OBR", f2=f"P{n}", f4=f"C{n}^t^L", f18=accession)]

    content = message(header(), PID, *one(1, "A1"), *one(2, "A2"), *one(3, "A2"), "ZDS|1.2.3")
    said = hear(read(content), Dialect()).said
    found = [
        (s.order.placer_order_number, s.order.accession_number, s.study_instance_uid)
        for s in said
        if isinstance(s, OrderSaid)
    ]
    assert found == [("P1", "A1", ""), ("P2", "A2", "1.2.3"), ("P3", "A2", "1.2.3")]
    shared = message(header(), PID, ORC, segment("OBR", f2="P1", f18="A1"), segment("OBR", f2="P2", f18="A2"))
    both = [s.order.placer_order_number for s in hear(read(shared), Dialect()).said if isinstance(s, OrderSaid)]
    assert both == ["P1", "P2"]


@pytest.mark.parametrize(
    ("identifiers", "wanted", "found"),
    [
        ("1^^^A^MR", Identifiers(), ("1", "A")),
        ("9^^^S^SS~1^^^A^MR", Identifiers(), ("1", "A")),
        ("1", Identifiers(), ("1", "")),
        ("1", Identifiers(issuer="A"), ("1", "A")),
        ("1^^^B^MR~2^^^A^MR", Identifiers(issuer="A"), ("2", "A")),
        ("1^^^&1.2.3&ISO^MR", Identifiers(issuer="1.2.3"), ("1", "1.2.3")),
        ("1^^^A^PI~2^^^A^MR", Identifiers(type="PI"), ("1", "A")),
        ("1^^^A^MR~1^^^A^MR", Identifiers(), ("1", "A")),
        ("a\\T\\b^^^A^MR", Identifiers(), ("a&b", "A")),
    ],
)
def test_which_identifier_a_patient_is_known_by(identifiers: str, wanted: Identifiers, found: tuple[str, str]) -> None:
    said = heard(f"PID|1||{identifiers}||Test^P", kind="ADT^A08", dialect=Dialect(wanted))
    assert (said.patient.patient_id, said.patient.issuer) == found


def test_the_patient_of_another_hospital_is_no_patient_of_ours() -> None:
    with pytest.raises(NotForUs, match=r"orders\.issuer"):
        heard("PID|1||1^^^B^MR||Test^P", kind="ADT^A08", dialect=Dialect(Identifiers(issuer="A")))


@pytest.mark.parametrize(
    ("xpn", "pn"),
    [
        ("Test^Patient^Q^Jr^Dr^MD", "Test^Patient^Q^Dr^Jr"),
        ("Van Berg&van&Berg^Ida", "Van Berg^Ida"),
        ("Yamada^Tarou^^^^^L^A~山田^太郎^^^^^L^I~やまだ^たろう^^^^^L^P", "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        ("山田^太郎^^^^^L^I", "=山田^太郎"),
        ("Maiden^M^^^^^M~Legal^L^^^^^L", "Legal^L"),
        ("Nick^N^^^^^N~Said^S", "Said^S"),
        ("a\\S\\b=c\\E\\d^e", "a b c d^e"),
        ('""', ""),
    ],
)
def test_names_become_names_as_the_images_write_them(xpn: str, pn: str) -> None:
    assert heard(f"PID|1||1||{xpn}", kind="ADT^A31", character_set="UNICODE UTF-8").patient.name == pn


@pytest.mark.parametrize("event", ["A40", "A18", "A34", "A36", "A47"])
def test_a_merge_names_who_stays_and_who_goes(event: str) -> None:
    said = heard("EVN||20260103", PID, "MRG|OLD^^^HOSP^MR||||||Before^Name", kind=f"ADT^{event}")
    assert said == PatientsMerged(heard(PID, kind="ADT^A08").patient, Patient("OLD", "HOSP", "Before^Name"))


def test_each_pair_of_a_merge_stays_together() -> None:
    pairs = [f"PID|1||{n}^^^H^MR||T^{n}\rMRG|OLD{n}^^^H^MR" for n in (1, 2)]
    said = hear(read(message(header("ADT^A40"), *pairs)), Dialect()).said
    found = [(s.stays.patient_id, s.gone.patient_id) for s in said if isinstance(s, PatientsMerged)]
    assert found == [("1", "OLD1"), ("2", "OLD2")]


def test_an_update_without_event_in_msh_is_told_by_evn() -> None:
    assert isinstance(heard("EVN|A08|20260103", PID, kind="ADT"), PatientSaid)


@pytest.mark.parametrize(
    ("status", "final"), [("F", True), ("C", True), ("P", False), ("R", False), ("", False), ("X", False)]
)
def test_only_a_finished_report_is_final(status: str, final: bool) -> None:
    obr = segment("OBR", f2="P", f3="F", f18="ACC1", f24="RAD", f25=status)
    said = heard(PID, obr, "OBX|1|ST|113014^DICOM Study^DCM||1.2.3||||||O", kind="ORU^R01")
    assert isinstance(said, ReportSaid)
    assert (said.is_final, said.status, said.study_instance_uid, said.order.accession_number) == (
        final,
        status,
        "1.2.3",
        "ACC1",
    )


@pytest.mark.parametrize(
    ("orc", "status", "rows", "taken_back"),
    [
        ("RE", "W", ("F",), True),
        ("RE", "D", (), True),
        ("RE", "X", (), True),
        ("RE", "F", ("W",), True),
        ("RE", "C", ("D", "W"), True),
        ("RE", "", ("W",), True),
        ("RE", "C", ("W", "C"), False),
        ("RE", "F", ("F", "W"), False),
        ("RE", "F", ("", "W"), False),
        ("RE", "P", ("P",), False),
        ("RE", "R", (), False),
        ("RE||||CA", "", ("F",), True),
        ("CA", "I", (), True),
        ("RE||||CA", "F", ("F",), False),
        ("RE||||CM", "", (), False),
    ],
)
def test_a_report_that_the_ris_takes_back_is_understood_as_that(
    orc: str, status: str, rows: tuple[str, ...], taken_back: bool
) -> None:
    """Tables 0123, 0085, 0119 and 0038. Correcting some rows of a report takes none back."""
    segments = [f"OBX|{n}|TX|18748-4^Report^LN||words||||||{s}" for n, s in enumerate(rows, 1)]
    identifier = "OBX|9|ST|113014^DICOM Study^DCM||1.2.3||||||O"
    obr = segment("OBR", f2="P", f3="F", f18="ACC1", f24="RAD", f25=status)
    said = heard(PID, f"ORC|{orc}", obr, *segments, identifier, kind="ORU^R01")
    assert isinstance(said, ReportSaid)
    assert said.is_taken_back is taken_back
    assert not (said.is_taken_back and said.is_final)
    assert Heard.from_json(Heard((said,)).to_json()).said == (said,)


def test_the_reports_of_several_patients_stay_theirs() -> None:
    each = [f"PID|1||{n}\r{segment('OBR', f3=f'F{n}', f25='F')}\rOBX|1|ST|113014^x^DCM||1.2.{n}" for n in (1, 2)]
    said = hear(read(message(header("ORU^R01"), *each)), Dialect()).said
    found = [
        (s.patient.patient_id, s.order.filler_order_number, s.study_instance_uid)
        for s in said
        if isinstance(s, ReportSaid)
    ]
    assert found == [("1", "F1", "1.2.1"), ("2", "F2", "1.2.2")]


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_a_report_of_our_patient_counts_beside_that_of_somebody_elses(order: tuple[int, int]) -> None:
    """Else a pre-read would arrive after the radiologist's report."""
    parts = {
        n: f"PID|1||{n}^^^{'OURS' if n == 1 else 'THEIRS'}^MR\r{segment('OBR', f3=f'F{n}', f25='F')}" for n in (1, 2)
    }
    ours = Dialect(Identifiers(issuer="OURS"))
    said = hear(read(message(header("ORU^R01"), *(parts[n] for n in order))), ours).said
    assert [s.patient.patient_id for s in said if isinstance(s, ReportSaid)] == ["1"]
    with pytest.raises(NotForUs, match=r"orders\.issuer"):
        hear(read(message(header("ORU^R01"), parts[2])), ours)


def test_the_echo_of_our_own_result_is_not_the_radiologists_report() -> None:
    obr = segment("OBR", f3="F", f18="ACC1", f25="F")
    ours = Dialect(own_applications=frozenset({"CXRPREREAD"}))
    with pytest.raises(NotForUs, match="this program itself"):
        heard(PID, obr, kind="ORU^R01", dialect=ours, f3="CXRPREREAD")
    assert heard(PID, obr, kind="ORU^R01", dialect=ours).is_final


@pytest.mark.parametrize(
    "content",
    [
        message(header("ADT^A01"), PID),
        message(header("ORU^R03"), PID),
        message(header("SIU^S12"), PID),
        message(header("ADT^Z01"), PID),
        message(header("ZRM^O01"), PID),
        message(header("ORU^R01"), PID, segment("OBR", f3="F", f24="LAB", f25="F")),
        message(header(), PID, ORC, segment("OBR", f2="P", f24="CH")),
        message(header(), PID, ORC, "RXO|1"),
        message(header(), PID, "ORC|SS|P|F", OBR),
        message(header("ADT^A40"), PID, "MRG|P1^^^HOSP^MR"),
    ],
)
def test_what_is_broadcast_is_accepted_and_nothing_follows(ear: Ear, content: bytes) -> None:
    assert rows(ear.say(content))["MSA"][1] == "AA"
    (kept,) = ear.kept()
    assert (kept.state, kept.said, kept.content) == ("ignored", [], b"")
    assert kept.words
    assert ear.jobs() == []


def test_a_message_is_kept_whole_and_put_before_the_orders_stage(ear: Ear) -> None:
    assert rows(ear.say(order()))["MSA"][1:3] == ["AA", "C1"]
    (kept,) = ear.kept()
    assert (kept.content, kept.state, kept.type, kept.sender) == (order(), "waiting", "ORM^O01", "RIS|HOSP")
    assert isinstance(Heard.from_json(kept.said).said[0], OrderSaid)
    assert ear.jobs() == [("orders", str(kept.id))]


def test_a_message_that_comes_again_is_acknowledged_and_acted_on_once(ear: Ear) -> None:
    for content in (order(), order(), order(f7="20260103101501"), order("C2")):
        assert rows(ear.say(content))["MSA"][1] == "AA"
    assert [k.control_id for k in ear.kept()] == ["C1", "C1", "C2"], "other bytes are another message"
    assert len(ear.jobs()) == 3


FAULTS = {
    "no MSH": (b"PID|1||P1", "AE", "100", "MSH^1"),
    "a batch": (b"FHS|^~\\&|RIS\rBHS|^~\\&|RIS\r" + order(), "AE", "100", "MSH^1"),
    "no PID": (message(header(), ORC, OBR), "AE", "100", "PID^1"),
    "no ORC": (message(header(), PID, OBR), "AE", "100", "ORC^1"),
    "no MRG": (message(header("ADT^A40"), PID), "AE", "100", "MRG^1"),
    "two patients' orders": (message(header(), PID, ORC, OBR, "PID|1||P2", ORC, OBR), "AE", "100", "PID^2"),
    "two patients to update": (message(header("ADT^A08"), PID, "PID|1||P2"), "AE", "100", "PID^2"),
    "two messages in a frame": (order() + order("C2").replace(b"P1", b"P2"), "AE", "100", "MSH^2"),
    "endless": (message(header(), PID, ORC, *["OBR|1|P"] * 1001), "AE", "100", "MSH^1"),
    "no separators": (b"MSH|\rPID|1", "AE", "101", "MSH^1^2"),
    "no message type": (order(f9=""), "AE", "101", "MSH^1^9"),
    "no control id": (order(f10=""), "AE", "101", "MSH^1^10"),
    "no processing id": (order(f11=""), "AE", "101", "MSH^1^11"),
    "no patient identifier": (message(header(), "PID|1||||Test^P", ORC, OBR), "AE", "101", "PID^1^3"),
    "no identifier of the type": (message(header(), "PID|1||1^^^A^SS||T", ORC, OBR), "AE", "101", "PID^1^3"),
    "no order control": (message(header(), PID, "ORC||P|F", OBR), "AE", "101", "ORC^1^1"),
    "no order number": (message(header(), PID, "ORC|NW", "OBR|1"), "AE", "101", "ORC^1^2"),
    "nobody goes": (message(header("ADT^A40"), PID, "MRG|^^^A^MR"), "AE", "101", "MRG^1^1"),
    "birth date": (message(header(), "PID|1||1||T^P||Tuesday", ORC, OBR), "AE", "102", "PID^1^7"),
    "study UID": (message(header(), PID, ORC, OBR, "ZDS|1.2.x"), "AE", "102", "ZDS^1^1"),
    "two patients": (message(header(), "PID|1||1^^^A^MR~2^^^B^MR||T", ORC, OBR), "AE", "102", "PID^1^3"),
    "long control id": (order("C" * 200), "AE", "102", "MSH^1^10"),
    "bytes of another set": (message(header(), PID, "NTE|1||") + b"\xe9\xff\r", "AE", "102", "MSH^1^18"),
    "bytes that are no UTF-8": (order(character_set="UNICODE UTF-8") + b"NTE|1||\xe9\r", "AE", "102", "MSH^1^18"),
    "order control": (message(header(), PID, "ORC|QQ|P|F", OBR), "AE", "103", "ORC^1^1"),
    "second order": (message(header(), PID, ORC, OBR, "ORC|QQ|P|F", OBR), "AE", "103", "ORC^2^1"),
    "character set": (order(character_set="EBCDIC"), "AE", "103", "MSH^1^18"),
    "UTF-16": (order(character_set="UNICODE UTF-16").decode().encode("utf-16"), "AE", "103", "MSH^1^18"),
    "UTF-16 by name": (order(character_set="UNICODE UTF-16"), "AE", "103", "MSH^1^18"),
    "a query": (message(header("QBP^Q11"), "QPD|1"), "AR", "200", "MSH^1^9"),
    "event": (message(header("ADT^B99"), PID), "AR", "201", "MSH^1^9"),
    "training": (order(f11="T"), "AR", "202", "MSH^1^11"),
    "version": (order(f12="3.0"), "AR", "203", "MSH^1^12"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_sender_is_told_what_is_wrong_and_where(ear: Ear, fault: str) -> None:
    content, verdict, condition, place = FAULTS[fault]
    answer = rows(ear.say(content))
    assert answer["MSA"][1] == verdict
    assert answer["ERR"][2] == place
    assert answer["ERR"][3].split("^")[::2] == [condition, "HL70357"]
    assert answer["ERR"][4] == "E"
    named = "-".join(place.split("^")[::2])  # segment and field
    assert named in answer["ERR"][8], "whoever reads it knows which field to look at"
    if b"MSH|^~" in content[:8] and "control id" not in fault:
        assert answer["MSA"][2] == "C1"
    assert ear.kept() == []
    (refusal,) = ear.refusals()
    assert refusal["status"] == f"{verdict} {condition}"
    assert named in refusal["comment"]
    assert (ear.root / refusal["path"]).read_bytes() == content, "nothing is lost"


def test_a_busy_ledger_is_a_reason_to_send_again(ear: Ear) -> None:
    (ear.root / "preread.db").rename(ear.root / "elsewhere.db")
    answer = rows(ear.say(order()))
    assert (answer["MSA"][1], answer["ERR"][3][:3]) == ("AE", "206")


def test_an_error_of_our_own_is_a_reason_to_send_again(ear: Ear) -> None:
    book = RefusalBook(ear.ledger, SystemClock(), None)
    broken = Hearing(None, ear.files, SystemClock(), Dialect(), book)  # type: ignore[arg-type]
    (answer,) = broken.take(order(), "192.0.2.1")
    assert (rows(answer)["MSA"][1:3], rows(answer)["ERR"][3][:3]) == (["AE", "C1"], "207")


def test_a_sender_that_repeats_a_bad_message_does_not_fill_the_ledger(ear: Ear) -> None:
    for _ in range(50):
        ear.say(FAULTS["study UID"][0])
        ear.say(b"not HL7")
    assert len(ear.refusals()) == 2
    assert len(list((ear.root / "quarantine").iterdir())) == 2


def test_refusals_and_answers_name_no_patient(ear: Ear) -> None:
    for content, *_ in FAULTS.values():
        answer = ear.say(content.replace(b"Test^", b"SECRETNAME^"))
        assert b"SECRETNAME" not in answer
    assert "SECRETNAME" not in str(ear.refusals())


@pytest.mark.parametrize("body", [b"", b"NTE|1||\xe9\xff\r"])
def test_what_a_sender_writes_into_the_character_set_is_not_repeated(ear: Ear, body: bytes) -> None:
    answer = ear.say(order(character_set="SECRETNAME") + body)
    assert b"SECRETNAME" not in answer
    assert "SECRETNAME" not in str(ear.refusals())
    (refusal,) = ear.refusals()
    told = rows(answer)["ERR"][8]
    for words in (told, refusal["comment"]):
        assert words.endswith("BIG-5"), "all of the sets that are known, and nothing is cut off"
    for name in CHARACTER_SETS:
        assert name in told or name.startswith("8859/"), name


@pytest.mark.parametrize(
    ("asks", "good", "bad"),
    [
        (("", ""), ["AA"], ["AE"]), (("AL", "NE"), ["CA"], ["CE"]), (("AL", "AL"), ["CA", "AA"], ["CE"]), (("NE", "AL"), ["AA"], ["AE"]),
        (("", "AL"), ["AA"], ["AE"]), (("ER", "ER"), [], ["CE"]), (("SU", "NE"), ["CA"], []), (("NE", "NE"), [], []),
        (("NE", "ER"), [], ["AE"]), (("AL", ""), ["CA"], ["CE"]),
    ],
)  # fmt: skip
def test_a_sender_in_enhanced_mode_gets_what_it_asked_for(
    ear: Ear, asks: tuple[str, str], good: list[str], bad: list[str]
) -> None:
    def codes(content: bytes) -> list[str]:
        return [rows(a)["MSA"][1] for a in ear.hearing.take(content, "192.0.2.1")]

    asked = {"f15": asks[0], "f16": asks[1]}
    assert codes(order(**asked)) == good
    assert codes(message(header(**asked), PID, "ORC|QQ", OBR)) == bad
    assert len(ear.kept()) == 1, "it is kept whatever was asked"


def test_a_kind_that_is_not_taken_is_rejected_in_enhanced_mode_too(ear: Ear) -> None:
    (answer,) = ear.hearing.take(message(header("QBP^Q11", f15="AL", f16="AL")), "192.0.2.1")
    assert rows(answer)["MSA"][1] == "CR"


def test_an_acknowledgement_is_not_acknowledged(ear: Ear) -> None:
    assert ear.hearing.take(message(header("ACK"), "MSA|AA|1"), "192.0.2.1") == ()
    assert ear.kept() == []


def test_an_answer_is_written_as_the_message_was(ear: Ear) -> None:
    content = message(
        "MSH#*+%$#Röntgen#HOSP#PREREAD#RAD#20260103##ORM*O01#ä1#P#2.3######8859/1",
        "PID#1##P1***HOSP*MR##Müller*Jörg", "ORC#QQ#P#F", "OBR#1", codec="latin-1",
    )  # fmt: skip
    lines = ear.say(content).decode("latin-1").split("\r")
    msh = lines[0].split("#")
    assert msh[:6] == ["MSH", "*+%$", "PREREAD", "RAD", "Röntgen", "HOSP"]
    assert (msh[8], msh[10], msh[11], msh[17]) == ("ACK*O01", "P", "2.3", "8859/1")
    assert msh[9] not in ("", "ä1")
    assert lines[1].split("#")[:3] == ["MSA", "AE", "ä1"]
    assert lines[2].split("#")[1].startswith("ORC*1*1*103$Table value not found$HL70357"), (
        "before v2.5 ERR-1 says it all"
    )


def test_the_simple_acknowledgement_rejects_what_has_no_control_id() -> None:
    assert rows(acknowledge(order(), application="RIS", facility="F"))["MSA"][1:3] == ["AA", "C1"]
    assert rows(acknowledge(order(f10=""), application="RIS", facility="F"))["MSA"][1] == "AR"


def test_a_sender_without_character_set_is_read_by_what_the_site_says_and_never_by_guess(tmp_path: Path) -> None:
    content = message(header(), PID.replace("Test", "Müller"), ORC, OBR, codec="latin-1")
    silent = Ear(tmp_path / "a")
    assert rows(silent.say(content))["ERR"][3][:3] == "102"
    told = Ear(tmp_path / "b", Dialect(character_set="8859/1"))
    assert rows(told.say(content))["MSA"][1] == "AA"
    assert told.kept()[0].said[0]["patient"]["name"] == "Müller^Patient"
    utf_8 = message(header(control_id="U"), PID.replace("Test", "Müller"), ORC, OBR)
    assert rows(told.say(utf_8))["MSA"][1] == "AA"
    assert told.kept()[1].said[0]["patient"]["name"] == "Müller^Patient", "UTF-8 proves itself"


KANJI = "\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B^^^^^L^I"


@pytest.mark.parametrize(
    ("character_set", "name", "found"),
    [
        ("~ISO IR87", f"Yamada^Tarou^^^^^L^A~{KANJI}", "Yamada^Tarou=山田^太郎"),
        ("ASCII~ISO IR87", f"{KANJI}~Yamada^Tarou^^^^^L^A", "Yamada^Tarou=山田^太郎"),
        ("ISO IR87", KANJI, "=山田^太郎"),
        (
            "ISO IR14~ISO IR87",
            "\xd4\xcf\xc0\xde^\xc0\xdb\xb3^^^^^L^P~\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J^^^^^L^I",
            "=山田^太郎=ﾔﾏﾀﾞ^ﾀﾛｳ",
        ),
    ],
)
def test_japanese_names_come_with_the_escapes_of_iso_2022(character_set: str, name: str, found: str) -> None:
    content = message(header("ADT^A08", character_set=character_set), f"PID|1||1||{name}", codec="latin-1")
    (said,) = hear(read(content), Dialect()).said
    assert isinstance(said, PatientSaid)
    assert said.patient.name == found


def test_sets_are_switched_within_a_message() -> None:
    greek, korean = "Ωμέγα".encode("iso8859-7"), "김희중".encode("euc_kr")
    name = b"M\xfcller \x1b-F" + greek + b" \x1b$)C" + korean
    content = (
        message(header("ADT^A08", character_set="8859/1~8859/7~KS X 1001"))
        + b"PID|1||1||"
        + name
        + b"^J\xf6rg\rPV1|1\r"
    )
    with pytest.raises(Exception, match="character set"):
        read(content)  # o-umlaut of the first set while the Korean one is in use
    whole = message(header("ADT^A08", character_set="8859/1~8859/7~KS X 1001")) + b"PID|1||1||" + name + b"\rPD1|\xf6\r"
    (said,) = hear(read(whole), Dialect()).said
    assert isinstance(said, PatientSaid)
    assert said.patient.name == "Müller Ωμέγα 김희중", "and every segment begins in the first set"


SETS = [s for s in CHARACTER_SETS if s != "ISO IR159"]
# What a name or an indication is made of; a control character or a line separator is no part of either.
TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc", "Cn", "Zl", "Zp")), min_size=1, max_size=30)


@settings(max_examples=150, deadline=None)
@given(TEXT, TEXT, st.sampled_from(SETS))
def test_any_text_comes_through_unharmed_in_any_character_set(family: str, words: str, character_set: str) -> None:
    family, words = (fit(t, character_set)[0].strip(" ") for t in (family, words))
    assume(family and words and family != '""' and words != '""')
    name = "".join(" " if c in "^=\\" else c for c in family).strip(" ")
    content = message(
        header(character_set=f"~{character_set}" if character_set.startswith("ISO IR") else character_set),
        f"PID|1||1||{escape(family, formatted=False)}",
        ORC,
        segment("OBR", f2="P", f13=escape(words, formatted=False)),
        codec=CHARACTER_SETS[character_set],
    )
    (said,) = hear(read(content), Dialect()).said
    assert isinstance(said, OrderSaid)
    assert said.patient.name == name.rstrip("^ ")
    assert said.order.indication == words


@settings(max_examples=60, deadline=None)
@given(TEXT)
def test_text_in_hexadecimal_and_layout_is_read(words: str) -> None:
    words = words.strip(" ")
    assume(words and all(c.isprintable() for c in words) and not unicodedata.combining(words[0]))
    coded = f"\\H\\\\X{words.encode().hex().upper()}\\\\N\\\\.br\\\\.in+4\\end"
    content = message(header(character_set="UNICODE UTF-8"), PID, ORC, segment("OBR", f2="P", f13=coded))
    (said,) = hear(read(content), Dialect()).said
    assert isinstance(said, OrderSaid)
    assert said.order.indication == f"{words}\nend"


PIECES = st.one_of(
    st.binary(max_size=60),
    st.sampled_from(
        [
            order(),
            PID.encode(),
            ORC.encode(),
            OBR.encode(),
            b"\r",
            b"|",
            b"^~\\&",
            b"MSH|^~\\&|",
            b"\x1b$B",
            b"\xfe\xff",
            b'""',
        ]
    ),
    st.sampled_from([header(k).encode() + b"\r" for k in ("ADT^A08", "ADT^A40", "ORU^R01", "OMI^O23", "ORM")]),
)


@pytest.fixture(scope="module")
def long_ear(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ear]:
    """One for many messages."""
    made = Ear(tmp_path_factory.mktemp("ear"))
    yield made
    made.ledger.close()


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(PIECES, max_size=8).map(b"".join))
def test_whatever_comes_is_answered(long_ear: Ear, content: bytes) -> None:
    answers = long_ear.hearing.take(content, "192.0.2.1")
    asked = peek(content)
    if not asked.wants_commit and not asked.wants_application and asked.type not in ("ACK", "MCF"):
        (answer,) = answers
        assert b"MSA" in answer
        assert b"207" not in answer.split(b"ERR", 1)[-1] or b"207" in content, "no error of our own"
    assert all(b"\x0b" not in a and b"\x1c" not in a for a in answers) or b"\x0b" in content or b"\x1c" in content


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from([order(), message(header("ADT^A40"), PID, "MRG|OLD")]), st.integers(0, 400), st.binary(max_size=4)
)
def test_a_damaged_message_is_kept_or_refused_and_its_sender_knows_which(
    long_ear: Ear, content: bytes, place: int, damage: bytes
) -> None:
    damaged = content[:place] + damage + content[place + len(damage) :]
    for answer in long_ear.hearing.take(damaged, "192.0.2.1"):
        digest = hashlib.sha256(damaged).hexdigest()
        assert (b"AA" in answer) == (digest in {k.digest for k in long_ear.kept()})


def test_the_identifiers_of_a_dialect_are_its_own() -> None:
    assert replace(Dialect(), accession_in=("obr-3",)) != Dialect()
    assert heard(PID, ORC, OBR, dialect=Dialect(accession_in=("obr-3",))).order.accession_number == "FO1"
    assert heard(PID, ORC, segment("OBR", f2="P", f3="FO1")).order.accession_number == "FO1", "for want of another"


def test_a_message_that_was_refused_while_the_ledger_was_locked_is_among_the_refusals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The administrator would look for the reason, and find nothing."""
    monkeypatch.setattr("agent.store.engine.BUSY_TIMEOUT_S", 0.2)
    ear = Ear(tmp_path)
    other = sqlite3.connect(ear.root / "preread.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert rows(ear.say(b"not HL7"))["MSA"][1] == "AE"
    other.rollback()
    other.close()
    ear.refused.write()
    (refusal,) = ear.refusals()
    assert refusal["what"] == "hl7 message"


@pytest.mark.parametrize(
    "content",
    [
        message(header("ADT^A08"), segment("PID", f3="P1\\E\\X^^^^MR", f5="A^B")),
        message(header("ADT^A08"), segment("PID", f3="P" * 65 + "^^^^MR", f5="A^B")),
        message(header("ADT^A40"), PID, segment("MRG", f1="P1\\E\\X^^^^MR")),
        message(header(), PID, ORC, segment("OBR", f1="1", f2="PO1", f3="FO1", f18="AC\\E\\1")),
        message(header(), PID, ORC, segment("OBR", f1="1", f2="PO1", f3="FO1", f18="A" * 17)),
        message(header(), PID, ORC, segment("OBR", f1="1", f2="PO\\E\\1", f18="A1")),
    ],
    ids=["id with a backslash", "long id", "merged id", "accession with a backslash", "long accession", "placer"],
)
def test_a_number_that_no_image_can_carry_is_refused_and_never_stands_for_another(ear: Ear, content: bytes) -> None:
    """In DICOM a backslash parts two values: a report would be filed under the first of them, which is somebody else's."""
    answer = rows(ear.say(content))
    assert (answer["MSA"][1], answer["ERR"][3][:3]) == ("AE", "102")
    assert ear.kept() == []


def test_a_long_number_of_the_filler_is_no_accession_number_and_no_mistake(ear: Ear) -> None:
    long = "F" * 30
    answer = rows(ear.say(message(header(), PID, ORC, segment("OBR", f1="1", f2="PO1", f3=long))))
    assert answer["MSA"][1] == "AA"
