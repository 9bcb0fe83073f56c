"""Drawn films as DICOM: however they are stored, the reader sees the same picture."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from pydicom import Dataset

from agent.commissioning.films import (
    KINDS,
    ORIENTATIONS,
    FilmStyle,
    is_phantom,
    make_study,
    oriented,
    phantom_study,
)
from agent.commissioning.phantom import Plant, Scene, draw
from agent.imaging.facts import facts_of
from agent.imaging.render import render
from agent.imaging.views import select_images
from agent.settings import Gate

SCENE = Scene(3, (Plant("pneumothorax", "right", 0.6), Plant("chest_tube", "right", 0.5)), "AP")
SMALL = {"rows": 200, "columns": 164}
STYLES = [
    FilmStyle(
        **SMALL,
        monochrome1=bool(n % 2),
        bits_stored=bits,
        contrast=contrast,
        orientation=orientation,
        padding=n % 3 == 0,
    )
    for n, (bits, contrast, orientation) in enumerate(
        itertools.product((8, 10, 12, 14, 16), ("window", "voi-lut"), ("upright", "mirrored", "quarter-turn"))
    )
]


def study(style: FilmStyle, **how: object) -> list[Dataset]:
    return phantom_study(SCENE, patient_id="P", accession="A", style=style, **how)  # type: ignore[arg-type]


@pytest.mark.parametrize("style", STYLES, ids=str)
def test_every_style_shows_the_same_film(style: FilmStyle) -> None:
    for image in study(style):
        scene = SCENE if image.ViewPosition == "AP" else SCENE.lateral()
        wanted = draw(scene, style.rows, style.columns).density * 255
        shown = render(image, image.pixel_array).picture
        assert shown.shape == wanted.shape
        inside = (slice(10, -10), slice(10, -10))
        assert np.abs(shown[inside] - wanted[inside]).max() < 3
        if style.padding:
            assert shown[0].max() == shown[:, 0].max() == 0


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_every_orientation_is_turned_back(orientation: str) -> None:
    for image in study(FilmStyle(**SMALL, orientation=orientation)):
        scene = SCENE if image.ViewPosition == "AP" else SCENE.lateral()
        shown = render(image, image.pixel_array).picture
        assert np.abs(shown - draw(scene, 200, 164).density * 255).max() < 3


def test_a_film_without_a_window_is_shown_by_its_own_contrast() -> None:
    image = study(FilmStyle(**SMALL, contrast="none", monochrome1=True))[0]
    shown = render(image, image.pixel_array)
    wanted = draw(SCENE, 200, 164).density
    assert np.corrcoef(shown.picture.ravel(), wanted.ravel())[0, 1] > 0.99
    assert any("no usable window" in note for note in shown.notes)


def test_the_header_says_that_it_is_a_phantom_and_not_what_is_planted() -> None:
    for image in study(FilmStyle(**SMALL)):
        assert is_phantom(image)
        said = str(image).lower()
        assert "pneumothorax" not in said
        assert "tube" not in said
    assert not is_phantom(Dataset())


def test_both_films_of_a_study_are_used() -> None:
    facts = [facts_of(image) for image in study(FilmStyle(**SMALL))]
    assert [s.role for s in select_images(facts, Gate())] == ["frontal", "lateral"]


def test_the_same_arguments_give_the_same_objects() -> None:
    first, again = study(FilmStyle(**SMALL)), study(FilmStyle(**SMALL))
    assert [i.SOPInstanceUID for i in first] == [i.SOPInstanceUID for i in again]
    assert [i.PixelData for i in first] == [i.PixelData for i in again]
    assert {i.StudyInstanceUID for i in first}.isdisjoint(
        i.StudyInstanceUID for i in study(FilmStyle(**SMALL), prior_of=first)
    )


def test_a_prior_is_of_the_same_patient_and_earlier() -> None:
    now = study(FilmStyle(**SMALL), lateral=False)
    (before,) = study(FilmStyle(**SMALL), lateral=False, prior_of=now, days_before=10)
    assert before.PatientID == now[0].PatientID
    assert (before.StudyDate, now[0].StudyDate) == ("20251224", "20260103")


def test_studies_have_names() -> None:
    for kind in KINDS:
        images = make_study(kind, seed=1, patient_id="P", accession="A", views=("PA",))
        assert [i.ViewPosition for i in images] == ["PA"]
    with pytest.raises(ValueError, match="not one of"):
        make_study("broken", seed=1, patient_id="P", accession="A")


def test_a_style_that_does_not_exist_is_refused() -> None:
    for wrong in ({"contrast": "x"}, {"orientation": "x"}, {"bits_stored": 9}):
        with pytest.raises(ValueError, match="is not"):
            FilmStyle(**wrong)  # type: ignore[arg-type]


def test_orientations_are_what_they_say() -> None:
    film = np.arange(6).reshape(2, 3)
    assert oriented(film, "mirrored").tolist() == [[2, 1, 0], [5, 4, 3]]
    assert oriented(film, "quarter-turn").tolist() == [[3, 0], [4, 1], [5, 2]]
