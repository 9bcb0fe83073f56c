"""PreRead -> Basic Text SR, root template TID 2000 (PS3.16): the words of the pre-read, for archives that show simple reports only.

Nothing stands in it that is not in the Comprehensive 3D SR; the boxes and the codes of the findings stand there alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from highdicom.sr import ContainerContentItem, ContentSequence, EnhancedSR, RelationshipTypeValues
from pydicom import Dataset
from pydicom.uid import BasicTextSRStorage

from structured_report import concepts
from structured_report.content import Code, PreRead, Presence
from structured_report.document import reference, sayable, write_document
from structured_report.groups import coded
from structured_report.identity import Place
from structured_report.marks import phrase, stated
from structured_report.sentences import (
    asked_sentence,
    comments,
    image_sentence,
    prior_sentence,
    provenance_sentence,
)
from structured_report.text import normalise_text
from structured_report.tree import language, observed
from structured_report.tree import text as _text

__all__ = ["encode_plain_sr"]

_TITLE = Code("18748-4", "LN", "Diagnostic Imaging Report")  # CID 7000
_SUMMARY = Code("55112-7", "LN", "Summary")  # CID 7001
_FINDING = Code("121071", "DCM", "Finding")  # CID 7002
_IMPRESSION = Code("121073", "DCM", "Impression")  # CID 7002
_PREVIOUS = Code("121069", "DCM", "Previous Finding")  # CID 7002
_SAID = {Presence.PRESENT: "Present", Presence.ABSENT: "Absent", Presence.UNDETERMINED: "Undetermined"}

Section = tuple[Code, list[tuple[Code, str]]]


def encode_plain_sr(
    preread: PreRead, evidence: Sequence[Dataset], place: Place, *, predecessor: tuple[str, str] | None = None
) -> Dataset:
    """Write the words of the pre-read as a Basic Text SR (88.11): PRELIMINARY and UNVERIFIED, as every report of ours.

    Args:
        evidence: the study's images with at least their headers; not changed.
        predecessor: (Series, SOP Instance UID) of the earlier one of this kind that it replaces.

    Raises:
        ValueError: there is no evidence.
    """
    said = sayable(preread, evidence)
    report = write_document(EnhancedSR, lambda _: _tree(said), said, evidence, place)
    report.SOPClassUID = report.file_meta.MediaStorageSOPClassUID = BasicTextSRStorage  # highdicom has no class for it
    if predecessor is not None:
        series_uid, uid = predecessor
        report.PredecessorDocumentsSequence = [
            reference(said.study.study_instance_uid, series_uid, BasicTextSRStorage, uid)
        ]
    return report


def _tree(preread: PreRead) -> Dataset:
    """TID 2000: language (row 2), observation context (row 4), and a container for each heading with what it holds."""
    root = ContainerContentItem(name=coded(_TITLE), template_id="2000")
    root.ContentSequence = ContentSequence([*language(), *observed(preread)])
    for heading, texts in _sections(preread):
        inside = [_text(name, text) for name, text in texts if normalise_text(text)]
        if inside:
            container = ContainerContentItem(name=coded(heading), relationship_type=RelationshipTypeValues.CONTAINS)
            container.ContentSequence = ContentSequence(inside)
            root.ContentSequence.append(container)
    return root


def _sections(preread: PreRead) -> Iterator[Section]:
    """The headings (CID 7001) and what stands below each, the banner first of all."""
    narrative = preread.narrative
    yield _SUMMARY, [(concepts.COMMENT, comment) for comment in comments(preread)]
    yield concepts.IMPRESSIONS, [(_IMPRESSION, narrative.impression)]
    listed = [(_FINDING, f"{_SAID[p]}: {phrase(f)}") for p in Presence for f in stated(preread, p)]
    yield concepts.FINDINGS, [(_FINDING, narrative.findings), *listed]
    compared = [] if preread.prior is None else [(concepts.COMMENT, prior_sentence(preread.prior))]
    yield concepts.COMPARISON, [(_PREVIOUS, narrative.comparison), *compared]
    yield concepts.REASONING, [(concepts.REASONING, narrative.reasoning)]
    yield (
        concepts.COMMENT,
        [
            *((concepts.COMMENT, asked_sentence(p)) for p in preread.probabilities),
            *((concepts.COMMENT, image_sentence(use)) for use in preread.images),
            (concepts.COMMENT, provenance_sentence(preread)),
        ],
    )
