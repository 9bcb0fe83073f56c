"""Headers of kept files: where the data set starts, and the attributes without the pixels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydicom import DataElement, Dataset, dcmread
from pydicom.config import IGNORE
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataset import FileMetaDataset
from pydicom.errors import InvalidDicomError
from pydicom.filereader import _read_file_meta_info as read_meta
from pydicom.filereader import read_dataset, read_preamble

from agent.errors import Permanent
from agent.imaging.characters import UNICODE, make_readable
from agent.imaging.facts import InstanceFacts
from agent.imaging.inflate import plain_data_set
from dicom_nodes.contexts import DEFLATED

_PIXEL_DATA = 0x7FE00010


@dataclass(frozen=True, slots=True)
class DataSetPlace:
    """Where the data set of a DICOM file starts, bytes, and how it is encoded."""

    offset: int
    transfer_syntax_uid: str


def locate_data_set(path: Path) -> DataSetPlace:
    """Where the data set of a file starts (PS3.10 7.1).

    Raises:
        Permanent: it is not a DICOM file with file meta information.
    """
    return _meta(path)[0]


def load_header(path: Path, *, undeclared: str = "") -> Dataset:
    """Everything of a kept file but its pixels, its texts decoded; those that cannot be are not there.

    Args:
        undeclared: the character set that is meant where the image declares none.

    Raises:
        Permanent: the file cannot be read.
    """
    header = _parsed(path)
    make_readable(header, undeclared=undeclared)
    return header


def header_from(facts: InstanceFacts) -> Dataset:
    """As much of an image's header as is known of it without its file: what it is, whose, and how large. Its texts are decoded."""
    header = Dataset()
    header.SpecificCharacterSet = UNICODE
    for keyword, value in (
        ("SOPClassUID", facts.sop_class_uid), ("SOPInstanceUID", facts.sop_instance_uid),
        ("StudyInstanceUID", facts.study_instance_uid), ("SeriesInstanceUID", facts.series_instance_uid),
        ("Modality", facts.modality), ("Rows", facts.rows), ("Columns", facts.columns),
        ("PhotometricInterpretation", facts.photometric_interpretation),
        ("LossyImageCompression", facts.lossy_image_compression), ("BodyPartExamined", facts.body_part_examined),
        ("PatientID", facts.patient_id), ("IssuerOfPatientID", facts.issuer_of_patient_id),
        ("PatientName", facts.patient_name), ("PatientBirthDate", facts.patient_birth_date),
        ("PatientAge", facts.patient_age), ("PatientSex", facts.patient_sex),
        ("AccessionNumber", facts.accession_number), ("StudyID", facts.study_id), ("StudyDate", facts.study_date),
        ("StudyTime", facts.study_time), ("StudyDescription", facts.study_description),
    ):  # fmt: skip
        if value:
            tag = tag_for_keyword(keyword)
            assert tag is not None
            header.add(DataElement(tag, dictionary_VR(tag), value, validation_mode=IGNORE))
    return header


def _parsed(path: Path) -> Dataset:
    place, meta = _meta(path)
    try:
        if place.transfer_syntax_uid != DEFLATED:
            return dcmread(path, stop_before_pixels=True, defer_size=1 << 20)
        with plain_data_set(path, place.offset, DEFLATED) as plain:  # dcmread would inflate the pixels into memory
            plain.file.seek(plain.start)
            header = read_dataset(plain.file, plain.implicit, True, stop_when=lambda tag, _vr, _n: tag >= _PIXEL_DATA)
    except (InvalidDicomError, OSError, EOFError) as error:
        raise Permanent(f"{path.name} cannot be read ({type(error).__name__})", code="file-damaged") from error
    header.file_meta = meta
    return header


def _meta(path: Path) -> tuple[DataSetPlace, FileMetaDataset]:
    try:
        with path.open("rb") as file:
            read_preamble(file, force=False)
            meta = read_meta(file)
            return DataSetPlace(file.tell(), str(meta.TransferSyntaxUID)), meta
    except (InvalidDicomError, AttributeError, EOFError, OSError, ValueError, KeyError) as error:
        raise Permanent(
            f"{path.name} is not a DICOM file with file meta information (PS3.10)", code="not-dicom"
        ) from error
