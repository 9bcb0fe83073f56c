"""Chest radiographs that this program draws: no patient, valid DX objects, and a shape that depends on what is said
about them.

They are diagrams, not simulations. They exist so that the line can be shown and tested without anybody's films: a
frontal and a left lateral view, with an effusion on one side, an enlarged heart, or nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

KINDS = ("clear", "left-effusion", "right-effusion", "cardiomegaly")
_VIEWS = {"PA": ("272479007", "postero-anterior", ["L", "F"]), "LL": ("399173006", "left lateral", ["A", "F"])}

Field = NDArray[np.float64]


def draw(kind: str, view: str, *, seed: int, rows: int = 1024, columns: int = 840) -> NDArray[np.uint16]:
    """Stored values of a drawn film: shape (rows, columns), uint16, 0 to 4095, bright is dense (MONOCHROME2).

    Args:
        kind: one of `KINDS`.
        view: ``PA``, with the patient's right on the picture's left, or ``LL``.
        seed: varies size, position and noise.
    """
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float64)
    y, x = y / rows, x / columns
    x = (x - 0.5 + rng.uniform(-0.02, 0.02)) / rng.uniform(0.95, 1.05) + 0.5
    y = y + rng.uniform(-0.02, 0.02)
    density = _frontal(kind, x, y, rng) if view == "PA" else _lateral(kind, x, y, rng)
    noise = rng.normal(0, 0.012, (rows, columns))
    return np.clip((density + noise) * 4095, 0, 4095).astype(np.uint16)


def _frontal(kind: str, x: Field, y: Field, rng: np.random.Generator) -> Field:
    body = _blob(x, y, 0.5, 0.55, 0.47, 0.62, 0.03)
    lungs = np.maximum(_blob(x, y, 0.29, 0.45, 0.15, 0.31, 0.04), _blob(x, y, 0.71, 0.45, 0.15, 0.31, 0.04))
    ribs = 0.05 * (np.sin((y + 0.35 * np.abs(x - 0.5)) * 60) > 0.75) * body
    spine = 0.18 * np.exp(-(((x - 0.5) / 0.05) ** 2))
    width = rng.uniform(0.23, 0.26) if kind == "cardiomegaly" else rng.uniform(0.12, 0.14)
    heart = _blob(x, y, 0.53, 0.62, width, 0.15, 0.03)
    air = lungs * (1 - heart)
    if kind.endswith("effusion"):
        # The patient's left is on the picture's right. A meniscus: higher at the chest wall.
        centre, wall = (0.71, 0.86) if kind.startswith("left") else (0.29, 0.14)
        level = rng.uniform(0.50, 0.56) + 0.25 * np.abs(x - wall)
        air = air * np.where((np.abs(x - centre) < 0.2) & (y > level), 0.04, 1.0)
    return 0.12 + 0.55 * body + spine * body - 0.46 * air + 0.16 * heart + ribs


def _lateral(kind: str, x: Field, y: Field, rng: np.random.Generator) -> Field:
    body = _blob(x, y, 0.5, 0.55, 0.42, 0.62, 0.03)
    lung = _blob(x, y, 0.52, 0.45, 0.30, 0.32, 0.05)
    spine = 0.2 * np.exp(-(((x - 0.80) / 0.06) ** 2))
    depth = 0.20 if kind == "cardiomegaly" else 0.12
    heart = _blob(x, y, 0.38, 0.62, depth, 0.14, 0.03)
    air = lung * (1 - heart)
    if kind.endswith("effusion"):
        air = air * np.where((y > 0.58) & (x > 0.5), 0.1, 1.0)
    return 0.12 + 0.55 * body + spine * body - 0.42 * air + 0.14 * heart + rng.uniform(0, 0.01)


def _blob(x: Field, y: Field, cx: float, cy: float, rx: float, ry: float, soft: float) -> Field:
    """An ellipse with a soft edge: 1 inside, 0 outside."""
    distance = np.sqrt(((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2)
    return 1 / (1 + np.exp(np.clip((distance - 1) / soft, -60, 60)))


def make_study(
    kind: str, *, seed: int, patient_id: str, accession: str, views: tuple[str, ...] = ("PA", "LL")
) -> list[Dataset]:
    """A study of drawn films as DX For Presentation objects, one for each view; the same arguments give the same
    UIDs."""
    if kind not in KINDS:
        raise ValueError(f"{kind!r} is not one of {', '.join(KINDS)}")
    sources = [kind, str(seed), patient_id, accession]
    study_uid = generate_uid(prefix=None, entropy_srcs=["study", *sources])
    return [
        _image(kind, view, seed, study_uid, patient_id, accession, number) for number, view in enumerate(views, start=1)
    ]


def _image(kind: str, view: str, seed: int, study_uid: str, patient_id: str, accession: str, number: int) -> Dataset:
    pixels = draw(kind, view, seed=seed)
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = DigitalXRayImageStorageForPresentation
    ds.SOPInstanceUID = generate_uid(prefix=None, entropy_srcs=["image", study_uid, view])
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.StudyInstanceUID, ds.SeriesInstanceUID = (
        study_uid,
        generate_uid(prefix=None, entropy_srcs=["series", study_uid, view]),
    )
    _about_patient_and_study(ds, patient_id, accession)
    _about_acquisition(ds, view, number)
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PresentationLUTShape = 1, "MONOCHROME2", "IDENTITY"
    ds.Rows, ds.Columns = pixels.shape
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = "0", "1", "US"
    ds.WindowCenter, ds.WindowWidth = "2048", "4096"
    ds.add_new("PixelData", "OW", pixels.astype("<u2").tobytes())
    return ds


def _about_patient_and_study(ds: Dataset, patient_id: str, accession: str) -> None:
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.PatientName, ds.PatientID = "Phantom^Drawn", patient_id
    ds.PatientBirthDate, ds.PatientSex = "19700101", "O"
    ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = ds.ContentDate = ds.InstanceCreationDate = "20260103"
    ds.StudyTime = ds.SeriesTime = ds.AcquisitionTime = ds.ContentTime = ds.InstanceCreationTime = "101400"
    ds.AccessionNumber, ds.StudyID, ds.ReferringPhysicianName = accession, "1", ""
    ds.StudyDescription = "XR CHEST 2 VIEWS"


def _about_acquisition(ds: Dataset, view: str, number: int) -> None:
    code, meaning, orientation = _VIEWS[view]
    ds.Modality, ds.PresentationIntentType = "DX", "FOR PRESENTATION"
    ds.ImageType = ["ORIGINAL", "PRIMARY", ""]
    ds.Manufacturer, ds.ManufacturerModelName, ds.SoftwareVersions = "cxr-preread project", "phantom", "1"
    ds.SeriesNumber, ds.InstanceNumber, ds.AcquisitionNumber = number, 1, 1
    ds.SeriesDescription, ds.BodyPartExamined, ds.ViewPosition = view, "CHEST", view
    ds.PatientOrientation, ds.ImageLaterality = orientation, "U"
    ds.PositionerType, ds.DetectorType, ds.DetectorConfiguration, ds.DetectorDescription = "NONE", "DIRECT", "AREA", ""
    ds.ImagerPixelSpacing = [0.4, 0.4]
    ds.PixelIntensityRelationship, ds.PixelIntensityRelationshipSign = "LOG", -1
    ds.QualityControlImage, ds.BurnedInAnnotation, ds.LossyImageCompression = "NO", "NO", "00"
    ds.AnatomicRegionSequence = [_code("816094009", "Chest")]
    ds.ViewCodeSequence = [_code(code, meaning)]
    ds.ViewCodeSequence[0].ViewModifierCodeSequence = []
    ds.AcquisitionContextSequence = []


def _code(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "SCT", meaning
    return item
