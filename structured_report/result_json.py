"""PreRead -> JSON, for programs that speak neither DICOM nor HL7. The form is described in docs/webhook.md."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from structured_report.content import BANNER, FOR_COMMISSIONING, Finding, PreRead
from structured_report.text import normalise_text
from structured_report.vocabulary import vocabulary

FORMAT = "cxr-preread.result/1"


def encode_result(preread: PreRead) -> bytes:
    """The pre-read as one JSON object: ASCII with escapes, so that no receiver can take its letters for others; keys in
    order, so that the same result is the same bytes."""
    result = {
        "format": FORMAT,
        "banner": BANNER,
        "status": "unverified",
        "for_commissioning": FOR_COMMISSIONING if preread.provenance.for_commissioning else "",
        "identifier": preread.control_id,
        "study": asdict(preread.study),
        "revision": preread.revision,
        "outcome": str(preread.outcome),
        "partial": preread.partial,
        "reason": preread.reason,
        "explanation": preread.explanation,
        "abnormal": preread.abnormal,
        "priority": str(preread.priority) if preread.priority else None,
        "priority_reasons": list(preread.reasons),
        "findings": [_finding(preread, f) for f in preread.findings],
        "regions": [asdict(r) for r in preread.regions],
        "narrative": {name: normalise_text(text) for name, text in asdict(preread.narrative).items()},
        "checks": [asdict(v) for v in preread.verdicts],
        "remarks": list(preread.remarks),
        "images": [asdict(i) for i in preread.images],
        "algorithm": asdict(preread.provenance),
        "analysed_at": preread.analysed_at.isoformat(),
        "sr_instance_uid": preread.sr_instance_uid,
        "supersedes_sr_instance_uid": preread.supersedes_sr_uid,
    }
    return json.dumps(result, ensure_ascii=True, sort_keys=True, indent=1).encode("ascii")


def _finding(preread: PreRead, finding: Finding) -> dict[str, Any]:
    """With its code; with a probability only where that is calibrated, as in the other documents."""
    known = [p for p in preread.probabilities if p.concept == finding.concept and p.calibration]
    return {
        **asdict(finding),
        "code": asdict(vocabulary()[finding.concept].code),
        "probability": known[0].value if known else None,
    }
