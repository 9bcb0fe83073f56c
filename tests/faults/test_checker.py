"""A campaign is worth what its judge sees: each kind of harm, done by hand to a site where all is well, must be found."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.uid import generate_uid

from tests.faults.checker import DUPLICATED, LOST, MISFILED, UNSEEN, UNSETTLED, Evidence, Refused, check
from tests.faults.plan import ALONE
from tests.faults.tables import InFile
from tests.faults.world import World, descriptors

pytestmark = [pytest.mark.xdist_group("checker")]


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Evidence]]:
    """What is left of a site through which two studies went, and one refusal."""
    kept = tmp_path_factory.mktemp("kept")
    with World(tmp_path_factory.mktemp("world"), ALONE) as world:
        world.send(world.hand(1))
        world.send(world.hand(2, images=2), by_dcmtk=True)
        assert world.judge() == []
        for name, folder in (("root", world.evidence.root), ("pacs", world.evidence.pacs), ("ris", world.evidence.ris)):
            shutil.copytree(folder, kept / name)
        evidence = world.evidence
    yield kept, evidence


@pytest.fixture
def evidence(judged: tuple[Path, Evidence], tmp_path: Path) -> Evidence:
    """A copy of it, to be harmed."""
    kept, found = judged
    shutil.copytree(kept, tmp_path / "kept")
    root, pacs, ris = (tmp_path / "kept" / name for name in ("root", "pacs", "ris"))
    return replace(found, root=root, pacs=pacs, ris=ris, ledger=InFile(root), refused=list(found.refused))


def kinds(evidence: Evidence) -> set[str]:
    return {complaint.kind for complaint in check(evidence)}


def image_file(evidence: Evidence) -> Path:
    return next((evidence.root / "images").rglob("*.dcm"))


def test_a_site_where_all_is_well_is_left_in_peace(evidence: Evidence) -> None:
    assert check(evidence) == []
    assert len(evidence.acknowledged) == 3


def test_an_image_file_that_is_gone_is_missed(evidence: Evidence) -> None:
    image_file(evidence).unlink()
    assert kinds(evidence) == {LOST}


def test_an_image_file_that_was_changed_is_noticed(evidence: Evidence) -> None:
    path = image_file(evidence)
    whole = bytearray(path.read_bytes())
    whole[-1] ^= 1
    path.write_bytes(whole)
    assert kinds(evidence) == {LOST}


def test_an_image_that_was_acknowledged_and_never_written_down_is_missed(evidence: Evidence) -> None:
    other = replace(next(iter(evidence.films.values())), sop_instance_uid="2.25.1")
    harmed = replace(
        evidence, films={**evidence.films, "2.25.1": other}, acknowledged={*evidence.acknowledged, "2.25.1"}
    )
    assert kinds(harmed) == {LOST}


def test_a_study_that_has_no_report_is_missed(evidence: Evidence) -> None:
    next(evidence.pacs.glob("*.dcm")).unlink()
    assert kinds(evidence) == {LOST}


def test_a_study_that_has_no_message_is_missed(evidence: Evidence) -> None:
    next(evidence.ris.glob("*.hl7")).unlink()
    assert kinds(evidence) == {LOST}


def test_a_second_report_under_a_uid_of_its_own_is_noticed(evidence: Evidence) -> None:
    report = dcmread(next(evidence.pacs.glob("*.dcm")))
    report.SOPInstanceUID = report.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    report.save_as(evidence.pacs / f"{report.SOPInstanceUID}.dcm", enforce_file_format=True)
    assert kinds(evidence) == {DUPLICATED}


def test_a_second_message_under_a_control_id_of_its_own_is_noticed(evidence: Evidence) -> None:
    message = next(evidence.ris.glob("*.hl7"))
    (evidence.ris / "ANOTHER.hl7").write_bytes(message.read_bytes().replace(message.stem.encode(), b"ANOTHER"))
    assert kinds(evidence) == {DUPLICATED}


def test_one_message_with_two_contents_is_noticed(evidence: Evidence) -> None:
    receipts = evidence.ris / "receipts.jsonl"
    first = receipts.read_text("utf-8").splitlines()[0]
    with receipts.open("a", encoding="utf-8") as file:
        file.write(first.replace('"digest": "', '"digest": "0') + "\n")
    assert kinds(evidence) == {DUPLICATED}


def test_a_report_under_another_patient_is_noticed(evidence: Evidence) -> None:
    path = next(evidence.pacs.glob("*.dcm"))
    report = dcmread(path)
    report.PatientID = "SOMEBODY"
    report.save_as(path, enforce_file_format=True)
    assert kinds(evidence) == {MISFILED}


def test_a_message_under_another_patient_is_noticed(evidence: Evidence) -> None:
    path = next(evidence.ris.glob("*.hl7"))
    fields = path.read_bytes().split(b"PID|", 1)[1].split(b"|")
    patient_id = fields[2].split(b"^")[0]
    path.write_bytes(
        path.read_bytes()
        .replace(b"|" + patient_id + b"^", b"|SOMEBODY^")
        .replace(b"|" + patient_id + b"|", b"|SOMEBODY|")
    )
    assert MISFILED in kinds(evidence)


def test_a_report_for_nobodys_study_is_noticed(evidence: Evidence) -> None:
    report = dcmread(next(evidence.pacs.glob("*.dcm")))
    report.SOPInstanceUID, report.StudyInstanceUID = generate_uid(), generate_uid()
    report.save_as(evidence.pacs / f"{report.SOPInstanceUID}.dcm")
    assert MISFILED in kinds(evidence)


def test_a_refusal_that_nobody_can_see_is_noticed(evidence: Evidence) -> None:
    evidence.refused.append(Refused("2.25.77", "A700"))
    assert kinds(evidence) == {UNSEEN}


def test_a_study_that_stands_still_is_noticed(evidence: Evidence) -> None:
    with sqlite3.connect(evidence.root / "preread.db") as connection:
        connection.execute("UPDATE study SET state = 'assembled'")
    connection.close()
    assert kinds(evidence) == {UNSETTLED}


# Has nothing else open; what is in this process, other tests have left and may be closed at any moment.
_OPENS = """
import sys
for opened in ([], sys.argv[1:]):
    kept = [open(name, "wb") for name in opened]
    print(flush=True)
    sys.stdin.readline()
"""


def test_descriptors_that_are_left_open_are_counted(tmp_path: Path) -> None:
    names = ("preread.db", "preread.db-wal", *(f"{n}.dcm" for n in range(5)))
    command = [sys.executable, "-c", _OPENS, *(str(tmp_path / name) for name in names)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as holder:
        assert holder.stdin is not None and holder.stdout is not None
        holder.stdout.readline()
        database, others = descriptors(holder.pid, InFile(tmp_path))
        holder.stdin.write("\n")
        holder.stdout.readline()
        assert descriptors(holder.pid, InFile(tmp_path)) == (database + 2, others + 5)
