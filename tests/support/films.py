"""Films for tests: RG1 of pydicom-data in every transfer syntax, and small images of any shape."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import imagecodecs
import numpy as np
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

from agent.commissioning.films import scene_of
from agent.commissioning.phantom import draw
from agent.commissioning.pictures import as_picture
from agent.demo.films import pydicom_data_file
from agent.model.protocol import Picture
from dicom_nodes.contexts import COMPUTED_RADIOGRAPHY, DEFLATED, IMPLICIT_LE, TRANSFER_SYNTAXES

HTJ2K = ("1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.202", "1.2.840.10008.1.2.4.203")


def picture(kind: str, view: str = "PA", *, seed: int = 7, rows: int = 1024, columns: int = 840) -> Picture:
    """A drawn film as the model sees it."""
    frontal = scene_of(kind, seed=seed)
    return as_picture(draw(frontal if view == "PA" else frontal.lateral(), rows, columns).density)


def rg1(folder: Path, transfer_syntax: str, number: int = 0) -> Path:
    """RG1 with UIDs and an accession number of its own, in that transfer syntax.

    The encoders are those of other people: DCMTK, openjpeg and OpenJPH.
    """
    image = dcmread(pydicom_data_file("RG1_UNCR.dcm"))
    image.StudyInstanceUID, image.SeriesInstanceUID, image.SOPInstanceUID = (generate_uid() for _ in range(3))
    image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
    image.AccessionNumber = f"RG1-{transfer_syntax.removeprefix('1.2.840.10008.1.2')}-{number}"[-16:]
    del image[0xFFFCFFFC]
    plain = folder / f"{image.SOPInstanceUID}-plain.dcm"
    image.save_as(plain, enforce_file_format=True)
    target = folder / f"{transfer_syntax}-{number}.dcm"
    _ENCODERS[transfer_syntax](plain, target, transfer_syntax)
    plain.unlink()
    assert dcmread(target, stop_before_pixels=True).file_meta.TransferSyntaxUID == transfer_syntax
    return target


def _dcmtk(tool: str, *options: str) -> Callable[[Path, Path, str], None]:
    def encode(source: Path, target: Path, _syntax: str) -> None:
        subprocess.run([f"/usr/bin/{tool}", *options, str(source), str(target)], check=True, capture_output=True)

    return encode


def _jpeg_2000(source: Path, target: Path, syntax: str) -> None:
    image = dcmread(source)
    image.compress(UID(syntax), **({"j2k_cr": [8]} if syntax.endswith(".91") else {}))
    image.SOPInstanceUID = (
        image.file_meta.MediaStorageSOPInstanceUID
    )  # a copy in another syntax is a new instance only to its maker
    image.save_as(target, enforce_file_format=True)


def _htj2k(source: Path, target: Path, syntax: str) -> None:
    image = dcmread(source)
    code = imagecodecs.htj2k_encode(image.pixel_array, reversible=not syntax.endswith(".203"))
    image.PixelData = encapsulate([code])
    image["PixelData"].VR = "OB"
    image["PixelData"].is_undefined_length = True
    image.file_meta.TransferSyntaxUID = UID(syntax)
    image.save_as(target, enforce_file_format=True)


_ENCODERS: dict[str, Callable[[Path, Path, str], None]] = {
    ExplicitVRLittleEndian: _dcmtk("dcmconv", "+te"),
    IMPLICIT_LE: _dcmtk("dcmconv", "+ti"),
    DEFLATED: _dcmtk("dcmconv", "+td"),
    "1.2.840.10008.1.2.5": _dcmtk("dcmcrle", "+un"),
    "1.2.840.10008.1.2.4.50": _dcmtk("dcmcjpeg", "+eb", "+un"),
    "1.2.840.10008.1.2.4.51": _dcmtk("dcmcjpeg", "+ee", "+un"),
    "1.2.840.10008.1.2.4.57": _dcmtk("dcmcjpeg", "+el", "+un"),
    "1.2.840.10008.1.2.4.70": _dcmtk("dcmcjpeg", "+e1", "+un"),
    "1.2.840.10008.1.2.4.80": _dcmtk("dcmcjpls", "+el", "+un"),
    "1.2.840.10008.1.2.4.81": _dcmtk("dcmcjpls", "+en", "+un"),
    "1.2.840.10008.1.2.4.90": _jpeg_2000,
    "1.2.840.10008.1.2.4.91": _jpeg_2000,
    **dict.fromkeys(HTJ2K, _htj2k),
}
assert set(_ENCODERS) == {t.uid for t in TRANSFER_SYNTAXES}


def small_image(rows: int = 96, columns: int = 80, **attributes: object) -> Dataset:
    """A small chest CR, valid for this program; attributes override, and None deletes."""
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID = COMPUTED_RADIOGRAPHY
    image.SOPInstanceUID, image.StudyInstanceUID, image.SeriesInstanceUID = (generate_uid() for _ in range(3))
    image.Modality, image.BodyPartExamined, image.ViewPosition = "CR", "CHEST", "PA"
    image.PatientID, image.PatientName, image.AccessionNumber = "T1", "Test^Small", "SMALL"
    image.PatientOrientation = ["L", "F"]
    image.StudyDate, image.StudyTime, image.StudyID, image.PatientBirthDate, image.PatientSex = (
        "20260103",
        "101400",
        "1",
        "",
        "",
    )
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.Rows, image.Columns, image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = (
        rows,
        columns,
        16,
        12,
        11,
        0,
    )
    ramp = np.linspace(0, 4095, rows * columns).astype("<u2").reshape(rows, columns)
    image.add_new("PixelData", "OW", ramp.tobytes())
    for keyword, value in attributes.items():
        if value is None:
            delattr(image, keyword)
        else:
            setattr(image, keyword, value)
    if "SOPInstanceUID" in image:
        image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
    return image


def save(image: Dataset, path: Path) -> Path:
    image.save_as(path, enforce_file_format=True)
    return path
