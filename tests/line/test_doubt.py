"""No result leaves while the images of a study disagree about the patient, and none under an identity that has been
corrected, in whatever order things happen. The stages are the real ones, stepped by hand."""

from __future__ import annotations

import copy
from datetime import timedelta
from pathlib import Path

import hl7
import pytest
from pydicom import Dataset
from pydicom.uid import generate_uid

from agent.clock import SystemClock
from agent.commands.look import _print_study, everything_about
from agent.demo.phantom import make_study
from agent.store import overview, results
from agent.work.queue import enqueue
from tests.support.stages import Line

pytestmark = [pytest.mark.model, pytest.mark.xdist_group("doubt")]


def patients(folder: Path) -> list[str]:
    """PID-3.1 of everything the RIS got."""
    messages = [hl7.parse(p.read_bytes().decode()) for p in (folder / "ris").glob("*.hl7")]
    return sorted(str(m.segment("PID")[3]).split("^")[0] for m in messages)


def images() -> tuple[Dataset, Dataset]:
    frontal, lateral = make_study("left-effusion", seed=9, patient_id="RIGHT", accession="ACC")
    lateral.PatientID = "SOMEBODY-ELSE"
    return frontal, lateral


def test_a_doubt_that_comes_up_during_the_read_holds_the_result_back(line: Line, tmp_path: Path) -> None:
    frontal, lateral = images()
    line.send(frontal)
    line.do("assemble")

    def somebody_else_arrives() -> None:
        line.send(lateral)
        line.do("assemble")

    line.during_read = somebody_else_arrives
    line.do("flag", "read")
    assert line.study().state == "needs-attention"
    line.do("report")
    assert line.study().deliveries == {"held": 1}
    assert line.idle("deliver")
    assert patients(tmp_path) == []


def test_the_image_of_somebody_else_can_be_found(line: Line, capsys: pytest.CaptureFixture[str]) -> None:
    """The administrator has to name it to whoever sent it."""
    frontal, lateral = images()
    line.send(frontal, lateral)
    line.do("assemble")
    everything = everything_about(line.node.ledger, line.node.files, str(frontal.StudyInstanceUID))
    _print_study(everything)
    told = capsys.readouterr().out
    assert f"{lateral.SOPInstanceUID}  SOMEBODY-ELSE |" in told
    assert f"{frontal.SOPInstanceUID}  RIGHT |" in told


def test_a_doubt_stands_while_more_images_arrive(line: Line) -> None:
    frontal, lateral = images()
    line.send(frontal, lateral)
    line.do("assemble")
    assert line.study().state == "needs-attention"
    third = copy.deepcopy(frontal)
    third.SOPInstanceUID = third.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    line.send(third)
    assert line.study().state == "needs-attention"


def test_a_doubt_that_comes_up_before_delivery_stops_the_delivery(line: Line, tmp_path: Path) -> None:
    frontal, lateral = images()
    line.send(frontal)
    line.do("assemble", "flag", "read", "report")
    line.send(lateral)
    line.do("assemble")
    line.do("deliver")
    assert line.study().deliveries == {"held": 1}
    assert patients(tmp_path) == []


def test_retrying_by_hand_does_not_overrule_a_doubt(line: Line, tmp_path: Path) -> None:
    frontal, lateral = images()
    line.send(frontal)
    line.do("assemble", "flag", "read", "report")
    line.send(lateral)
    line.do("assemble")
    now = SystemClock().now()
    with line.node.ledger.begin() as tx:
        results.change_hold(tx, str(frontal.StudyInstanceUID), hold=False)
        for delivery_id, destination in results.try_again(tx, str(frontal.StudyInstanceUID), now=now):
            enqueue(tx, "deliver", str(delivery_id), lane=destination, now=now)
    line.do("deliver")
    assert line.study().deliveries == {"held": 1}
    assert patients(tmp_path) == []


def test_what_was_held_back_under_the_wrong_name_never_leaves(line: Line, tmp_path: Path) -> None:
    frontal, lateral = images()
    frontal.PatientID, lateral.PatientID = "WRONG", "RIGHT"
    line.send(frontal)
    line.do("assemble", "flag", "read", "report")
    line.send(lateral)
    line.do("assemble")
    frontal.PatientID = "RIGHT"
    line.send(frontal)
    line.do("assemble", "deliver", "flag", "read", "report", "deliver")
    assert patients(tmp_path) == ["RIGHT"]
    assert line.study().deliveries == {"superseded": 1, "delivered": 1}


def test_a_late_report_does_not_follow_the_one_that_corrects_it(line: Line, tmp_path: Path) -> None:
    frontal, _ = images()
    frontal.PatientID = "WRONG"
    line.send(frontal)
    line.do("assemble")
    line.do("flag", "read")
    late = line.queue.claim("report")
    assert late is not None
    with line.node.ledger.begin() as tx:
        line.queue.postpone(tx, late, SystemClock().now() + timedelta(hours=1))
    frontal.PatientID = "RIGHT"
    line.send(frontal)
    line.do("assemble", "report", "deliver")
    with line.node.ledger.begin() as tx:
        enqueue(tx, "report", late.key, now=SystemClock().now())
    line.do("report")
    assert line.idle("deliver")
    assert patients(tmp_path) == ["RIGHT"]


def test_an_identity_that_is_corrected_during_the_read_is_the_one_that_is_reported(line: Line, tmp_path: Path) -> None:
    frontal, _ = images()
    frontal.PatientID = "WRONG"
    line.send(frontal)
    line.do("assemble")

    def corrected() -> None:
        frontal.PatientID = "RIGHT"
        line.send(frontal)
        line.do("assemble")

    line.during_read = corrected
    line.do("flag", "read", "report", "flag", "read", "report", "deliver")
    assert patients(tmp_path) == ["RIGHT"]


def test_a_result_is_the_same_object_when_it_is_reported_again_and_no_other_is(line: Line) -> None:
    frontal, _ = images()
    line.send(frontal)
    line.do("assemble", "flag", "read", "report")
    uid = str(frontal.StudyInstanceUID)
    with line.node.ledger.read() as view:
        (before,) = {d["identifier"] for d in overview.deliveries(view, uid)}
    frontal.AccessionNumber = "CORRECTED"
    line.send(frontal)
    line.do("assemble", "report")
    with line.node.ledger.read() as view:
        after = {d["identifier"] for d in overview.deliveries(view, uid)}
    assert len(after) == 2
    assert before in after
