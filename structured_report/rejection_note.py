"""Rejection note (Key Object Selection, PS3.3 A.35.4; root template TID 2010): what an archive is to show no longer.

An archive that knows Imaging Object Change Management (IHE RAD TF-1, 34) hides what such a note names. The note stands where the
named objects stand, under the patient that they name, whoever they are about by now: an archive looks for them there.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import highdicom as hd
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import UID

from structured_report.content import PreRead
from structured_report.identity import Place, maker, stamp
from structured_report.text import one_line
from structured_report.tree import device_observer

__all__ = ["SERIES_NUMBER", "encode_rejection_note"]

SERIES_NUMBER = 9005
_OF_THE_PATIENT = ("IssuerOfPatientID",)  # beside what highdicom copies: without it the number is that of somebody else


def encode_rejection_note(rejected: Sequence[Dataset], preread: PreRead, place: Place, *, reason: str) -> Dataset:
    """Write the note that rejects objects of ours, "Rejected for Patient Safety Reasons" (113037, CID 7010).

    Args:
        rejected: documents of ours of one study and one patient, as they were stored; not changed.
        preread: what takes their place, or takes them back; only who says it, and when, is taken from it.
        reason: in a person's words.

    Raises:
        ValueError: nothing is rejected, or it is not all of one study and patient.
    """
    if len({(d.StudyInstanceUID, d.PatientID, d.get("IssuerOfPatientID", "")) for d in rejected}) != 1:
        raise ValueError("a rejection note names objects of one study of one patient")
    content = hd.ko.KeyObjectSelection(
        document_title=codes.DCM.RejectedForPatientSafetyReasons,
        referenced_objects=rejected,
        observer_device_context=device_observer(preread),
        description=one_line(reason, 1024) or None,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # highdicom and pydicom remark on a name or number that is copied as it stands
        note = hd.ko.KeyObjectSelectionDocument(
            evidence=rejected,
            content=content,
            **maker(preread, place),
        )
    stored = rejected[0]
    for keyword in _OF_THE_PATIENT:
        if keyword in stored:
            note[keyword] = stored[keyword]
    if "ReferencedRequestSequence" in stored:
        note.ReferencedRequestSequence = stored.ReferencedRequestSequence
    stamp(note, preread)
    return note


def as_stored(document: Dataset, sop_class_uid: str) -> Dataset:
    """A document of ours as the archive has it, which may have taken it as a simpler SOP class. Changes the document."""
    if sop_class_uid:
        document.SOPClassUID = UID(sop_class_uid)
    return document
