"""A hand, an animal or a child is never read as an adult's chest, and no chest film is lost to the gate."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from agent.commissioning.films import KINDS, make_study
from agent.demo.films import pydicom_data_file
from agent.errors import SettingsError
from agent.gate_maker.collect import dicom_files, films, patient_of
from agent.gate_maker.drawn import DRAWN, drawn
from agent.gate_maker.measure import CHANGES, changed, varied, verdicts
from agent.gate_maker.train import Net
from agent.imaging import gate_net
from agent.imaging.claims import age_in_days, judge_claims
from agent.imaging.facts import InstanceFacts, facts_of
from agent.imaging.quality import judge
from agent.imaging.render import render, render_file
from agent.imaging.views import FRONTAL, LATERAL, select_images
from agent.reading.pictures import Candidate, prepare
from agent.settings import Gate, load
from tests.support.films import save, small_image
from tests.support.timing import least_times

Gray = NDArray[np.uint8]
_CHEST: list[Gray] = []


def chest() -> Gray:
    """RG1, an adult's chest, as the line renders it; made smaller to be quick."""
    if not _CHEST:
        picture = render_file(pydicom_data_file("RG1_UNCR.dcm")).picture
        _CHEST.append(np.asarray(Image.fromarray(picture).resize((460, 488)), np.uint8))
    return _CHEST[0]


def code(picture: Gray, role: str = FRONTAL) -> str:
    problem = judge(picture, role).problem
    return "" if problem is None else problem[0]


# ---------------------------------------------------------------------------------------------- what the header says


@pytest.mark.parametrize(
    ("gate", "age", "reason"),
    [
        (Gate(), "", "used-frontal"),
        (Gate(unknown_age="decline"), "", "age-unknown"),
        (Gate(unknown_age="decline", youngest_years=0), "", "used-frontal"),
        (Gate(youngest_years=0), "002D", "used-frontal"),
        (Gate(oldest_years=90), "090Y", "used-frontal"),
        (Gate(oldest_years=90), "091Y", "too-old"),
    ],
)
def test_the_site_says_how_old_patients_may_be(gate: Gate, age: str, reason: str) -> None:
    (selection,) = select_images([facts_of(small_image(PatientAge=age))], gate)
    assert selection.reason == reason


def test_an_unknown_age_is_said_where_the_image_is_read() -> None:
    (selection,) = select_images([facts_of(small_image())], Gate())
    assert selection.used
    assert "how old the patient is" in selection.explanation


@pytest.mark.parametrize("born", ["20270101", "18500101", "19991399", "1999", "unknown"])
def test_a_birth_date_that_cannot_be_is_no_age(born: str) -> None:
    assert age_in_days(InstanceFacts(patient_birth_date=born, study_date="20260103")) is None


def test_without_a_study_date_the_day_of_acquisition_counts() -> None:
    facts = InstanceFacts(patient_birth_date="20160103", acquisition_datetime="20260103101500.00+0100")
    days = age_in_days(facts)
    assert days is not None
    assert round(days / 365.25) == 10


@given(st.text(max_size=12), st.text(max_size=12), st.text(max_size=12))
def test_no_header_stops_the_gate(age: str, born: str, studied: str) -> None:
    facts = InstanceFacts(patient_age=age, patient_birth_date=born, study_date=studied)
    judge_claims(facts, Gate(oldest_years=99, unknown_age="decline"))


def test_a_gate_that_lets_nobody_through_is_a_mistake(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("[gate]\nyoungest_years = 18\noldest_years = 10\n", encoding="utf-8")
    with pytest.raises(SettingsError, match="nobody would be read"):
        load(file)


# ----------------------------------------------------------------------------------------------- what the picture says


def test_an_adult_chest_is_read() -> None:
    quality = judge(chest(), FRONTAL)
    assert quality.problem is None
    assert quality.wrong_view is None


def test_a_tibia_that_is_called_a_chest_is_not_read() -> None:
    assert code(render_file(pydicom_data_file("RG3_UNCR.dcm")).picture) == "not-a-chest"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda p: p[::-1, ::-1], "upside-down"),
        (lambda p: p[::-1], "upside-down"),
        (lambda p: np.rot90(p), "turned"),
        (lambda p: np.rot90(p, 3), "turned"),
        (lambda p: 255 - p, "inverted"),
        (lambda p: np.where(p > 90, 255, 0).astype(np.uint8), "exposure"),
        (lambda p: (p > 0).astype(np.uint8) * 4 + 120, "exposure"),
        (lambda p: np.zeros_like(p), "exposure"),
        (lambda p: np.clip((p.astype(int) - 150) * 12, 0, 255).astype(np.uint8), "clipped"),
    ],
)
def test_a_chest_that_cannot_be_read_as_it_is_says_why(change: object, expected: str) -> None:
    assert code(np.ascontiguousarray(change(chest()))) == expected  # type: ignore[operator]


def test_half_a_chest_is_not_read_as_a_whole_one() -> None:
    picture = chest()
    for half in (picture[:, : picture.shape[1] // 2], picture[:, picture.shape[1] // 2 :]):
        assert code(half) in ("cut-off", "not-a-chest")


def test_a_mirrored_chest_is_still_a_chest() -> None:
    small = gate_net.shrunk(chest())
    trained = gate_net.weights()
    one, other = (gate_net.see_all(np.ascontiguousarray(p)[None], trained)[0] for p in (small, small[:, ::-1]))
    assert one.no_chest == pytest.approx(other.no_chest, abs=1e-5)
    assert code(chest()[:, ::-1]) == ""


@settings(deadline=None, max_examples=40)
@given(gain=st.floats(0.4, 1.0), offset=st.floats(0.0, 0.3), gamma=st.floats(0.6, 1.6))
def test_brightness_and_contrast_do_not_make_a_chest_something_else(gain: float, offset: float, gamma: float) -> None:
    scaled = np.clip(255 * (gain * (chest() / 255.0) ** gamma + offset), 0, 255).astype(np.uint8)
    assert code(scaled) in ("", "clipped")


@settings(deadline=None, max_examples=60)
@given(
    rows=st.integers(1, 130),
    columns=st.integers(1, 130),
    seed=st.integers(0, 2**32 - 1),
    levels=st.sampled_from([1, 2, 5, 256]),
    role=st.sampled_from([FRONTAL, LATERAL]),
)
def test_any_picture_gets_a_verdict(rows: int, columns: int, seed: int, levels: int, role: str) -> None:
    values = np.random.default_rng(seed).integers(0, levels, (rows, columns)) * (255 // max(levels - 1, 1))
    quality = judge(values.astype(np.uint8), role)
    assert quality.problem is None or all(quality.problem)


@pytest.mark.parametrize("kind", DRAWN)
def test_what_is_drawn_as_something_else_is_refused(kind: str) -> None:
    rng = np.random.default_rng(4711)
    found = [code(drawn(rng, kind)) for _ in range(25)]
    assert sum(c == "" for c in found) == 0, found


def test_other_modalities_that_come_with_pydicom_are_refused() -> None:
    items = [i for i in dicom_files() if i.kind in ("dicom:MR", "dicom:CT", "dicom:US")]
    refused = [code(i.picture) != "" for i in items]
    assert len(items) > 50
    assert np.mean(refused) >= 0.98


def test_a_verdict_takes_no_time_worth_speaking_of() -> None:
    picture = render_file(pydicom_data_file("RG1_UNCR.dcm")).picture
    judge(picture, FRONTAL)

    def is_less(verdict: float, transform: float) -> bool:
        return verdict < transform

    times = least_times(lambda: judge(picture, FRONTAL), lambda: np.fft.fft2(picture), enough=is_less)
    assert is_less(*times), f"one transform of the picture takes longer: {times}"


# ------------------------------------------------------------------------------------------------- what becomes of it


def _candidates(folder: Path) -> list[Candidate]:
    tibia = pydicom_data_file("RG3_UNCR.dcm")
    return [
        Candidate(1, tibia, FRONTAL, spare=False),
        Candidate(2, pydicom_data_file("RG1_UNCR.dcm"), FRONTAL, spare=True),
    ]


def test_the_next_image_is_read_in_place_of_one_that_is_no_chest(tmp_path: Path) -> None:
    prepared = prepare(_candidates(tmp_path), Gate())
    assert prepared.keys == (2,)
    assert [(c.key, c.used, c.reason) for c in prepared.changes] == [
        (1, False, "not-a-chest"), (2, True, "used-frontal"),
    ]  # fmt: skip
    assert "does not look like a chest" in prepared.changes[0].explanation


def test_a_study_of_a_tibia_is_not_analysed_and_says_why(tmp_path: Path) -> None:
    prepared = prepare(_candidates(tmp_path)[:1], Gate())
    assert prepared.pictures == ()
    assert prepared.problem is not None
    assert prepared.problem[0] == "not-a-chest"


def test_a_site_can_switch_the_gate_on_pixels_off(tmp_path: Path) -> None:
    assert prepare(_candidates(tmp_path)[:1], Gate(pixels=False)).keys == (1,)


def test_a_frontal_film_called_lateral_is_remarked_on_or_declined_as_the_site_says(tmp_path: Path) -> None:
    film = pydicom_data_file("RG1_UNCR.dcm")
    both = [Candidate(1, film, FRONTAL, spare=False), Candidate(2, film, LATERAL, spare=False)]
    remarked = prepare(both, Gate())
    assert remarked.keys == (1, 2)
    assert any("looks frontal" in note for note in remarked.notes)
    declined = prepare(both, Gate(wrong_view="decline"))
    assert declined.keys == (1,)
    assert [c.reason for c in declined.changes] == ["view-looks-frontal"]


def test_an_image_that_is_only_a_ramp_is_no_chest(tmp_path: Path) -> None:
    path = save(small_image(), tmp_path / "ramp.dcm")
    prepared = prepare([Candidate(1, path, FRONTAL, spare=False)], Gate())
    assert prepared.problem is not None


# ------------------------------------------------------------------------------------------------ how it was measured


def test_the_numbers_in_the_paper_hold_for_the_adult_film_and_the_tibia() -> None:
    """docs/gate.md, on what is at hand everywhere: each film placed, windowed, collimated and marked in 200 ways."""
    of = {i.kind: varied(i.picture)[:200] for i in films()}
    for name, (wanted, change) in CHANGES.items():
        if wanted == "cut-off":
            continue
        found = verdicts([changed(p, change) for p in of["adult-film"]], FRONTAL, gate_net.weights())
        assert np.mean([c == wanted for c in found]) >= 0.98, name
    found = verdicts([changed(p, lambda q: q) for p in of["tibia"]], FRONTAL, gate_net.weights())
    assert np.mean([c == "" for c in found]) <= 0.01


def test_the_network_runs_without_torch_as_it_was_trained_with_it() -> None:
    torch.manual_seed(0)
    net = Net()
    small = np.random.default_rng(1).integers(0, 256, (6, 64, 64)).astype(np.uint8)
    seen = gate_net.features(small)
    net(torch.from_numpy(seen))  # the batch norms take in something
    net.eval()
    folded = {name: v.astype(np.float32) for name, v in net.folded().items()}
    with torch.no_grad():
        wanted = [head.numpy() for head in net(torch.from_numpy(seen))]
    for a, b in zip(wanted, gate_net.forward(folded, seen), strict=True):
        assert np.abs(a - b).max() < 0.01


@pytest.mark.parametrize(
    ("name", "patient"),
    [
        ("person12_bacteria_46.jpeg", "person12"),
        ("person12_virus_3_1.jpeg", "person12"),
        ("IM-0115-0001.jpeg", "IM-0115"),
        ("NORMAL2-IM-0927-0001-0002.jpeg", "NORMAL2-IM-0927"),
    ],
)
def test_the_films_of_one_patient_are_held_out_together(name: str, patient: str) -> None:
    assert patient_of(name) == patient


def test_the_films_of_the_demonstration_pass() -> None:
    for kind in KINDS:
        for image in make_study(kind, seed=901, patient_id="P", accession="A"):
            role = LATERAL if image.ViewPosition in ("LL", "RL") else FRONTAL
            assert code(render(image, image.pixel_array).picture, role) == ""
