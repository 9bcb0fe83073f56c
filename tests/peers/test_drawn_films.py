"""dciodvfy finds no error in a drawn film, however it is stored."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from agent.commissioning.films import ORIENTATIONS, FilmStyle, phantom_study
from agent.commissioning.phantom import Plant, Scene

pytestmark = pytest.mark.peers

SCENE = Scene(1, (Plant("nodule", "left", 0.5),), "AP")


def errors(style: FilmStyle, folder: Path) -> list[str]:
    found = []
    for image in phantom_study(SCENE, patient_id="P", accession="A", style=style):
        path = folder / f"{image.ViewPosition}.dcm"
        image.save_as(path, enforce_file_format=True)
        done = subprocess.run(["dciodvfy", "-new", str(path)], capture_output=True, text=True, check=False, timeout=60)
        said = done.stdout + done.stderr
        assert "DXImageForPresentation" in said
        found += [line for line in said.splitlines() if line.startswith("Error")]
    return found


@pytest.mark.parametrize("bits_stored", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("contrast", ["window", "voi-lut"])
def test_a_drawn_film_is_valid(bits_stored: int, contrast: str, tmp_path: Path) -> None:
    for n, orientation in enumerate(ORIENTATIONS):
        style = FilmStyle(200, 164, bool(n % 2), bits_stored, contrast, orientation, n > 2)
        assert errors(style, tmp_path) == []


def test_a_film_without_contrast_is_the_one_that_breaks_a_condition(tmp_path: Path) -> None:
    """DX For Presentation must say how it is to be shown; films that do not are met all the same."""
    said = errors(FilmStyle(200, 164, contrast="none"), tmp_path)
    assert said
    assert all("WindowCenter" in line or "VOILUTSequence" in line for line in said)
