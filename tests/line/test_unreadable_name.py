"""A result under a garbled name is filed under nobody, or under somebody else: a patient whose name is not in the character set
that the image declares waits for a person, who can end the wait."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import hl7
import pytest
from pydicom import Dataset

from agent.commissioning.films import make_study
from tests.support.node import encoded
from tests.support.stages import Line

pytestmark = [pytest.mark.model, pytest.mark.xdist_group("doubt")]
NAME = "Müller^Jürgen"


def film(character_set: str | None) -> tuple[Dataset, bytes]:
    """One film; its name in Latin-1, whatever is declared."""
    (image,) = make_study("left-effusion", seed=9, patient_id="P", accession="ACC")[:1]
    image.PatientName = "N" * len(NAME)
    if character_set is None:
        del image.SpecificCharacterSet
    else:
        image.SpecificCharacterSet = character_set
    data = encoded(image)
    assert data.count(b"N" * len(NAME)) == 1
    return image, data.replace(b"N" * len(NAME), NAME.encode("iso8859-1"))


def names(folder: Path) -> list[str]:
    """PID-5 of everything the RIS got."""
    messages = [hl7.parse(p.read_bytes().decode()) for p in (folder / "ris").glob("*.hl7")]
    return sorted(str(m.segment("PID")[5]) for m in messages)


def send(line: Line, image: Dataset, data: bytes) -> None:
    sent = line.node.send(data, instance=image.SOPInstanceUID, sop_class=image.SOPClassUID, context=image.SOPClassUID)
    assert sent[0] == 0x0000


@pytest.mark.parametrize("declared", [None, "ISO_IR 192"])
def test_no_result_leaves_under_a_name_that_cannot_be_read(declared: str | None, line: Line, tmp_path: Path) -> None:
    send(line, *film(declared))
    line.do("assemble")
    study = line.study()
    assert (study.state, study.reason) == ("needs-attention", "character-set")
    assert "Patient's Name" in study.explanation
    assert "ller" not in study.explanation
    assert line.idle("flag")
    assert names(tmp_path) == []


def test_the_sender_corrects_the_character_set_and_the_result_leaves(line: Line, tmp_path: Path) -> None:
    image, data = film("ISO_IR 192")
    send(line, image, data)
    line.do("assemble")
    send(line, image, data.replace(b"ISO_IR 192", b"ISO_IR 100"))
    line.do("assemble", "flag", "read", "report", "deliver")
    assert names(tmp_path) == [NAME]


def test_the_site_says_what_is_meant_and_the_result_leaves(line: Line, tmp_path: Path) -> None:
    image, data = film(None)
    send(line, image, data)
    line.do("assemble")
    settings = tmp_path / "settings.toml"
    root = line.settings.storage.root
    settings.write_text(
        f'[storage]\nroot = "{root}"\nreserve_gb = 0\n[intake]\nundeclared_character_set = "ISO_IR 100"\n', "utf-8"
    )
    command = [sys.executable, "-m", "agent.cli", "--settings", str(settings), "retry", str(image.StudyInstanceUID)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    line.do("assemble", "flag", "read", "report", "deliver")
    assert names(tmp_path) == [NAME]
