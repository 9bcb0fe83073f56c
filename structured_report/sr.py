"""PreRead -> Comprehensive 3D SR or Comprehensive SR, root template TID 1500 (PS3.16), as IHE AIR asks for."""

from __future__ import annotations

from collections.abc import Sequence

from highdicom.sr import Comprehensive3DSR
from pydicom import Dataset
from pydicom.uid import ComprehensiveSRStorage

from structured_report.content import PreRead
from structured_report.document import file_bytes, reference, sayable, write_document
from structured_report.identity import Place
from structured_report.tree import content_tree

__all__ = ["as_comprehensive_sr", "encode_sr", "file_bytes"]

SERIES_DESCRIPTION = "AI pre-read (unverified)"  # stable: PACS rules key on it
SERIES_NUMBER = 9001
AS_COMPREHENSIVE_SR = " as Comprehensive SR"  # how the receipt of a report ends that was stored as the simpler form


def encode_sr(preread: PreRead, evidence: Sequence[Dataset]) -> Dataset:
    """Write the pre-read as a Comprehensive 3D SR (88.34).

    Args:
        evidence: the study's images with at least their headers, those of `preread.images`; not changed.

    Raises:
        ValueError: there is no evidence; a report about nothing belongs to no study.
    """
    said = sayable(preread, evidence)
    place = Place(preread.sr_series_uid, preread.sr_instance_uid, SERIES_DESCRIPTION, SERIES_NUMBER)
    report = write_document(Comprehensive3DSR, lambda headers: content_tree(said, headers), said, evidence, place)
    if said.supersedes_sr_uid:  # the report that this one replaces (PS3.3 C.17.2)
        study_uid, series_uid = said.study.study_instance_uid, said.supersedes_series_uid
        report.PredecessorDocumentsSequence = [
            reference(study_uid, series_uid, str(report.SOPClassUID), said.supersedes_sr_uid)
        ]
    return report


def as_comprehensive_sr(report: Dataset) -> Dataset:
    """The same report as Comprehensive SR (88.33), for a peer that takes nothing newer: nothing in the tree needs the
    third dimension. Changes the report."""
    report.SOPClassUID = report.file_meta.MediaStorageSOPClassUID = ComprehensiveSRStorage
    for document in report.get("PredecessorDocumentsSequence", []):
        for series in document.ReferencedSeriesSequence:
            for instance in series.ReferencedSOPSequence:
                instance.ReferencedSOPClassUID = ComprehensiveSRStorage
    return report
