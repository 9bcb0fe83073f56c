"""Our own report -> the words in it, for comparing and for prior pre-reads. Reports of others are not trusted to have
this shape."""

from __future__ import annotations

from pydicom import Dataset

from structured_report import concepts
from structured_report.content import Code, Narrative
from structured_report.text import from_dicom


def read_narrative(report: Dataset) -> Narrative:
    """Findings, impression and reasoning trace as they were given to the encoder; empty where the report has none."""
    return Narrative(
        findings=_text_of(report, concepts.FINDINGS),
        impression=_text_of(report, concepts.IMPRESSIONS),
        reasoning=_text_of(report, concepts.REASONING),
    )


def _text_of(report: Dataset, concept: Code) -> str:
    for container in report.ContentSequence:
        name = container.ConceptNameCodeSequence[0]
        if name.CodeValue != concepts.QUALITATIVE_EVALUATIONS.value:
            continue
        for item in container.ContentSequence:
            name = item.ConceptNameCodeSequence[0]
            if (name.CodeValue, name.CodingSchemeDesignator) == (concept.value, concept.scheme):
                return from_dicom(str(item.TextValue))
    return ""
