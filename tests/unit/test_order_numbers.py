"""Who gave an order its number goes with the number: two departments, or two hospitals, give the same ones."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import hl7
import pytest
from pydicom import dcmread

from agent.hl7.hear import Dialect, hear
from agent.hl7.message import read
from agent.orders.said import Heard, OrderSaid
from agent.store import overview
from structured_report.content import Assigner, Order, PreRead
from structured_report.oru import encode_oru
from structured_report.oru_form import OruForm
from structured_report.plain import order_from_json, study_from_json, study_to_json
from structured_report.read_sr import read_sr
from structured_report.sr import encode_sr, file_bytes
from tests.support.hearing import KeepingRis, Office, hand, takes_back
from tests.support.reports import images, preread
from tests.support.validators import complaints

WARD = Assigner("WARD", "1.2.3.4", "ISO")
RIS = Assigner("RIS")


@pytest.fixture(scope="module")
def ris() -> Iterator[KeepingRis]:
    with KeepingRis() as made:
        yield made


@pytest.fixture
def office(tmp_path: Path, ris: KeepingRis) -> Iterator[Office]:
    ris.messages.clear()
    made = Office(tmp_path / "office", ris)
    yield made
    made.close()


def said(orc: str, obr: str) -> OrderSaid:
    """What an order message with those ORC-2 and 3, and OBR-2 and 3, says."""
    segments = (
        "MSH|^~\\&|RIS|HOSPITAL|PREREAD|RADIOLOGY|20260103||ORM^O01|M1|P|2.5.1",
        "PID|1||P1^^^^MR||Test^Small||19500102",
        f"ORC|NW|{orc}",
        f"OBR|1|{obr}" + "|" * 15 + "ACC1",
    )
    (found,) = hear(read("\r".join(segments).encode()), Dialect()).said
    assert isinstance(found, OrderSaid)
    assert Heard.from_json(Heard((found,)).to_json()).said == (found,), "as it is kept"
    return found


def about(order: Order) -> PreRead:
    made = preread(images())
    return replace(made, study=replace(made.study, order=order))


def numbers(message: bytes) -> list[str]:
    """ORC-2, ORC-3, OBR-2 and OBR-3."""
    parsed = hl7.parse(message.decode())
    return [str(parsed.segment(name)[n]) for name in ("ORC", "OBR") for n in (2, 3)]


def oru(order: Order, **form: str) -> bytes:
    parties = dict.fromkeys(
        ("sending_application", "sending_facility", "receiving_application", "receiving_facility"), "X"
    )
    return encode_oru(about(order), **parties, form=OruForm(**form))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("orc", "obr", "placer", "filler"),
    [
        ("PL1^WARD^1.2.3.4^ISO|FI1^RIS", "|", WARD, RIS),
        ("|", "PL1^WARD^1.2.3.4^ISO|FI1^RIS", WARD, RIS),
        ("PL1^OTHER|FI1", "PL1^WARD^1.2.3.4^ISO|FI1^RIS", WARD, RIS),
        ("PL1^OTHER|FI1", "PL1|FI1^RIS", None, RIS),
        ("PL1^^1.2.3.4^ISO|FI1", "|", Assigner("", "1.2.3.4", "ISO"), None),
        ("PL1^WARD^1.2.3.4|FI1^^^ISO", "|", Assigner("WARD"), None),
        ('PL1^""|FI1', "|", None, None),
        ("^WARD|FI1^R\\T\\I", "PL1", None, Assigner("R&I")),
    ],
)
def test_a_number_is_heard_with_who_gave_it(
    orc: str, obr: str, placer: Assigner | None, filler: Assigner | None
) -> None:
    """From the field that the number is from, and from no other."""
    order = said(orc, obr).order
    assert (order.placer_order_number, order.placer_assigner) == ("PL1", placer)
    assert (order.filler_order_number, order.filler_assigner) == ("FI1", filler)


def test_the_result_goes_back_under_the_numbers_as_the_ris_gave_them(office: Office) -> None:
    office.hear(said("PL1^WARD^1.2.3.4^ISO|FI1^RIS", "PL1^WARD^1.2.3.4^ISO|FI1^RIS"))
    uid = office.arrive(hand(accession="ACC1"))
    office.work()
    (message,) = office.ris.messages
    assert numbers(message) == ["PL1^WARD^1.2.3.4^ISO", "FI1^RIS"] * 2
    with office.ledger.read() as view:
        (path,) = (d["path"] for d in overview.documents(view, uid) if d["kind"] == "sr")
    (request,) = dcmread(office.files.path(path)).ReferencedRequestSequence
    (placer,), (filler,) = request.OrderPlacerIdentifierSequence, request.OrderFillerIdentifierSequence
    assert (placer.LocalNamespaceEntityID, placer.UniversalEntityID, placer.UniversalEntityIDType) == (
        "WARD", "1.2.3.4", "ISO",
    )  # fmt: skip
    assert filler.LocalNamespaceEntityID == "RIS"
    assert "UniversalEntityID" not in filler


def test_a_number_of_the_images_gets_nobody_who_gave_another(office: Office) -> None:
    office.hear(said("PL1^WARD|FI1^RIS", "PL1^WARD|FI1^RIS"))
    office.arrive(hand(accession="ACC1", PlacerOrderNumberImagingServiceRequest="IMAGED"))
    office.work()
    assert numbers(office.ris.messages[-1]) == ["IMAGED", "FI1^RIS"] * 2


def test_who_gave_a_number_is_no_reason_to_take_a_result_back(office: Office) -> None:
    """It is filed by the number; a RIS that begins to say who gave it does not get everything twice."""
    office.hear(said("PL1|FI1", "PL1|FI1"))
    uid = office.arrive(hand(accession="ACC1"))
    office.work()
    office.hear(said("PL1^WARD|FI1^RIS", "PL1^WARD|FI1^RIS"))
    office.work()
    assert len(office.ris.messages) == 1
    for _ in range(2):
        office.arrive(hand(accession="ACC1", study=uid))
        office.work()
    assert [takes_back(m) for m in office.ris.messages] == [False] * 3, "nothing was wrong with the earlier ones"
    assert numbers(office.ris.messages[-1]) == ["PL1^WARD", "FI1^RIS"] * 2


def test_an_order_that_is_said_again_with_another_number_keeps_nobody_who_gave_the_first() -> None:
    known = Order("ACC1", "PL1", "FI1", placer_assigner=WARD, filler_assigner=RIS)
    found = Order("ACC1", "PL2", "").filled_from(known)
    assert (found.placer_order_number, found.placer_assigner) == ("PL2", None)
    assert (found.filler_order_number, found.filler_assigner) == ("FI1", RIS)
    assert Order("ACC1", "PL1").filled_from(known).placer_assigner == WARD


def test_a_ledger_that_knows_of_nobody_who_gave_a_number_is_read_on() -> None:
    study = about(Order("ACC1", "PL1", "FI1", placer_assigner=WARD)).study
    kept = study_to_json(study)
    assert study_from_json(kept) == study
    older = {k: v for k, v in kept["order"].items() if not k.endswith("_assigner")}
    assert order_from_json(older) == replace(study.order, placer_assigner=None)


def test_what_stands_between_the_parts_of_a_number_is_not_taken_from_its_parts() -> None:
    order = Order("ACC1", "P^1", "FI1", placer_assigner=Assigner("W&^|RD", "urn:x", "URI"))
    placer = numbers(oru(order))[0]
    assert placer == "P\\S\\1^W\\T\\\\S\\\\F\\RD^urn:x^URI"


def test_a_character_set_that_cannot_write_who_gave_a_number_still_sends_the_number() -> None:
    order = Order("ACC1", "PL1", "FI1", placer_assigner=Assigner("Стационар"))
    assert numbers(oru(order, character_set="ASCII"))[0] == "PL1"


def test_without_a_filler_order_number_the_accession_number_has_nobody_who_gave_it() -> None:
    assert numbers(oru(Order("ACC1", "PL1", filler_assigner=RIS)))[1] == "ACC1"


@pytest.mark.peers
def test_the_validators_find_nothing_in_a_report_that_says_who_gave_its_numbers(tmp_path: Path) -> None:
    made = about(Order("ACC1", "PL1", "FI1", placer_assigner=WARD, filler_assigner=RIS))
    path = tmp_path / "report.dcm"
    path.write_bytes(file_bytes(encode_sr(made, images())))
    assert complaints([path]) == {path: []}
    assert read_sr(dcmread(path)).study.order == made.study.order


def test_what_dicom_cannot_say_of_who_gave_a_number_is_left_out_of_the_report() -> None:
    """HL7 has types of universal ids that DICOM has not (PS3.3 table 10-17)."""
    order = Order(
        "ACC1", "PL1", "FI1", placer_assigner=Assigner("", "1", "HCD"), filler_assigner=Assigner("R", "1", "HCD")
    )
    evidence = images()
    made = about(order)
    report = dcmread(io.BytesIO(file_bytes(encode_sr(made, evidence))))
    (request,) = report.ReferencedRequestSequence
    assert "OrderPlacerIdentifierSequence" not in request
    assert read_sr(report).study.order.filler_assigner == Assigner("R")
