"""What stands under a wrong patient, or was withdrawn, goes on being shown by an archive that was never told to hide it; and what is
right must not be hidden with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread
from sqlalchemy import insert, select, update

from agent.clock import SystemClock
from agent.mending.hand import Hand
from agent.mending.holding import hold, release
from agent.orders.said import OrderChange
from agent.store import overview
from agent.store.schema import commitment, delivery, document
from dicom_nodes.contexts import COMPREHENSIVE_3D_SR, COMPREHENSIVE_SR
from tests.support.films import small_image
from tests.support.hearing import KeepingRis, Office, corrected, merged, ordered, reported, takes_back
from tests.unit.test_stale_results import delivered, objects_in, work

pytestmark = pytest.mark.requirement("REJECT-1")
Offices = Callable[..., Office]


@pytest.fixture(scope="module")
def ris() -> Iterator[KeepingRis]:
    with KeepingRis() as made:
        yield made


@pytest.fixture
def offices(tmp_path: Path, ris: KeepingRis) -> Iterator[Offices]:
    """An office with a folder for an archive; called again, the same with other switches."""
    made: list[Office] = []

    def office(*names: str, **switches: Any) -> Office:
        for before in made:
            before.close()
        ways = [{"name": n, "type": "folder", "path": tmp_path / n, **switches} for n in names or ("copies",)]
        made.append(Office(tmp_path / "office", ris, ways=ways))
        return made[-1]

    yield office
    made[-1].close()


def chest(**attributes: Any) -> Dataset:
    return small_image(**{"PatientID": "OLD", "AccessionNumber": "ACC1", "PatientBirthDate": "19500102", **attributes})


def named(note: Dataset) -> list[str]:
    """SOP Instance UIDs of what it rejects, as its tree has them; its evidence must say the same."""
    tree = [
        str(item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID)
        for item in note.ContentSequence
        if item.ValueType in ("COMPOSITE", "IMAGE")
    ]
    (evidence,) = note.CurrentRequestedProcedureEvidenceSequence
    assert evidence.StudyInstanceUID == note.StudyInstanceUID
    listed = [
        str(i.ReferencedSOPInstanceUID) for s in evidence.ReferencedSeriesSequence for i in s.ReferencedSOPSequence
    ]
    assert sorted(listed) == sorted(tree)
    return tree


def classes(note: Dataset) -> set[str]:
    return {
        str(item.ReferencedSOPSequence[0].ReferencedSOPClassUID)
        for item in note.ContentSequence
        if item.ValueType in ("COMPOSITE", "IMAGE")
    }


def uids(office: Office, uid: str, folder: Path, kind: str) -> list[str]:
    return [str(d.SOPInstanceUID) for d in objects_in(office, uid, folder, kind)]


def withdraw(office: Office, uid: str, why: str) -> None:
    with office.ledger.begin() as tx:
        office.assembly.withdraw(tx, uid, why)
    office.work()


def test_what_stands_under_the_merged_number_is_rejected_there_and_what_is_right_is_not(
    offices: Offices, tmp_path: Path
) -> None:
    office, folder = offices(rejection_note=True, summary_image=True, plain_sr=True), tmp_path / "copies"
    uid = office.arrive(chest(IssuerOfPatientID="HOSP"))
    work(office, uid)
    assert objects_in(office, uid, folder, "ko") == [], "nothing is wrong yet"
    office.hear(merged("OLD", "NEW", issuer="HOSP"))
    work(office, uid)
    (note,) = objects_in(office, uid, folder, "ko")
    assert (note.PatientID, note.IssuerOfPatientID, note.StudyInstanceUID) == ("OLD", "HOSP", uid)
    assert note.ConceptNameCodeSequence[0].CodeValue == "113037"
    assert (note.Modality, str(note.SeriesDescription)) == ("KO", "AI pre-read (unverified)")
    first = [uids(office, uid, folder, kind)[0] for kind in ("sr", "sc", "plain-sr")]
    assert sorted(named(note)) == sorted(first)
    assert objects_in(office, uid, folder, "sr")[-1].PatientID == "NEW"
    order = [kind for kind, _ in delivered(office, uid)]
    assert order.index("ko") < len(order) - 1 - order[::-1].index("sr"), "before what is right"


def test_a_withdrawn_result_is_rejected_with_the_persons_reason(offices: Offices, tmp_path: Path) -> None:
    office, folder = offices(rejection_note=True), tmp_path / "copies"
    uid = office.arrive(chest())
    work(office, uid)
    withdraw(office, uid, "of another hospital's film")
    (note,) = objects_in(office, uid, folder, "ko")
    first, void = uids(office, uid, folder, "sr")
    assert named(note) == [first]
    assert void not in named(note), "it says that there is nothing to be read any more"
    said = [i.TextValue for i in note.ContentSequence if i.ConceptNameCodeSequence[0].CodeValue == "113012"]
    assert len(said) == 1
    assert "of another hospital's film" in said[0]


def test_nothing_is_named_twice_and_what_was_wrong_later_is(offices: Offices, tmp_path: Path) -> None:
    office, folder = offices(rejection_note=True), tmp_path / "copies"
    uid = office.arrive(chest())
    work(office, uid)
    office.hear(merged("OLD", "NEW"))
    work(office, uid)
    withdraw(office, uid, "wrong side")
    with office.ledger.begin() as tx:
        assert office.assembly.read_again(tx, uid)
    work(office, uid)
    withdraw(office, uid, "wrong side again")
    old, new, void, again, _ = uids(office, uid, folder, "sr")
    notes = objects_in(office, uid, folder, "ko")
    assert [(n.PatientID, named(n)) for n in notes] == [("OLD", [old]), ("NEW", [new]), ("NEW", [void, again])]


def test_who_switched_it_on_after_the_fact_is_told_of_everything_that_is_still_wrong(
    offices: Offices, tmp_path: Path
) -> None:
    office, folder = offices(), tmp_path / "copies"
    uid = office.arrive(chest())
    work(office, uid)
    office.hear(merged("OLD", "NEW"))
    work(office, uid)
    office.hear(merged("NEW", "NEWER"))
    work(office, uid)
    assert objects_in(office, uid, folder, "ko") == []
    office = offices(rejection_note=True)
    with office.ledger.begin() as tx:
        assert office.assembly.read_again(tx, uid)
    work(office, uid)
    old, new, newer, newest = uids(office, uid, folder, "sr")
    notes = objects_in(office, uid, folder, "ko")
    assert {(n.PatientID, *named(n)) for n in notes} == {("OLD", old), ("NEW", new)}
    assert len({n.SOPInstanceUID for n in notes}) == 2
    assert not {newer, newest} & {u for n in notes for u in named(n)}


def test_another_reading_and_another_spelling_reject_nothing(offices: Offices, tmp_path: Path) -> None:
    """They replace it, and who wants to see what stood there before may."""
    office = offices(rejection_note=True)
    uid = office.arrive(chest())
    work(office, uid)
    with office.ledger.begin() as tx:
        assert office.assembly.read_again(tx, uid)
    work(office, uid)
    office.hear(corrected("OLD", "Married^Small", "19500102"))
    work(office, uid)
    assert len(objects_in(office, uid, tmp_path / "copies", "sr")) == 3
    assert objects_in(office, uid, tmp_path / "copies", "ko") == []


def test_two_archives_get_one_note_and_who_has_less_another(offices: Offices, tmp_path: Path) -> None:
    office = offices("one", "two", rejection_note=True)
    uid = office.arrive(chest())
    work(office, uid)
    office.hear(merged("OLD", "NEW"))
    work(office, uid)
    (one,), (two,) = (objects_in_of(office, uid, tmp_path / n, n) for n in ("one", "two"))
    assert one == two
    with office.ledger.begin() as tx:  # and of the next only one of them has anything
        newest = select(document.c.id).where(document.c.kind == "sr").order_by(document.c.id.desc()).limit(1)
        tx.execute(
            update(delivery)
            .where(delivery.c.document_id == newest.scalar_subquery(), delivery.c.destination == "two")
            .values(state="superseded", attempts=0)
        )
    withdraw(office, uid, "wrong side")
    assert len(objects_in_of(office, uid, tmp_path / "one", "one")) == 2
    assert len(objects_in_of(office, uid, tmp_path / "two", "two")) == 1


def objects_in_of(office: Office, uid: str, folder: Path, destination: str) -> list[Dataset]:
    return [dcmread(folder / f"{i}.dcm") for kind, i in delivered(office, uid, destination) if kind == "ko"]


@pytest.mark.parametrize("known_by", ["words", "commitment"])
def test_a_report_that_was_stored_as_the_simpler_form_is_rejected_as_that(
    offices: Offices, tmp_path: Path, known_by: str
) -> None:
    """An archive looks for the pair: another SOP class is another object to it, and the report stays."""
    office, folder = offices(rejection_note=True), tmp_path / "copies"
    uid = office.arrive(chest())
    work(office, uid)
    with office.ledger.begin() as tx:
        ours = (
            select(delivery.c.id).join(document, document.c.id == delivery.c.document_id).where(document.c.kind == "sr")
        )
        row = tx.execute(ours).scalar_one()
        if known_by == "words":
            tx.execute(update(delivery).where(delivery.c.id == row).values(words="0000 as Comprehensive SR"))
        else:
            values = {"sop_class_uid": COMPREHENSIVE_SR, "sop_instance_uid": "2.25.1", "sent_at": SystemClock().now()}
            tx.execute(insert(commitment).values(delivery_id=row, **values))
    withdraw(office, uid, "wrong side")
    (note,) = objects_in(office, uid, folder, "ko")
    assert classes(note) == {COMPREHENSIVE_SR}
    other = office.arrive(chest(PatientID="P2", AccessionNumber="ACC2"))
    work(office, other)
    withdraw(office, other, "wrong side")
    assert classes(objects_in(office, other, folder, "ko")[0]) == {COMPREHENSIVE_3D_SR}


def test_it_goes_out_after_the_final_report_and_though_the_order_was_cancelled(
    offices: Offices, tmp_path: Path
) -> None:
    office, folder = offices(rejection_note=True), tmp_path / "copies"
    uid, other = office.arrive(chest()), office.arrive(chest(PatientID="P2", AccessionNumber="ACC2"))
    work(office, uid)
    work(office, other)
    office.hear(reported("ACC1", "OLD"))
    office.hear(merged("OLD", "NEW"))
    work(office, uid)
    assert len(objects_in(office, uid, folder, "ko")) == 1
    office.hear(ordered("ACC2", "P2"))
    office.hear(ordered("ACC2", "P2", change=OrderChange.CANCELLED))
    work(office, other)
    office.hear(merged("P2", "P3"))
    work(office, other)
    assert len(objects_in(office, other, folder, "ko")) == 1


def test_what_is_held_back_is_released_with_the_reports_of_an_order_that_was_cancelled(
    offices: Offices, tmp_path: Path
) -> None:
    office, folder = offices(rejection_note=True), tmp_path / "copies"
    uid = office.arrive(chest())
    office.hear(ordered("ACC1", "OLD"))
    work(office, uid)
    office.hear(ordered("ACC1", "OLD", change=OrderChange.CANCELLED))
    work(office, uid)
    person = Hand.of(office.settings, office.ledger, office.files, SystemClock())
    hold(person, uid, "somebody looks")
    office.hear(merged("OLD", "NEW"))
    work(office, uid)
    assert objects_in(office, uid, folder, "ko") == []
    release(person, uid, "it is right")
    office.work()
    assert len(objects_in(office, uid, folder, "ko")) == 1


def test_what_takes_back_does_not_stay_held_when_the_result_is_withdrawn(offices: Offices, tmp_path: Path) -> None:
    """Made again it is the same document, which is sent but once: held for ever, and what is wrong would stand for ever."""
    office, folder = offices(rejection_note=True), tmp_path / "copies"
    uid = office.arrive(chest())
    work(office, uid)
    person = Hand.of(office.settings, office.ledger, office.files, SystemClock())
    hold(person, uid, "somebody looks")
    office.hear(merged("OLD", "NEW"))
    work(office, uid)
    withdraw(office, uid, "wrong side")
    assert [takes_back(m) for m in office.ris.messages[-2:]] == [False, True]
    (note,) = objects_in(office, uid, folder, "ko")
    assert named(note) == uids(office, uid, folder, "sr")[:1]
    with office.ledger.read() as view:
        assert "held" not in {d["state"] for d in overview.deliveries(view, uid)}


def test_who_was_told_to_hide_what_proved_right_gets_it_anew(offices: Offices, tmp_path: Path) -> None:
    """A merge that was a mistake and was undone while a note about it was held: the archive would have nothing to show."""
    office, folder = offices(rejection_note=True), tmp_path / "copies"
    uid = office.arrive(chest())
    work(office, uid)
    office.hear(reported("ACC1", "OLD"))
    work(office, uid)
    person = Hand.of(office.settings, office.ledger, office.files, SystemClock())
    hold(person, uid, "somebody looks")
    office.hear(merged("OLD", "NEW"))
    work(office, uid)
    office.hear(merged("NEW", "OLD"))
    work(office, uid)
    release(person, uid, "it is right")
    office.work()
    hidden = {u for note in objects_in(office, uid, folder, "ko") for u in named(note)}
    shown = [d for d in objects_in(office, uid, folder, "sr") if str(d.SOPInstanceUID) not in hidden]
    assert [d.PatientID for d in shown] == ["OLD"]


def test_a_note_that_could_not_be_made_is_made_up_for(offices: Offices, tmp_path: Path) -> None:
    office, folder = offices(rejection_note=True), tmp_path / "copies"
    uid = office.arrive(chest())
    work(office, uid)
    with office.ledger.read() as view:
        first = office.files.path(view.execute(select(document.c.path).where(document.c.kind == "sr")).scalar_one())
    away = first.rename(tmp_path / "away")
    office.hear(merged("OLD", "NEW"))
    work(office, uid)
    office.hear(merged("NEW", "NEWER"))
    work(office, uid)
    assert [n.PatientID for n in objects_in(office, uid, folder, "ko")] == ["NEW"]
    away.rename(first)
    office.hear(merged("NEWER", "NEWEST"))
    work(office, uid)
    assert {n.PatientID for n in objects_in(office, uid, folder, "ko")} == {"OLD", "NEW", "NEWER"}


def test_a_file_that_is_lost_costs_nobody_the_report_and_is_said(offices: Offices, tmp_path: Path) -> None:
    office = offices(rejection_note=True)
    uid = office.arrive(chest())
    work(office, uid)
    with office.ledger.read() as view:
        kept = view.execute(select(document.c.path).where(document.c.kind == "sr")).scalar_one()
    office.files.path(kept).unlink()
    office.hear(merged("OLD", "NEW"))
    work(office, uid)
    assert objects_in(office, uid, tmp_path / "copies", "ko") == []
    assert [kind for kind, _ in delivered(office, uid)].count("sr") == 2
    assert office.study(uid).reason not in ("", "read")
    with office.ledger.read() as view:
        assert any(h["stage"] == "report" and kept.split("/")[-1] in h["words"] for h in overview.history(view, uid))
