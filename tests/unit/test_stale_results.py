"""What a destination has and what is wrong by now: it does not go on standing there because of a setting, a folder in between, or a
report that somebody has finished."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread
from sqlalchemy import update

from agent.audit.trail import Trail
from agent.clock import SystemClock
from agent.keeping.forget import Forgetter
from agent.reading.build import Build
from agent.settings import Keeping
from agent.store import overview, priors, results, studies
from agent.store.priors import PriorImage
from agent.store.results import StoredReading
from agent.store.schema import reading
from agent.work.queue import enqueue
from structured_report.plain import provenance_to_json
from structured_report.read_sr import read_sr
from tests.support.films import small_image
from tests.support.hearing import (
    KeepingRis,
    Office,
    corrected,
    filed_under,
    merged,
    ordered,
    report_taken_back,
    reported,
    standing,
    takes_back,
)
from tests.support.site import Site

Offices = Callable[..., Office]


@pytest.fixture(scope="module")
def ris() -> Iterator[KeepingRis]:
    with KeepingRis() as made:
        yield made


@pytest.fixture
def offices(tmp_path: Path, ris: KeepingRis) -> Iterator[Offices]:
    """An office with a folder beside its RIS; called again, the same with other settings."""
    ris.messages.clear()
    made: list[Office] = []

    def office(report: dict[str, Any] | None = None, **switches: Any) -> Office:
        for before in made:
            before.close()
        ways = [{"name": "copies", "type": "folder", "path": tmp_path / "copies", **switches}]
        made.append(Office(tmp_path / "office", ris, ways=ways, report=report))
        return made[-1]

    yield office
    made[-1].close()


def chest(number: str = "OLD", **attributes: Any) -> Dataset:
    return small_image(**{"PatientID": number, "AccessionNumber": "ACC1", "PatientBirthDate": "19500102", **attributes})


def read(office: Office, uid: str, draft: str = "There is a pneumothorax.") -> None:
    """The newest revision is read, and reported as the read stage has it reported."""
    now, flag = SystemClock().now(), office.queue.claim("flag")
    with office.ledger.begin() as tx:
        if flag is not None:
            office.queue.complete(tx, flag)
        revision = studies.newest_revision(tx, uid)
        assert revision is not None
        made_by = provenance_to_json(Build.of(office.settings.report).without_model())
        row = StoredReading(revision.id, "read", "", "", made_by, draft, "", draft, [], [], 1.0, now)
        results.add_reading(tx, row)
        studies.set_state(tx, uid, "read")
        enqueue(tx, "report", str(revision.id), now=now)


def delivered(office: Office, uid: str, destination: str = "copies") -> list[tuple[str, str]]:
    """(kind, identifier) of what went there, in its order."""
    with office.ledger.read() as view:
        went = [d for d in overview.deliveries(view, uid) if d["destination"] == destination]
        return [(str(d["kind"]), str(d["identifier"])) for d in went if d["state"] == "delivered"]


def messages_in(office: Office, uid: str, folder: Path) -> list[bytes]:
    went = [i for kind, i in delivered(office, uid) if kind in ("oru", "retract")]
    return [(folder / f"{identifier}.hl7").read_bytes() for identifier in went]


def objects_in(office: Office, uid: str, folder: Path, kind: str) -> list[Dataset]:
    return [dcmread(folder / f"{identifier}.dcm") for one, identifier in delivered(office, uid) if one == kind]


def work(office: Office, uid: str) -> None:
    """Everything; what is assembled anew is read anew."""
    office.work()
    if office.study(uid).state == "assembled":
        read(office, uid)
        office.work()


def test_whoever_is_fed_from_a_folder_takes_back_what_stands_under_the_old_number(
    offices: Offices, tmp_path: Path
) -> None:
    office = offices()
    uid = office.arrive(chest())
    work(office, uid)
    office.hear(merged("OLD", "NEW"))
    work(office, uid)
    found = messages_in(office, uid, tmp_path / "copies")
    assert [(filed_under(m)[0], takes_back(m)) for m in found] == [("OLD", False), ("OLD", True), ("NEW", False)]
    assert standing(found) == {("NEW", "", "ACC1", "ACC1")}


def test_whoever_is_fed_from_a_folder_hears_of_a_withdrawal_in_the_form_that_takes_back(
    offices: Offices, tmp_path: Path
) -> None:
    office = offices()
    uid = office.arrive(chest())
    work(office, uid)
    with office.ledger.begin() as tx:
        office.assembly.withdraw(tx, uid, "wrong side")
    office.work()
    result, retraction = messages_in(office, uid, tmp_path / "copies")
    assert filed_under(retraction) == filed_under(result)
    assert takes_back(retraction)
    assert b"wrong side" in retraction
    assert b"pneumothorax" not in retraction


def test_a_folder_that_could_not_be_written_is_told_to_take_nothing_back(offices: Offices, tmp_path: Path) -> None:
    (tmp_path / "copies").write_text("no folder")
    office = offices()
    uid = office.arrive(chest())
    work(office, uid)
    (tmp_path / "copies").unlink()
    office.hear(merged("OLD", "NEW"))
    work(office, uid)
    (only,) = messages_in(office, uid, tmp_path / "copies")
    assert (filed_under(only)[0], takes_back(only)) == ("NEW", False)


def test_after_the_final_report_nothing_goes_on_standing_under_another_patient(
    offices: Offices, tmp_path: Path
) -> None:
    """Patients are merged days after the film; by then its report is finished, and the archive still has ours."""
    office = offices(summary_image=True)
    uid = office.arrive(chest())
    work(office, uid)
    office.hear(reported("ACC1", "OLD"))
    office.hear(merged("OLD", "NEW"))
    work(office, uid)
    first, second = objects_in(office, uid, tmp_path / "copies", "sr")
    assert (first.PatientID, second.PatientID) == ("OLD", "NEW")
    (replaced,) = second.PredecessorDocumentsSequence
    assert (
        replaced.ReferencedSeriesSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID == first.SOPInstanceUID
    )
    assert [p.PatientID for p in objects_in(office, uid, tmp_path / "copies", "sc")] == ["OLD", "NEW"]
    for found in (office.ris.messages, messages_in(office, uid, tmp_path / "copies")):
        assert [(filed_under(m)[0], takes_back(m)) for m in found] == [("OLD", False), ("OLD", True)], (
            "no draft any more"
        )
    assert office.study(uid).state == "reported"


def test_after_the_final_report_another_spelling_or_a_new_order_sends_no_draft(
    offices: Offices, tmp_path: Path
) -> None:
    office = offices()
    uid = office.arrive(chest())
    work(office, uid)
    office.hear(reported("ACC1", "OLD"))
    office.hear(corrected("OLD", "Married^Small", "19500102"))
    office.hear(ordered("ACC1", "OLD", name="Married^Small", placer="LATE"))
    work(office, uid)
    assert office.study(uid).revision > 1
    assert len(objects_in(office, uid, tmp_path / "copies", "sr")) == 1


def test_a_result_that_is_made_again_in_other_words_is_not_sent_beside_itself(offices: Offices, tmp_path: Path) -> None:
    """Something that it was made from has changed meanwhile, and the final report that kept it back is taken back."""
    office, folder = offices(summary_image=True, plain_sr=True), tmp_path / "copies"
    uid = office.arrive(chest())
    work(office, uid)
    office.hear(reported("ACC1", "OLD"))
    office.work()
    with office.ledger.begin() as tx:
        tx.execute(update(reading).values(notes=["The film it was compared with was purged."]))
    office.hear(report_taken_back("ACC1", "OLD"))
    office.work()
    assert [len(objects_in(office, uid, folder, kind)) for kind in ("sr", "sc", "plain-sr")] == [1, 1, 1]
    assert len(office.ris.messages) == 1


def test_a_reading_that_should_never_have_been_made_does_not_stand_because_nothing_is_sent_of_what_is_not_read(
    offices: Offices, tmp_path: Path
) -> None:
    """The birth date was wrong: it was a child, whom the model is not for."""
    office = offices(report={"send_not_analysed": False})
    uid = office.arrive(chest())
    work(office, uid)
    office.hear(corrected("OLD", "Test^Small", "20200102"))
    work(office, uid)
    assert office.study(uid).state == "not-analysed"
    assert b"pneumothorax" in office.ris.messages[0]
    assert b"Not analysed: the patient is younger" in office.ris.messages[-1]
    first, second = objects_in(office, uid, tmp_path / "copies", "sr")
    (replaced,) = second.PredecessorDocumentsSequence
    assert (
        replaced.ReferencedSeriesSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID == first.SOPInstanceUID
    )


def test_what_is_not_read_stays_unsaid_where_nothing_was_said_before(offices: Offices) -> None:
    office = offices(report={"send_not_analysed": False})
    uid = office.arrive(chest(PatientBirthDate="20200102"))
    office.work()
    assert office.study(uid).state == "not-analysed"
    assert office.ris.messages == []
    again = office.arrive(chest("P2", AccessionNumber="ACC2"))
    work(office, again)
    with office.ledger.begin() as tx:
        office.assembly.withdraw(tx, again, "of a dog")
    office.work()
    office.hear(corrected("P2", "Test^Small", "20200102"))
    with office.ledger.begin() as tx:
        assert office.assembly.read_again(tx, again)
    office.work()
    assert [takes_back(m) for m in office.ris.messages] == [False, True], "it was taken back already"


def test_a_picture_of_a_withdrawn_result_does_not_stand_because_pictures_were_switched_off(
    offices: Offices, tmp_path: Path
) -> None:
    office = offices(summary_image=True, plain_sr=True)
    uid = office.arrive(chest())
    work(office, uid)
    office = offices()
    with office.ledger.begin() as tx:
        office.assembly.withdraw(tx, uid, "wrong side")
    office.work()
    for kind in ("sc", "plain-sr"):
        first, second = objects_in(office, uid, tmp_path / "copies", kind)
        assert first.SOPInstanceUID != second.SOPInstanceUID
        assert first.SeriesInstanceUID != second.SeriesInstanceUID
    other = office.arrive(chest("P2", AccessionNumber="ACC2"))
    work(office, other)
    assert {kind for kind, _ in delivered(office, other)} == {"sr", "oru"}, "who has none gets none"


def let_go(office: Office) -> None:
    class Later(SystemClock):
        def now(self) -> datetime:
            return super().now() + timedelta(days=400)

    forgetter = Forgetter(office.ledger, office.files, Later(), Keeping(images_days=30), Trail("PREREAD"))
    assert forgetter() > 0
    assert list((office.files.root / "images").rglob("*.dcm")) == []


@pytest.mark.parametrize("happens", ["merge", "withdrawal"])
def test_what_is_wrong_does_not_stand_because_the_images_were_let_go_meanwhile(
    offices: Offices, tmp_path: Path, happens: str
) -> None:
    """Patients are merged, and errors found, long after a disk has made room for other films."""
    office = offices(summary_image=True, plain_sr=True)
    uid = office.arrive(chest(PatientName="Müller^Jürgen", SpecificCharacterSet="ISO_IR 192"))
    work(office, uid)
    let_go(office)
    if happens == "merge":
        office.hear(merged("OLD", "NEW"))
    else:
        with office.ledger.begin() as tx:
            office.assembly.withdraw(tx, uid, "wrong side")
    office.work()
    number = "NEW" if happens == "merge" else "OLD"
    first, second = objects_in(office, uid, tmp_path / "copies", "sr")
    assert (first.PatientID, second.PatientID, str(second.PatientName)) == ("OLD", number, "Müller^Jürgen")
    assert second.CurrentRequestedProcedureEvidenceSequence == first.CurrentRequestedProcedureEvidenceSequence
    assert second.PredecessorDocumentsSequence
    words = read_sr(second)
    assert words.narrative.findings == ("There is a pneumothorax." if happens == "merge" else "")
    assert len(objects_in(office, uid, tmp_path / "copies", "plain-sr")) == 2
    pictures = objects_in(office, uid, tmp_path / "copies", "sc")
    missing = office.study(uid).reason == "file-lost"
    assert missing is (happens == "merge"), "that a picture of the film stands under another number is said"
    assert len(pictures) == (1 if missing else 2)
    assert any(takes_back(m) for m in office.ris.messages)


def test_an_earlier_film_that_was_let_go_here_is_asked_of_the_archive(offices: Offices) -> None:
    """The archive's copy is not looked at where this node has one: without it the study would be read without a comparison."""
    office = offices()
    uid = office.arrive(chest())
    work(office, uid)
    with office.ledger.read() as view:
        assert len(priors.own_frontals(view, "OLD", besides="1.2.3")) == 1
    let_go(office)
    with office.ledger.read() as view:
        assert priors.own_frontals(view, "OLD", besides="1.2.3") == ()


def test_a_study_whose_images_were_let_go_keeps_its_result_when_all_are_read_again(offices: Offices) -> None:
    """It would wait for images that nobody sends, and what it said would be superseded by nothing."""
    office = offices()
    uid = office.arrive(chest())
    work(office, uid)
    let_go(office)
    with office.ledger.begin() as tx:
        assert not office.assembly.read_again(tx, uid)
    office.work()
    assert (office.study(uid).state, office.study(uid).revision) == ("read", 1)


def test_a_reading_that_is_void_does_not_wait_for_images_that_were_let_go(offices: Offices, tmp_path: Path) -> None:
    """It was a child, whom the model is not for, or was compared with another patient's film: nobody can read it again."""
    office = offices()
    uid = office.arrive(chest(PatientAge="076Y"))
    work(office, uid)
    let_go(office)
    office.hear(corrected("OLD", "Test^Small", "20000102"))
    office.work()
    assert office.study(uid).reason == "", "an adult all the same"
    compared(office, uid)
    office.hear(merged("OLD", "NEW"))
    office.work()
    study = office.study(uid)
    assert (study.state, study.reason) == ("not-analysed", "images-let-go")
    assert [filed_under(m)[0] for m in office.ris.messages if takes_back(m)] == ["OLD"]
    assert b"pneumothorax" not in office.ris.messages[-1]
    assert objects_in(office, uid, tmp_path / "copies", "sr")[-1].PatientID == "NEW"


def compared(office: Office, uid: str) -> None:
    """The newest reading was made beside an earlier film."""
    now = SystemClock().now()
    film = PriorImage(
        "2.25.1", "2.25.2", "2.25.3", "1.2.840.10008.5.1.4.1.1.1", "1.2.840.10008.1.2.1", "d", 0, "p", "{}", "self"
    )
    with office.ledger.begin() as tx:
        revision = studies.newest_revision(tx, uid)
        assert revision is not None
        priors.begin(tx, revision.id, now)
        priors.finish(tx, revision.id, priors.FOUND, film, (), now=now)
        priors.settle(tx, revision.id, used=True, now=now)


def test_who_withdraws_hears_of_a_destination_that_nobody_can_tell_any_more(
    offices: Offices, site: Site, tmp_path: Path, ris: KeepingRis
) -> None:
    """Somebody has renamed it, or taken it out of the settings: what it has stands there until a person says so."""
    office = offices()
    uid = office.arrive(chest())
    work(office, uid)
    site.set("storage", root=str(office.settings.storage.root))
    site.destination(name="renamed", type="hl7", host="127.0.0.1", port=ris.port)
    done = site.run("withdraw", uid, "--reason", "wrong side", check=True)
    words = "copies, to-ris have a result of the study, or may have, and the settings name no such destination any more"
    assert words in done.stderr
    with office.ledger.read() as view:
        assert any(e["code"] == "not-told" and words in e["words"] for e in overview.history(view, uid))
