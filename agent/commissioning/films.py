"""Drawn films as DICOM: DX For Presentation objects in the many ways films are stored.

No header says what is planted: a program that reads the film must look at it. That it is a phantom is said by
Manufacturer and Manufacturer's Model Name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

from agent.commissioning.canvas import Field
from agent.commissioning.phantom import Plant, Scene, draw

MANUFACTURER, MODEL_NAME = "cxr-preread project", "phantom"
CONTRASTS = ("window", "voi-lut", "none")
_STUDY_DATE = date(2026, 1, 3)
_GAMMA = 0.6  # of stored values that need their VOI LUT to look right
_BORDER = 0.025  # of rows and columns that padding covers

_VIEW_CODES = {
    "PA": ("272479007", "postero-anterior"),
    "AP": ("399348003", "antero-posterior"),
    "LL": ("399173006", "left lateral"),
}


@dataclass(frozen=True, slots=True)
class FilmStyle:
    """How a film is stored; it looks the same in every style once it is rendered as the header says.

    Attributes:
        rows, columns: of the upright film.
        monochrome1: whether low values are bright.
        bits_stored: 8, 10, 12, 14 or 16.
        contrast: ``window``, ``voi-lut`` or ``none``; the last leaves it to the reader, which the standard does not
            allow (PS3.3 A.26.4) and films do.
        orientation: how the pixels lie, one of `ORIENTATIONS`; Patient Orientation says so.
        padding: whether a border is padding (Pixel Padding Value).
    """

    rows: int = 1024
    columns: int = 840
    monochrome1: bool = False
    bits_stored: int = 12
    contrast: str = "window"
    orientation: str = "upright"
    padding: bool = False

    def __post_init__(self) -> None:
        if self.contrast not in CONTRASTS:
            raise ValueError(f"{self.contrast!r} is not one of {', '.join(CONTRASTS)}")
        if self.orientation not in ORIENTATIONS:
            raise ValueError(f"{self.orientation!r} is not one of {', '.join(ORIENTATIONS)}")
        if self.bits_stored not in (8, 10, 12, 14, 16):
            raise ValueError(f"bits_stored {self.bits_stored} is not 8, 10, 12, 14 or 16")


# How stored pixels come from the upright film, and the directions of a row and of a column then (PS3.3 C.7.6.1.1.1).
ORIENTATIONS = {
    "upright": ("L", "F"),
    "mirrored": ("R", "F"),
    "upside-down": ("L", "H"),
    "half-turn": ("R", "H"),
    "transposed": ("F", "L"),
    "quarter-turn": ("H", "L"),
}
# A lateral may face either way, so that a mirrored one is not turned back by who shows it: it is never stored so.
_LATERAL_ORIENTATIONS = ("upright", "upside-down", "transposed", "quarter-turn")
_LATERAL_DIRECTION = {"L": "P", "R": "A"}


def phantom_study(
    scene: Scene,
    *,
    patient_id: str,
    accession: str,
    lateral: bool = True,
    prior_of: Sequence[Dataset] | None = None,
    days_before: int = 30,
    style: FilmStyle | None = None,
    patient_name: str = "Phantom^Drawn",
) -> list[Dataset]:
    """A study of drawn films: the frontal one, then the lateral one. The same arguments give the same UIDs and pixels.

    Args:
        scene: the frontal film. Where its findings lie in the upright film: ``draw(scene, style.rows,
            style.columns).boxes``.
        lateral: whether a left lateral of the same patient comes with it.
        prior_of: the later study that this one is the prior of; it is dated `days_before` earlier. Give both the same
            `patient_id` and scenes of the same `patient`.
        style: how the films are stored.
    """
    chosen = style or FilmStyle()
    day = _STUDY_DATE
    if prior_of:
        day = date.fromisoformat(str(prior_of[0].StudyDate)) - timedelta(days=days_before)
    views = [scene, scene.lateral()] if lateral and scene.view != "LL" else [scene]
    study_uid = _uid("study", repr(scene), patient_id, accession, str(day))
    return [
        _dataset(view, chosen, study_uid, patient_id, patient_name, accession, day, number)
        for number, view in enumerate(views, start=1)
    ]


_KINDS: dict[str, tuple[Plant, ...]] = {
    "clear": (),
    "left-effusion": (Plant("pleural_effusion", "left", 0.6),),
    "right-effusion": (Plant("pleural_effusion", "right", 0.6),),
    "right-pneumothorax": (Plant("pneumothorax", "right", 0.7),),
    "cardiomegaly": (Plant("cardiomegaly", "", 0.7),),
    "right-pneumothorax-chest-tube": (Plant("pneumothorax", "right", 0.7), Plant("chest_tube", "right", 0.6)),
    "left-effusion-cardiomegaly": (Plant("pleural_effusion", "left", 0.6), Plant("cardiomegaly", "", 0.7)),
    "cardiomegaly-edema": (Plant("pulmonary_edema", "bilateral", 0.6), Plant("cardiomegaly", "", 0.7)),
}
KINDS = tuple(_KINDS)


def scene_of(kind: str, *, seed: int) -> Scene:
    """The frontal film by the name of what it shows, one of `KINDS`."""
    if kind not in _KINDS:
        raise ValueError(f"{kind!r} is not one of {', '.join(KINDS)}")
    return Scene(seed, _KINDS[kind], "PA")


def make_study(
    kind: str, *, seed: int, patient_id: str, accession: str, views: tuple[str, ...] = ("PA", "LL")
) -> list[Dataset]:
    """A study by the name of what it shows, one of `KINDS`. Raises `ValueError` for another."""
    made = phantom_study(scene_of(kind, seed=seed), patient_id=patient_id, accession=accession, lateral="LL" in views)
    return [ds for ds in made if str(ds.ViewPosition) in views]


def is_phantom(header: Dataset) -> bool:
    """Whether a header says that the film was drawn by this project."""
    return (str(header.get("Manufacturer", "")), str(header.get("ManufacturerModelName", ""))) == (
        MANUFACTURER,
        MODEL_NAME,
    )


def _uid(*sources: str) -> str:
    """A UID of the UUID form (PS3.5 B.2) that is a digest of what it names."""
    return f"2.25.{int.from_bytes(hashlib.sha256(chr(0).join(sources).encode()).digest()[:16], 'big')}"


def _dataset(
    scene: Scene,
    style: FilmStyle,
    study_uid: str,
    patient_id: str,
    patient_name: str,
    accession: str,
    day: date,
    number: int,
) -> Dataset:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = DigitalXRayImageStorageForPresentation
    ds.SOPInstanceUID = _uid("image", study_uid, scene.view, repr(style))
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.StudyInstanceUID, ds.SeriesInstanceUID = study_uid, _uid("series", study_uid, scene.view)
    _about_patient_and_study(ds, patient_id, patient_name, accession, day, views=2 if number > 1 else 1)
    _about_acquisition(ds, scene.view, number)
    if scene.view == "LL" and style.orientation not in _LATERAL_ORIENTATIONS:
        style = replace(style, orientation="upright")
    _about_pixels(ds, draw(scene, style.rows, style.columns).density, style, scene.view)
    return ds


def _about_patient_and_study(
    ds: Dataset, patient_id: str, patient_name: str, accession: str, day: date, *, views: int
) -> None:
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.PatientName, ds.PatientID = patient_name, patient_id
    ds.PatientBirthDate, ds.PatientSex = "19700101", "O"
    ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = ds.ContentDate = ds.InstanceCreationDate = day.strftime(
        "%Y%m%d"
    )
    ds.StudyTime = ds.SeriesTime = ds.AcquisitionTime = ds.ContentTime = ds.InstanceCreationTime = "101400"
    ds.AccessionNumber, ds.StudyID, ds.ReferringPhysicianName = accession, "1", ""
    ds.StudyDescription = "XR CHEST"


def _about_acquisition(ds: Dataset, view: str, number: int) -> None:
    code, meaning = _VIEW_CODES[view]
    ds.Modality, ds.PresentationIntentType = "DX", "FOR PRESENTATION"
    ds.ImageType = ["ORIGINAL", "PRIMARY", ""]
    ds.Manufacturer, ds.ManufacturerModelName, ds.SoftwareVersions = MANUFACTURER, MODEL_NAME, "2"
    ds.SeriesNumber, ds.InstanceNumber, ds.AcquisitionNumber = number, 1, 1
    ds.SeriesDescription, ds.BodyPartExamined, ds.ViewPosition = view, "CHEST", view
    ds.ImageLaterality = "U"
    ds.PositionerType, ds.DetectorType, ds.DetectorConfiguration, ds.DetectorDescription = "NONE", "DIRECT", "AREA", ""
    ds.PixelIntensityRelationship, ds.PixelIntensityRelationshipSign = "LOG", -1
    ds.QualityControlImage, ds.BurnedInAnnotation, ds.LossyImageCompression = "NO", "NO", "00"
    ds.AnatomicRegionSequence = [_code("816094009", "Chest")]
    ds.ViewCodeSequence = [_code(code, meaning)]
    ds.ViewCodeSequence[0].ViewModifierCodeSequence = []
    ds.AcquisitionContextSequence = []


def _about_pixels(ds: Dataset, density: Field, style: FilmStyle, view: str) -> None:
    most = (1 << style.bits_stored) - 1
    shown = 1 - density if style.monochrome1 else density
    stored = _stored(ds, shown, style, most)
    if style.padding:
        # White, if it were no padding: who overlooks the attribute sees it.
        ds.PixelPaddingValue = 0 if style.monochrome1 else most
        stored[_border(stored.shape)] = ds.PixelPaddingValue
    stored = oriented(stored, style.orientation)
    along_row, along_column = ORIENTATIONS[style.orientation]
    if view == "LL":
        along_row, along_column = (_LATERAL_DIRECTION.get(d, d) for d in (along_row, along_column))
    ds.PatientOrientation = [along_row, along_column]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME1" if style.monochrome1 else "MONOCHROME2"
    ds.PresentationLUTShape = "INVERSE" if style.monochrome1 else "IDENTITY"
    ds.Rows, ds.Columns = stored.shape
    ds.ImagerPixelSpacing = [round(430 / style.rows, 4)] * 2
    allocated = 8 if style.bits_stored == 8 else 16
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = (
        allocated,
        style.bits_stored,
        style.bits_stored - 1,
        0,
    )
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = "0", "1", "US"
    pixels = stored.astype("<u1" if allocated == 8 else "<u2").tobytes()
    ds.add_new("PixelData", "OB" if allocated == 8 else "OW", pixels + b"\0" * (len(pixels) % 2))


def _stored(ds: Dataset, shown: Field, style: FilmStyle, most: int) -> NDArray[Any]:
    """Stored values, and the attributes that bring the film back out of them. The lowest and the highest value are
    left for padding."""
    if style.contrast == "voi-lut":
        entries = most + 1
        place = np.clip((np.arange(entries) - 1) / (most - 2), 0, 1)
        table = np.round(place ** (1 / _GAMMA) * 65535).astype("<u2")
        item = Dataset()
        item.LUTDescriptor = [entries if entries < 65536 else 0, 0, 16]
        item.LUTExplanation = "phantom"
        item.add_new("LUTData", "OW", table.tobytes())
        ds.VOILUTSequence = [item]
        return np.asarray(np.round(1 + shown.astype(np.float64) ** _GAMMA * (most - 2)))
    low, high = (1, most - 1) if style.contrast == "none" else (round(0.12 * most), round(0.86 * most))
    if style.contrast == "window":
        # PS3.3 C.11.2.1.2: `low` is shown black and `high` white.
        ds.WindowCenter, ds.WindowWidth = f"{(low + high + 1) / 2:g}", f"{high - low + 1:g}"
    return np.asarray(np.round(low + shown.astype(np.float64) * (high - low)))


def _border(shape: tuple[int, ...]) -> NDArray[np.bool_]:
    rows, columns = round(shape[0] * _BORDER), round(shape[1] * _BORDER)
    border = np.ones(shape, bool)
    border[rows:-rows, columns:-columns] = False
    return border


def oriented(upright: NDArray[Any], orientation: str) -> NDArray[Any]:
    """The upright film as it is stored in an orientation."""
    turned = {
        "upright": upright,
        "mirrored": upright[:, ::-1],
        "upside-down": upright[::-1],
        "half-turn": upright[::-1, ::-1],
        "transposed": upright.T,
        "quarter-turn": np.rot90(upright, -1),
    }[orientation]
    return np.ascontiguousarray(turned)


def _code(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "SCT", meaning
    return item
