"""The model that has learnt drawings reads no patient, unless somebody says in the settings that it shall."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path

import hl7
import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import generate_uid

from agent.commissioning.films import make_study
from agent.demo.ris import DemoRis
from agent.model.protocol import Model
from structured_report.content import FOR_COMMISSIONING
from tests.support.node import Node
from tests.support.peers import text_of
from tests.support.stages import Line

pytestmark = [pytest.mark.model, pytest.mark.xdist_group("doubt")]


def patient() -> Dataset:
    """A film that nobody here drew: its header says so, and that is what is asked."""
    (film,) = make_study("left-effusion", seed=4, patient_id="P4", accession="A4", views=("PA",))
    film.Manufacturer = "Somebody Else"
    return film


def drawn_beside(film: Dataset) -> Dataset:
    """A newer phantom in the same study that cannot be rendered: the older film would be read in its place."""
    broken = copy.deepcopy(film)
    broken.Manufacturer = "cxr-preread project"
    broken.SOPInstanceUID = broken.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    broken.AcquisitionTime = broken.ContentTime = "235900"
    broken.PixelData = bytes(len(film.PixelData))  # one gray
    return broken


@pytest.fixture
def told(tmp_path: Path, model: Model, ris: DemoRis) -> Iterator[Line]:
    """A site that lets the model read everything."""
    made = Line(Node(tmp_path / "node", quiet_time_s=0.0), model, ris.port, on_patients=True)
    yield made
    made.node.stop()


@pytest.mark.parametrize("beside", [False, True], ids=["alone", "in place of a phantom"])
def test_a_patient_is_not_read_by_the_commissioning_model(line: Line, tmp_path: Path, beside: bool) -> None:
    film = patient()
    line.send(film, *([drawn_beside(film)] if beside else []))
    line.do("assemble", "flag", "read", "report", "deliver")
    assert (line.study().state, line.study().reason) == ("not-analysed", "commissioning-only")
    (message,) = [hl7.parse(p.read_bytes().decode()) for p in (tmp_path / "ris").glob("*.hl7")]
    assert any("drawn phantoms only" in text for text in text_of(message, "121106"))
    assert not text_of(message, "59776-5")


def test_told_so_it_reads_and_every_document_says_what_it_is(told: Line, tmp_path: Path) -> None:
    told.send(patient())
    told.do("assemble", "flag", "read", "report", "deliver")
    assert told.study().state in ("read", "abstained")
    (message,) = [hl7.parse(p.read_bytes().decode()) for p in (tmp_path / "ris").glob("*.hl7")]
    assert FOR_COMMISSIONING in text_of(message, "121106")
    (report,) = (told.node.files.root / "documents").glob("*.dcm")
    assert FOR_COMMISSIONING in dcmread(report).to_json()


def test_a_drawn_film_needs_no_switch(line: Line) -> None:
    line.send(*make_study("left-effusion", seed=4, patient_id="P4", accession="A4"))
    line.do("assemble", "flag", "read")
    assert line.study().state == "read"
