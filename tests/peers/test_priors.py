"""The earlier film: whoever reads a chest film looks at it first, and so must what reads for them; and it must be the
patient's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from pydicom import dcmread

from agent.demo.ris import DemoRis
from agent.model.load import load_model
from agent.model.protocol import Model
from agent.orders.said import Said
from agent.settings import Settings
from agent.store import identity, orders, priors
from agent.store.orders import StoredDecision
from agent.store.schema import prior_image
from agent.work.queue import enqueue
from dicom_nodes import query, retrieve
from dicom_nodes.deadline import Deadline
from dicom_nodes.retrieve import ImageAddress, TooLarge
from dicom_nodes.roles import Peer
from dicom_nodes.scu import PeerSilent
from tests.support.archives import Dcmqrscp, Liar, Slow, put
from tests.support.comparing import NAME, Comparing, film
from tests.support.hearing import corrected, hear, merged
from tests.support.peers import Orthanc
from tests.support.site import PATIENCE_S, free_port

pytestmark = [pytest.mark.peers, pytest.mark.model, pytest.mark.xdist_group("priors")]

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")


@pytest.fixture(scope="module")
def model(checkpoint: Path) -> Model:
    return load_model(Settings(model={"weights": str(checkpoint), "quantization": "none", "device": "cpu"}).model)


@pytest.fixture
def ris(tmp_path: Path) -> Iterator[DemoRis]:
    with DemoRis(tmp_path / "ris") as made:
        yield made


@dataclass
class Archive:
    """Somebody who has earlier films, and a line that asks them."""

    line: Comparing
    put: Callable[..., None]


def _row(peer: Peer, *may: str) -> dict[str, Any]:
    return {"name": "archive", "ae_title": peer.ae_title, "host": peer.host, "port": peer.port, "may": ["query", *may]}


def _orthanc(stack: ExitStack, folder: Path) -> Orthanc:
    assert PLUGIN.exists()
    return stack.enter_context(Orthanc(folder / "orthanc", Plugins=[str(PLUGIN)]))


@pytest.fixture(params=["orthanc-get", "orthanc-move", "orthanc-web", "dcmqrscp-get", "dcmqrscp-move"])
def archive(request: pytest.FixtureRequest, tmp_path: Path, model: Model, ris: DemoRis) -> Iterator[Archive]:
    program, way = str(request.param).split("-")
    with ExitStack() as stack:
        yield _archive(stack, tmp_path, model, ris, program, way)


def _archive(stack: ExitStack, folder: Path, model: Model, ris: DemoRis, program: str, way: str) -> Archive:
    port = free_port()
    if program == "orthanc":
        made: Any = _orthanc(stack, folder)
        peer = Peer("archive", made.ae_title, "127.0.0.1", made.port, frozenset())
    else:
        made = Dcmqrscp(folder / "dcmqrscp", {"PREREAD": port})
        stack.callback(made.stop)
        peer = made.peer()
    if way == "web":
        source: dict[str, Any] = {"name": "archive", "url": made.url("/dicom-web")}
    else:
        source = _row(peer, *(["send"] if way == "move" else []))
    options = {"retrieve": "move"} if way == "move" else {}
    line = Comparing(folder / "node", model, ris, source, port=port if way == "move" else 0, **options)
    stack.callback(line.node.stop)
    if program == "orthanc" and way == "move":
        made.knows("PREREAD", line.node.scp.port)
    return Archive(line, lambda *images: put(peer, folder, *images))


@pytest.mark.requirement("PRIOR-1")
def test_a_film_that_the_archive_holds_is_compared_with_and_is_not_read_for_itself(archive: Archive) -> None:
    line = archive.line
    (before,) = film("clear", day="20251001")
    (now,) = film("left-effusion", seed=2)
    archive.put(before)
    uid = str(now.StudyInstanceUID)
    line.send(now)
    line.do("assemble", "flag", "prior", "read", "report")
    search, reading, used = line.search(uid), line.reading(uid), line.used(uid)
    assert search.outcome == "found", search.remarks
    assert used is not None
    assert used.sop_instance_uid == before.SOPInstanceUID
    assert reading.comparison, "the progression was asked about, and answered"
    assert "compared with the frontal film of 2025-10-01 from archive" in reading.notes
    assert not [v for v in reading.verdicts if v["code"] == "comparison-without-prior"]
    kept = line.node.files.path(used.path)
    assert dcmread(kept).PixelData == before.PixelData, "as the archive has it"
    assert line.known_studies() == {uid}, "the earlier study is not one that was sent to be read"
    assert line.idle("assemble")


@pytest.fixture
def dcmqrscp(tmp_path: Path) -> Iterator[Dcmqrscp]:
    made = Dcmqrscp(tmp_path / "dcmqrscp", {"PREREAD": free_port()})
    yield made
    made.stop()


@pytest.fixture
def asking(tmp_path: Path, model: Model, ris: DemoRis, dcmqrscp: Dcmqrscp) -> Iterator[Comparing]:
    """A line that asks DCMTK's archive, with C-GET."""
    made = Comparing(tmp_path / "node", model, ris, _row(dcmqrscp.peer()))
    yield made
    made.node.stop()


Making = Callable[..., Comparing]


def heard_of(line: Comparing, *said: Said) -> None:
    """Each in a message of its own, and acted on."""
    for one in said:
        hear(line.node.ledger, one)
        line.do("orders")


@pytest.fixture
def making(tmp_path: Path, model: Model, ris: DemoRis) -> Iterator[Making]:
    """Lines with sources of any kind."""
    made: list[Comparing] = []

    def make(source: dict[str, Any] | None, **settings: Any) -> Comparing:
        made.append(Comparing(tmp_path / f"node{len(made)}", model, ris, source, **settings))
        return made[-1]

    yield make
    for line in made:
        line.node.stop()


@pytest.mark.requirement("PRIOR-2")
@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"PatientBirthDate": "19500101"}, "Patient's Birth Date"),
        ({"PatientName": "Roe^Mary"}, "Patient's Name"),
        ({"PatientSex": "M"}, "Patient's Sex"),
        ({"PatientName": "", "PatientBirthDate": "", "PatientSex": ""}, "beside the Patient ID nothing says"),
    ],
)
def test_another_patients_film_under_the_same_number_is_never_compared_with(
    asking: Comparing, dcmqrscp: Dcmqrscp, tmp_path: Path, changes: dict[str, str], named: str
) -> None:
    (theirs,) = film("clear", day="20251001", **changes)
    (now,) = film(PatientSex="F")
    put(dcmqrscp.peer(), tmp_path, theirs)
    uid = str(now.StudyInstanceUID)
    asking.send(now)
    asking.do("assemble", "prior")
    search = asking.search(uid)
    assert (search.outcome, search.prior) == ("refused", None)
    assert named in search.remarks[0]
    assert "2025-10-01" in search.remarks[0]
    assert not any(str(v) in search.remarks[0] for v in changes.values() if v), "whose it is stands nowhere"
    assert asking.files_of_priors() == [], "nothing of another patient stays here"


@pytest.mark.requirement("PRIOR-2")
def test_a_film_that_is_another_patients_only_by_its_own_header_is_found_out(making: Making) -> None:
    """An archive whose index says one thing and whose files say another."""
    (theirs,) = film("clear", day="20251001", patient_id="P2", name="Roe^Mary")
    (claimed,) = film("clear", day="20251001")
    (now,) = film()
    with Liar(claimed, theirs) as archive:
        line = making(_row(archive.peer()))
        line.send(now)
        line.do("assemble", "prior")
    search = line.search(str(now.StudyInstanceUID))
    assert (search.outcome, search.prior) == ("refused", None)
    assert "Patient ID, Patient's Name differs" in search.remarks[0]
    assert line.files_of_priors() == []


@pytest.mark.requirement("PRIOR-1")
def test_the_newest_frontal_is_compared_with_not_a_lateral_a_later_film_or_an_older_one(
    asking: Comparing, dcmqrscp: Dcmqrscp, tmp_path: Path
) -> None:
    films = {
        day: film("clear", day=day, seed=n, views=("PA", "LL"))
        for n, day in enumerate(("20240101", "20250101", "20270101"))
    }
    for images in films.values():
        put(dcmqrscp.peer(), tmp_path, *images)
    (now,) = film(seed=9)
    asking.send(now)
    asking.do("assemble", "prior")
    search = asking.search(str(now.StudyInstanceUID))
    frontal = next(i for i in films["20250101"] if i.ViewPosition == "PA")
    assert search.prior is not None, search.remarks
    assert search.prior.sop_instance_uid == frontal.SOPInstanceUID
    assert len(asking.files_of_priors()) == 1, "a lateral that had to be looked at is not kept"


@pytest.mark.requirement("PRIOR-3")
def test_a_dead_archive_holds_up_no_reading_and_the_result_says_so(making: Making) -> None:
    port = free_port()
    (now,) = film()
    uid = str(now.StudyInstanceUID)
    line = making({"name": "archive", "ae_title": "DEAD", "host": "127.0.0.1", "port": port, "may": ["query"]})
    line.send(now)
    line.do("assemble", "flag", "prior", "read", "report")
    assert line.search(uid).outcome == "failed"
    assert any("no earlier film could be asked for: archive" in note for note in line.reading(uid).notes)
    assert line.used(uid) is None
    assert line.reading(uid).comparison == ""


@pytest.mark.requirement("PRIOR-3")
def test_a_dead_web_service_holds_up_no_reading(making: Making) -> None:
    (now,) = film()
    line = making({"name": "archive", "url": f"http://127.0.0.1:{free_port()}/dicom-web"})
    line.send(now)
    line.do("assemble", "prior")
    search = line.search(str(now.StudyInstanceUID))
    assert search.outcome == "failed"
    assert "archive cannot be reached" in search.remarks[0]
    assert "P1" not in search.remarks[0]


@pytest.mark.requirement("PRIOR-3")
def test_an_archive_that_never_answers_is_waited_for_until_the_deadline_and_no_longer(making: Making) -> None:
    slow = Slow()
    (now,) = film()
    uid = str(now.StudyInstanceUID)
    line = making(
        {"name": "archive", "ae_title": "SLOW", "host": "127.0.0.1", "port": slow.port, "may": ["query"]},
        deadline_s=1.5,
    )
    line.send(now)
    line.do("assemble", "flag")
    line.do("prior")
    slow.stop()
    assert line.search(uid).outcome == "failed"
    assert any("archive" in remark for remark in line.search(uid).remarks)
    line.do("read")
    assert line.reading(uid).outcome == "read"


def test_the_flag_does_not_wait_for_the_earlier_film_and_the_reading_waits_no_longer_than_it_may(
    making: Making,
) -> None:
    (now,) = film()
    uid = str(now.StudyInstanceUID)
    line = making(None, deadline_s=600.0)
    line.send(now)
    line.do("assemble", "flag", "read")
    with line.node.ledger.read() as view:
        assert priors.search_of(view, line.revision(uid)) is not None
    assert line.idle("read"), "put off, because the search is under way"
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=601), tick=True):
        line.do("read")
        assert any("before the deadline" in note for note in line.reading(uid).notes)
        line.do("prior")  # it comes too late, and changes nothing any more
        assert line.search(uid).outcome == "late"
        assert line.used(uid) is None


def test_what_is_found_brings_the_waiting_reading_forward(making: Making) -> None:
    (now,) = film()
    line = making(None, deadline_s=3600.0)
    line.send(now)
    line.do("assemble", "flag", "read")
    assert line.idle("read")
    line.do("prior", "read")
    assert line.reading(str(now.StudyInstanceUID)).outcome == "read"


@pytest.mark.requirement("PRIOR-1")
def test_a_film_that_was_received_here_is_an_earlier_film_too(making: Making) -> None:
    (before,), (now,) = film("clear", day="20251001"), film(seed=2)
    line = making(None)
    line.send(before)
    line.do("assemble", "flag", "prior", "read")
    line.send(now)
    line.do("assemble", "flag", "prior", "read")
    used = line.used(str(now.StudyInstanceUID))
    assert used is not None
    assert (used.sop_instance_uid, used.source) == (before.SOPInstanceUID, "self")
    assert line.used(str(before.StudyInstanceUID)) is None
    assert "compared with the frontal film of 2025-10-01" in line.reading(str(now.StudyInstanceUID)).notes


@pytest.mark.requirement("PRIOR-1")
def test_a_film_under_a_number_that_was_merged_into_the_patients_is_an_earlier_film(
    asking: Comparing, dcmqrscp: Dcmqrscp, tmp_path: Path
) -> None:
    """The archive was not told of the merge, or keeps what it had under the old number."""
    (oldest,), (before,) = (
        film("clear", day="20250901", patient_id="OLDEST"),
        film("clear", day="20251001", patient_id="OLD"),
    )
    (now,) = film(seed=2)
    put(dcmqrscp.peer(), tmp_path, oldest)
    put(dcmqrscp.peer(), tmp_path, before)
    heard_of(asking, merged("OLDEST", "OLD"), merged("OLD", "P1"))
    asking.send(now)
    asking.do("assemble", "prior")
    search = asking.search(str(now.StudyInstanceUID))
    assert search.prior is not None, search.remarks
    assert search.prior.sop_instance_uid == before.SOPInstanceUID, "the newest, under whatever number"
    assert search.remarks == ("the earlier film is filed under a Patient ID that was merged into this patient's",)


@pytest.mark.requirement("PRIOR-2")
@pytest.mark.parametrize(
    ("changes", "said", "outcome", "named"),
    [
        ({"PatientBirthDate": "19500101"}, (), "refused", "Patient's Birth Date"),
        ({"PatientBirthDate": ""}, (), "refused", "no birth date says"),
        ({"PatientName": "Roe^Mary"}, (), "refused", "Patient's Name"),
        ({"PatientSex": "M"}, (), "refused", "Patient's Sex"),
        ({"IssuerOfPatientID": "ELSEWHERE"}, (), "refused", "Issuer of Patient ID"),
        ({}, (corrected("OLD", NAME, issuer="HOSPITAL"),), "none", ""),
        ({}, (corrected("OLD", "Roe^Mary", issuer="ELSEWHERE"),), "none", ""),
        ({}, (merged("OLD", "P9", issuer="HOSPITAL"),), "none", ""),
    ],
)
def test_a_merge_brings_nobody_the_film_of_somebody_else(
    asking: Comparing,
    dcmqrscp: Dcmqrscp,
    tmp_path: Path,
    changes: dict[str, str],
    said: tuple[Said, ...],
    outcome: str,
    named: str,
) -> None:
    """Whatever differs, or is not there; a number that somebody has had since, that two issuers use, or that was merged into two
    others."""
    (theirs,) = film("clear", day="20251001", patient_id="OLD", **changes)
    (now,) = film(PatientSex="F")
    put(dcmqrscp.peer(), tmp_path, theirs)
    heard_of(asking, merged("OLD", "P1", issuer="HOSPITAL"), *said)
    asking.send(now)
    asking.do("assemble", "prior")
    search = asking.search(str(now.StudyInstanceUID))
    assert (search.outcome, search.prior) == (outcome, None)
    assert named in search.remarks[0]
    assert asking.files_of_priors() == [], "nothing of another patient stays here"


@pytest.mark.requirement("PRIOR-2")
def test_a_number_that_no_merge_names_is_not_asked_for_whatever_the_name(
    asking: Comparing, dcmqrscp: Dcmqrscp, tmp_path: Path
) -> None:
    (theirs,), (now,) = film("clear", day="20251001", patient_id="OTHER"), film()
    put(dcmqrscp.peer(), tmp_path, theirs)
    heard_of(asking, merged("OLD", "P1"), corrected("OTHER", NAME, "19640517"))
    asking.send(now)
    asking.do("assemble", "prior")
    assert asking.search(str(now.StudyInstanceUID)).outcome == "none"


@pytest.mark.requirement("PRIOR-2")
def test_a_film_that_only_its_header_puts_under_a_merged_number_of_somebody_else_is_found_out(making: Making) -> None:
    (theirs,) = film("clear", day="20251001", patient_id="OLD", PatientBirthDate="19500101")
    (claimed,) = film("clear", day="20251001", patient_id="OLD")
    (now,) = film()
    with Liar(claimed, theirs) as archive:
        line = making(_row(archive.peer()))
        heard_of(line, merged("OLD", "P1"))
        line.send(now)
        line.do("assemble", "prior")
    search = line.search(str(now.StudyInstanceUID))
    assert (search.outcome, search.prior, line.files_of_priors()) == ("refused", None, [])


@pytest.mark.requirement("PRIOR-2")
@pytest.mark.parametrize("is_read", [True, False])
def test_a_comparison_across_a_merge_does_not_outlive_the_merge(
    asking: Comparing, dcmqrscp: Dcmqrscp, tmp_path: Path, is_read: bool
) -> None:
    (theirs,), (now,) = film("clear", day="20251001", patient_id="OLD"), film(seed=2)
    put(dcmqrscp.peer(), tmp_path, theirs)
    heard_of(asking, merged("OLD", "P1"))
    asking.send(now)
    asking.do("assemble", "flag", "prior", *(["read"] if is_read else []))
    uid = str(now.StudyInstanceUID)
    first = asking.revision(uid)
    assert (asking.used(uid) is not None) is is_read
    assert asking.search(uid).prior is not None
    # The two were not one patient: the old number stands again, and is that of somebody who has another.
    heard_of(asking, merged("OLD", "P9"))
    asking.do("assemble")
    assert asking.revision(uid) != first, "it is read anew"
    asking.do("prior")
    assert asking.search(uid).prior is None


@pytest.mark.requirement("PRIOR-2")
def test_a_merge_that_is_taken_back_while_the_archive_is_asked_brings_nothing(
    asking: Comparing, dcmqrscp: Dcmqrscp, tmp_path: Path
) -> None:
    (theirs,), (now,) = film("clear", day="20251001", patient_id="OLD"), film(seed=2)
    put(dcmqrscp.peer(), tmp_path, theirs)
    heard_of(asking, merged("OLD", "P1"))
    asking.send(now)
    asking.do("assemble")
    stage = asking.stages["prior"]
    searched = stage._search  # type: ignore[attr-defined]

    def meanwhile(*args: Any, **named: Any) -> Any:
        found = searched(*args, **named)
        heard_of(asking, merged("OLD", "P9"))
        return found

    stage._search = meanwhile  # type: ignore[attr-defined]
    asking.do("prior")
    search = asking.search(str(now.StudyInstanceUID))
    assert (search.outcome, search.prior) == ("refused", None)
    assert "not merged into this patient's any more" in search.remarks[-1]


def test_a_person_who_has_said_whose_the_film_is_is_not_overruled_by_a_merge(
    asking: Comparing, dcmqrscp: Dcmqrscp, tmp_path: Path
) -> None:
    (theirs,), (now,) = film("clear", day="20251001", patient_id="OLD"), film(seed=2)
    put(dcmqrscp.peer(), tmp_path, theirs)
    heard_of(asking, merged("OLD", "P1"))
    asking.send(now)
    asking.do("assemble")
    uid = str(now.StudyInstanceUID)
    with asking.node.ledger.begin() as tx:
        orders.add_decision(
            tx, StoredDecision(uid, "by the test", datetime.now(UTC), patient="images",
                               known_statement=identity.newest_statement(tx)),
        )  # fmt: skip
    asking.do("prior")
    assert asking.search(uid).outcome == "none"


@pytest.mark.requirement("PRIOR-1")
def test_a_film_that_came_here_under_the_merged_number_is_an_earlier_film_too(making: Making) -> None:
    (before,), (now,) = film("clear", day="20251001", patient_id="OLD"), film(seed=2)
    line = making(None)
    line.send(before)
    line.do("assemble", "flag", "prior", "read")
    heard_of(line, merged("OLD", "P1"))
    line.do("assemble")
    line.send(now)
    line.do("assemble", "prior")
    prior = line.search(str(now.StudyInstanceUID)).prior
    assert prior is not None
    assert (prior.sop_instance_uid, prior.source) == (before.SOPInstanceUID, "self")


@pytest.mark.requirement("PRIOR-2")
def test_a_comparison_with_the_film_of_the_wrong_patient_does_not_outlive_the_correction(making: Making) -> None:
    (before,), (now,) = film("clear", day="20251001"), film(seed=2)
    line = making(None)
    for image in (before, now):
        line.send(image)
        line.do("assemble", "flag", "prior", "read", "report")
    uid = str(now.StudyInstanceUID)
    assert line.used(uid) is not None
    first = line.revision(uid)
    now.PatientID, now.PatientName = "P2", "Roe^Mary"  # the sender has found out whose film it is
    line.send(now)
    line.do("assemble")
    assert line.revision(uid) != first
    assert not line.idle("flag"), "it is read anew; the old words are about another patient's film"


def test_a_search_that_was_killed_is_repeated_without_a_trace(
    asking: Comparing, dcmqrscp: Dcmqrscp, tmp_path: Path
) -> None:
    (before,), (now,) = film("clear", day="20251001"), film(seed=2)
    put(dcmqrscp.peer(), tmp_path, before)
    uid = str(now.StudyInstanceUID)
    asking.send(now)
    asking.do("assemble")
    job = asking.queue.claim("prior")
    assert job is not None
    with asking.node.ledger.begin() as tx:
        asking.queue.postpone(tx, job, asking.clock.now())  # its lease ended while it was fetching
    with pytest.raises(Exception, match="lease"):
        asking.stages["prior"](job)  # everything was done, and the last transaction is rolled back
    assert asking.search(uid).outcome == ""
    asking.do("prior")
    with asking.node.ledger.begin() as tx:
        enqueue(tx, "prior", str(asking.revision(uid)), now=asking.clock.now())
    asking.do("prior")
    assert asking.search(uid).outcome == "found"
    assert len(asking.files_of_priors()) == 1
    with asking.node.ledger.read() as view:
        assert len(view.execute(prior_image.select()).all()) == 1


@pytest.mark.parametrize(
    ("originator", "becomes"), [("PREREAD", "prior"), ("PREREAD ", "prior"), ("WORKSTATION", "study"), (None, "study")]
)
def test_a_prior_that_comes_late_by_c_move_is_not_read_and_what_others_send_is(
    making: Making, originator: str | None, becomes: str
) -> None:
    (image,) = film(day="20251001")
    peer = {"name": "archive", "ae_title": "ARCHIVE", "host": "127.0.0.1", "may": ["query", "send"]}
    line = making(peer, retrieve="move")
    association = line.node.associate("ARCHIVE", sop_class=image.SOPClassUID)
    said = {} if originator is None else {"originator_aet": originator, "originator_id": 7}
    assert association.send_c_store(image, **said).Status == 0x0000
    association.release()
    assert line.known_studies() == ({str(image.StudyInstanceUID)} if becomes == "study" else set())
    assert len(line.files_of_priors()) == (1 if becomes == "prior" else 0)


@pytest.mark.requirement("PRIOR-3")
def test_a_patient_with_a_thousand_films_does_not_fill_the_memory(dcmqrscp: Dcmqrscp, tmp_path: Path) -> None:
    peer, images = dcmqrscp.peer(), [film(day=f"202501{n:02}", seed=n)[0] for n in range(1, 5)]
    put(peer, tmp_path, *images)
    dates = ("20240101", "20260101")
    some = query.find_studies(peer, "P1", dates, own_ae_title="PREREAD", deadline=Deadline(PATIENCE_S), most=2)
    assert (len(some.answers), some.more) == (2, True)
    everything = query.find_studies(peer, "P1", dates, own_ae_title="PREREAD", deadline=Deadline(PATIENCE_S))
    assert (len(everything.answers), everything.more) == (4, False)
    one = images[0]
    address = ImageAddress(one.StudyInstanceUID, one.SeriesInstanceUID, one.SOPInstanceUID)
    patience = Deadline(PATIENCE_S)
    with pytest.raises(TooLarge):
        retrieve.get_image(
            peer, address, tmp_path / "got", own_ae_title="PREREAD", deadline=patience, most_bytes=100_000
        )
    assert not (tmp_path / "got").exists()
    assert patience.left() > PATIENCE_S / 2, "it is left at once, and not at the deadline"


@pytest.mark.requirement("PRIOR-3")
def test_a_peer_that_falls_silent_is_left_at_the_deadline(tmp_path: Path) -> None:
    (one,) = film()
    with Liar(one, one, delay_s=PATIENCE_S) as archive:
        patience, much_more = Deadline(1.0), Deadline(60.0)
        with pytest.raises(PeerSilent):
            query.find_studies(
                archive.peer(), "P1", ("20250101", "20270101"), own_ae_title="PREREAD", deadline=patience
            )
        assert patience.passed
        assert not much_more.passed, "and not long after"


def test_nobody_is_asked_about_the_films_of_the_constancy_test(making: Making) -> None:
    line = making(None)
    (drawn,) = film(patient_id="QC1", AccessionNumber="QC1")
    line.send(drawn)
    line.do("assemble")
    assert line.idle("prior")
