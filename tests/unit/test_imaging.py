"""The picture the model sees: right polarity, right side, right contrast; and every point of it leads back to the stored image."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset

from agent.demo.films import pydicom_data_file
from agent.demo.phantom import KINDS, make_study
from agent.errors import Permanent
from agent.imaging.decode import DecodeLimits, decode_stored, missing_decoders
from agent.imaging.facts import InstanceFacts, facts_of
from agent.imaging.geometry import apply_turn, transform_of, upright
from agent.imaging.render import Rendered, render, render_file
from agent.imaging.views import select_images
from agent.settings import Gate
from dicom_nodes.contexts import TRANSFER_SYNTAXES
from tests.support.films import rg1, save, small_image


def shown(image: Dataset, stored: np.ndarray[Any, Any] | None = None) -> Rendered:
    return render(image, image.pixel_array if stored is None else stored)


BASE = small_image(WindowCenter="2048", WindowWidth="4096")
REFERENCE = shown(BASE).picture.astype(int)


def variant(**changes: object) -> Dataset:
    return small_image(**{"WindowCenter": "2048", "WindowWidth": "4096", **changes})


def difference(rendered: Rendered) -> int:
    return int(np.abs(rendered.picture.astype(int) - REFERENCE).max())


def inverted() -> dict[str, object]:
    return {"PhotometricInterpretation": "MONOCHROME1", "PixelData": (4095 - BASE.pixel_array).astype("<u2").tobytes()}


@pytest.mark.parametrize("shape", [None, "INVERSE", "IDENTITY"])
def test_monochrome1_is_inverted_once_whatever_the_presentation_lut_shape_says(shape: str | None) -> None:
    changes = inverted() | ({} if shape is None else {"PresentationLUTShape": shape})
    rendered = shown(variant(**changes))
    assert difference(rendered) <= 1
    assert any("contradicts" in n for n in rendered.notes) == (shape == "IDENTITY")


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"WindowWidth": "0"}, "window of the image is invalid"),
        ({"WindowCenter": "40", "WindowWidth": "2"}, "clips almost everything"),
        ({"WindowCenter": "2048", "WindowWidth": "900000"}, "hardly any contrast"),
        ({"RescaleIntercept": "0", "RescaleSlope": "1e999"}, "rescale values are unusable"),
        ({"WindowCenter": ["2048", "1000"], "WindowWidth": ["4096", "10"]}, ""),
        ({"VOILUTFunction": "LINEAR_EXACT"}, ""),
        ({"RescaleIntercept": "-1024", "RescaleSlope": "1", "WindowCenter": "1024"}, ""),
    ],
)
def test_a_window_that_is_not_meant_does_not_blind_the_model(changes: dict[str, object], note: str) -> None:
    rendered = shown(variant(**changes))
    assert difference(rendered) <= 6
    assert (note == "") or any(note in n for n in rendered.notes)
    assert rendered.picture.std() > 30


def test_a_voi_lut_is_used_before_the_window_and_a_broken_one_is_not() -> None:
    image = variant(WindowCenter="10", WindowWidth="20")
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [4096, 0, 16])
    item.add_new("LUTData", "OW", (np.arange(4096) * 16).astype("<u2").tobytes())
    image.VOILUTSequence = [item]
    assert difference(shown(image)) <= 1
    item.LUTData = b"\0\0"
    rendered = shown(image)
    assert any("VOI LUT is unusable" in n for n in rendered.notes)
    assert rendered.picture.std() > 30


def test_pixels_beyond_bits_stored_are_said() -> None:
    """Overlay bits, or a header of another image."""
    stored = BASE.pixel_array.copy()
    stored[5, 5] |= 1 << 14
    assert any(n.startswith("1 pixels have values beyond Bits Stored (12)") for n in shown(BASE, stored).notes)
    assert not any("Bits Stored" in n for n in shown(BASE).notes)


def test_padding_is_black_and_does_not_take_part_in_the_contrast() -> None:
    stored = BASE.pixel_array.copy()
    stored[:, :10] = 4095
    image = small_image(PixelPaddingValue=4095)
    del image.PatientOrientation
    rendered = shown(image, stored)
    assert (rendered.picture[:, :10] == 0).all()
    assert rendered.picture[-1, -2] > 200


def test_outside_the_shutter_is_black() -> None:
    image = variant(ShutterShape="RECTANGULAR", ShutterLeftVerticalEdge=11, ShutterRightVerticalEdge=70)
    image.ShutterUpperHorizontalEdge, image.ShutterLowerHorizontalEdge = 21, 90
    picture = shown(image).picture
    assert (picture[:20] == 0).all()
    assert (picture[:, :10] == 0).all()
    assert (picture[20:90, 10:70] == REFERENCE[20:90, 10:70]).all()


def test_a_constant_image_is_refused() -> None:
    with pytest.raises(Permanent) as error:
        shown(BASE, np.full((96, 80), 7, dtype="<u2"))
    assert error.value.code == "constant-image"


@pytest.mark.parametrize(
    "orientation", [["L", "F"], ["R", "F"], ["L", "H"], ["R", "H"], ["F", "L"], ["H", "R"], ["F", "R"], ["H", "L"]]
)
def test_the_patients_right_is_on_the_pictures_left_however_the_image_is_stored(orientation: list[str]) -> None:
    """A film with a mark at the patient's right, near the head, stored in each of the eight ways."""
    stored = np.full((90, 70), 100, dtype="<u2")
    along_row, along_column = orientation
    lengths = {"row": 70, "column": 90}

    def position(direction: str, toward: str, length: int) -> int:
        return length - 10 if direction == toward else 10

    column = position(along_row, "R" if along_row in "LR" else "H", lengths["row"])
    row = position(along_column, "R" if along_column in "LR" else "H", lengths["column"])
    stored[row - 3 : row + 3, column - 3 : column + 3] = 4000
    rendered = shown(
        small_image(90, 70, PatientOrientation=orientation, WindowCenter="2048", WindowWidth="4096"), stored
    )
    y, x = (int(v.mean()) for v in np.nonzero(rendered.picture > 200))
    height, width = rendered.picture.shape
    assert x < width / 2, "patient's right on the left"
    assert y < height / 2, "head up"
    back_column, back_row = rendered.transform.to_stored(x + 0.5, y + 0.5)
    assert abs(back_column - column) <= 2
    assert abs(back_row - row) <= 2


@given(
    orientation=st.sampled_from([("L", "F"), ("R", "F"), ("L", "H"), ("F", "L"), ("H", "R"), ("A", "F"), ("F", "P"), ()]),
    rows=st.integers(64, 90), columns=st.integers(64, 90), data=st.data(),
)  # fmt: skip
def test_every_pixel_of_the_picture_leads_back_to_the_stored_pixel_it_came_from(
    orientation: tuple[str, ...], rows: int, columns: int, data: st.DataObject
) -> None:
    stored = (np.arange(rows * columns) % 251).astype(np.uint8).reshape(rows, columns)
    turn = upright(orientation)
    picture = apply_turn(stored, turn)
    transform = transform_of(turn, stored_size=(columns, rows), squared_size=(columns, rows))
    x, y = data.draw(st.integers(0, picture.shape[1] - 1)), data.draw(st.integers(0, picture.shape[0] - 1))
    column, row = transform.to_stored(x + 0.5, y + 0.5)
    assert stored[int(row), int(column)] == picture[y, x]
    assert transform.fraction_to_stored((x + 0.5) / picture.shape[1], (y + 0.5) / picture.shape[0]) == pytest.approx(
        (column, row)
    )


def test_pixels_that_are_not_square_are_made_square_and_still_lead_back() -> None:
    rendered = shown(variant(PixelAspectRatio=["2", "1"]))
    assert rendered.picture.shape == (192, 80)
    assert rendered.transform.to_stored(40, 96) == pytest.approx((40, 48))


@pytest.mark.parametrize("syntax", [t.uid for t in TRANSFER_SYNTAXES])
def test_a_film_looks_the_same_in_every_transfer_syntax(syntax: str, tmp_path: Path) -> None:
    original = render_file(pydicom_data_file("RG1_UNCR.dcm")).picture.astype(float)
    rendered = render_file(rg1(tmp_path, syntax))
    assert np.corrcoef(original[::20, ::20].ravel(), rendered.picture[::20, ::20].ravel().astype(float))[0, 1] > 0.999


def test_no_decoder_is_missing() -> None:
    assert missing_decoders() == ()


def test_a_malformed_stream_is_refused_and_takes_nothing_with_it(tmp_path: Path) -> None:
    film = rg1(tmp_path, "1.2.840.10008.1.2.4.70")
    content = bytearray(film.read_bytes())
    content[-2_000_000:-1_000] = b"\xff\xda" * 999_500
    film.write_bytes(content)
    with pytest.raises(Permanent) as error:
        decode_stored(film)
    assert error.value.code in ("undecodable", "decode-out-of-memory", "decode-timeout")


def test_a_decoder_is_bounded_in_time_and_memory() -> None:
    film = pydicom_data_file("RG1_UNCR.dcm")
    with pytest.raises(Permanent) as error:
        decode_stored(film, DecodeLimits(seconds=0.001))
    assert error.value.code == "decode-timeout"
    with pytest.raises(Permanent) as error:
        decode_stored(film, DecodeLimits(memory_bytes=64 << 20))
    assert error.value.code in ("decode-out-of-memory", "undecodable")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, "used-frontal"),
        ({"BodyPartExamined": "HAND"}, "not-chest"),
        ({"BodyPartExamined": ""}, "not-known-to-be-chest"),
        ({"BodyPartExamined": "", "StudyDescription": "XR Chest 2 views"}, "used-frontal"),
        ({"ViewPosition": "LL"}, "lateral-only"),
        ({"ViewPosition": "LLD"}, "view-not-read"),
        ({"ViewPosition": "", "PatientOrientation": ["A", "F"]}, "lateral-only"),
        ({"BodyPartExamined": "CHEST_PA"}, "used-frontal"),
        ({"BodyPartExamined": "TORAX"}, "used-frontal"),
        ({"ViewPosition": "", "PatientOrientation": None}, "view-unknown"),
        ({"ViewPosition": "", "PatientOrientation": None, "SeriesDescription": "Thorax pa"}, "used-frontal"),
        ({"PhotometricInterpretation": "RGB", "SamplesPerPixel": 3}, "not-grayscale"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "not-grayscale"),
        ({"NumberOfFrames": "3"}, "multi-frame"),
        ({"Rows": 20}, "matrix-too-small"),
        ({"Rows": 20000, "Columns": 20000}, "matrix-too-large"),
        ({"BitsAllocated": 32}, "bit-depth"),
        ({"PresentationIntentType": "FOR PROCESSING"}, "for-processing"),
        ({"QualityControlImage": "YES"}, "quality-control"),
        ({"ImageType": ["DERIVED", "SECONDARY"]}, "derived-image"),
        ({"ImageType": ["DERIVED", "PRIMARY"]}, "used-frontal"),
        ({"ImageType": ["DERIVED", "PRIMARY", "BONE_SUPPRESSED"]}, "processed-image"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "", "TOMO"]}, "processed-image"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "", "REJECTED"]}, "rejected-image"),
        ({"QualityControlImage": "BOTH"}, "used-frontal"),
        ({"Modality": "MG"}, "modality-not-read"),
        ({"Modality": "DX"}, "used-frontal"),
        ({"Modality": ""}, "used-frontal"),
        ({"PatientAge": "017Y"}, "too-young"),
        ({"PatientAge": "018Y"}, "used-frontal"),
        ({"PatientAge": "003D"}, "too-young"),
        ({"PatientAge": "215M"}, "too-young"),
        ({"PatientAge": "216M"}, "used-frontal"),
        ({"PatientBirthDate": "20080104"}, "too-young"),  # the study is of 2026-01-03, one day before the birthday
        ({"PatientBirthDate": "20080103"}, "used-frontal"),
        ({"PatientAge": "045Y", "PatientBirthDate": "20200101"}, "used-frontal"),  # the stated age goes first
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.2"}, "sop-class-not-read"),
    ],
)
def test_each_image_is_used_or_declined_with_a_reason(changes: dict[str, object], reason: str) -> None:
    (selection,) = select_images([facts_of(small_image(**changes))], Gate())
    assert selection.reason == reason
    assert selection.explanation
    assert selection.used == reason.startswith("used-")


def test_the_newest_frontal_is_read_and_the_other_one_is_told_so() -> None:
    images = [facts_of(small_image(AcquisitionDateTime=f"2026010310{minute:02}00")) for minute in (5, 20, 10)]
    assert [s.reason for s in select_images(images, Gate())] == [
        "newer-frontal-used",
        "used-frontal",
        "newer-frontal-used",
    ]


@pytest.mark.parametrize(
    ("value", "role"),
    [
        ("399033003", "frontal"), ("R-10202", "frontal"), ("R-40888", "frontal"), ("R-102CD", "lateral"), ("399182000", "other"),
        ("R-10228", "frontal"),  # a view nobody has of a chest: View Position decides
    ],
)  # fmt: skip
def test_the_view_is_what_the_standard_calls_it(value: str, role: str) -> None:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "SCT", "view"
    facts = facts_of(small_image(ViewCodeSequence=[item], ViewPosition="PA"))
    (selection,) = select_images([facts], Gate())
    expected = {"frontal": "used-frontal", "lateral": "lateral-only", "other": "view-not-read"}
    assert selection.reason == expected[role]


def test_facts_survive_json() -> None:
    facts = facts_of(make_study(KINDS[1], seed=1, patient_id="P", accession="A")[0])
    assert InstanceFacts.from_json(facts.to_json()) == facts


def test_drawn_films_are_valid_dx_objects(tmp_path: Path) -> None:
    for image in make_study("right-effusion", seed=1, patient_id="P", accession="A"):
        path = save(image, tmp_path / "x.dcm")
        done = subprocess.run(["dciodvfy", "-new", str(path)], capture_output=True, text=True, check=False)
        assert not [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Error")]
