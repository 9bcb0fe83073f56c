"""Pre-reads and headers to encode, and hypothesis strategies for them."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import strategies as st
from pydicom import Dataset

from agent.commissioning.films import make_study
from structured_report.content import (
    Code,
    Finding,
    ImageUse,
    Laterality,
    Narrative,
    Order,
    Outcome,
    Patient,
    PreRead,
    Presence,
    Provenance,
    Severity,
    Study,
)
from structured_report.vocabulary import vocabulary, whole_vocabulary

PROVENANCE = Provenance(
    "cxr-preread project",
    "tiny",
    "cxr-preread",
    "0.1.0",
    "ab" * 32,
    "nf4",
    "findings-reasoning@00000000",
    "2.25.123456",
)
FINDINGS = (
    Finding("pleural_effusion", Presence.PRESENT, Laterality.LEFT, evidence="There is a left pleural effusion."),
    Finding("pneumothorax", Presence.ABSENT),
    Finding("cardiomegaly", Presence.UNDETERMINED),
)


def images() -> list[Dataset]:
    return make_study("left-effusion", seed=5, patient_id="PID^1|&", accession="ACC0001")


def preread(
    evidence: list[Dataset],
    *,
    narrative: Narrative | None = None,
    findings: tuple[Finding, ...] = FINDINGS,
    outcome: Outcome = Outcome.READ,
    patient: Patient | None = None,
    remarks: tuple[str, ...] = (),
    supersedes: str = "",
) -> PreRead:
    """A pre-read about those images."""
    first = evidence[0]
    read = outcome is Outcome.READ
    return PreRead(
        study=Study(
            str(first.StudyInstanceUID),
            "1",
            "20260103",
            "101400",
            "+0100",
            patient or Patient("PID1", "HOSP", "Müller^Jürgen", "19600101", "F"),
            Order(
                "ACC0001", "PO1", "FO1", "RP1", "SPS1", Code("36643-5", "LN", "XR Chest 2 Views"), "XR CHEST 2 VIEWS"
            ),
        ),
        revision=1,
        outcome=outcome,
        provenance=PROVENANCE,
        images=tuple(
            ImageUse(
                str(i.SOPClassUID),
                str(i.SOPInstanceUID),
                str(i.SeriesInstanceUID),
                True,
                role,
                f"used-{role}",
                f"{role} by view",
            )
            for i, role in zip(evidence, ("frontal", "lateral"), strict=False)
        ),
        analysed_at=datetime(2026, 1, 3, 10, 15, tzinfo=UTC),
        sr_instance_uid="2.25.777",
        sr_series_uid="2.25.778",
        control_id="PR0123456789ABCDEF01",
        reason="" if read else "lateral-only",
        explanation="" if read else "the study has no frontal image",
        narrative=narrative
        or (
            Narrative("There is a left pleural effusion.", "", "1. **Pleura**: opaque → fluid") if read else Narrative()
        ),
        findings=findings if read else (),
        abnormal=True if read and findings else None,
        remarks=remarks,
        supersedes_sr_uid=supersedes,
        supersedes_series_uid=f"{supersedes}.1" if supersedes else "",
    )


ANY_TEXT = st.text(max_size=400)
NASTY_TEXT = st.text(alphabet="|^&~\\\r\n\t\x0b\x1c\x00\x1f FSTRE.brX0D@T0≥→é\u2028\ufffe", max_size=120)
TEXTS = ANY_TEXT | NASTY_TEXT
SOME_FINDINGS = st.lists(
    st.builds(
        Finding,
        concept=st.sampled_from(sorted(vocabulary())),
        presence=st.sampled_from(list(Presence)),
        laterality=st.none() | st.sampled_from(list(Laterality)),
        severity=st.none() | st.sampled_from(list(Severity)),
        place=st.sampled_from(["", *whole_vocabulary().places]),
    ),
    max_size=6,
    unique_by=lambda f: (f.concept, f.laterality),
).map(tuple)
