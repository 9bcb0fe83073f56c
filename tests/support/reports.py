"""Pre-reads and headers to encode, and hypothesis strategies for them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

from hypothesis import strategies as st
from pydicom import Dataset

from agent.commissioning.films import make_study
from dicom_nodes.contexts import COMPUTED_RADIOGRAPHY
from structured_report.content import (
    Assigner,
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
    Priority,
    PriorStudy,
    Probability,
    Provenance,
    Region,
    Severity,
    Study,
    Verdict,
)
from structured_report.text import normalise_text
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


def _as_it_stands(text: str) -> str:
    """The form in which a text that is already normalised, and not blank, comes back from any document."""
    return normalise_text(text).strip()


NORMAL_TEXT = TEXTS.map(_as_it_stands)
SOME_TEXT = NORMAL_TEXT.filter(bool)
ONE_LINE = NORMAL_TEXT.map(lambda t: " ".join(t.split()))
IDENTIFIERS = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Z"), exclude_characters="\\^="), max_size=16
)
SHORT_TEXT = IDENTIFIERS.map(lambda t: normalise_text(t)[:16])
_SLUG = st.from_regex(r"[a-z][a-z0-9-]{0,20}", fullmatch=True)
_UIDS = st.integers(1, 2**120).map(lambda n: f"2.25.{n}")
_MOMENTS = st.datetimes(
    datetime(1990, 1, 1),  # noqa: DTZ001  made aware by the strategy
    datetime(2090, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)
_DAYS = st.dates(date(1900, 1, 1), date(2090, 1, 1)).map(lambda d: d.strftime("%Y%m%d"))
_PRIORS = st.builds(PriorStudy, _UIDS, st.just("") | _DAYS, st.just(COMPUTED_RADIOGRAPHY), _UIDS, _UIDS)


@st.composite
def boxes(draw: st.DrawFn, finding: Finding, image: Dataset) -> Region:
    """A box of that finding in that image, to single precision, with the side that a document gives it."""
    columns, rows = int(image.Columns), int(image.Rows)
    (x0, x1), (y0, y1) = (
        sorted(draw(st.lists(st.floats(0, most, width=32), min_size=2, max_size=2, unique=True)))
        for most in (columns, rows)
    )
    side = finding.laterality
    if vocabulary()[finding.concept].site is not None and side in (None, Laterality.BILATERAL):
        side = draw(st.sampled_from([side, Laterality.LEFT, Laterality.RIGHT]))
    return Region(finding.concept, str(image.SOPInstanceUID), x0, y0, x1, y1, side)


@st.composite
def findings(draw: st.DrawFn) -> tuple[Finding, ...]:
    """What a draft may state, one finding for each concept."""
    said = draw(SOME_FINDINGS.filter(lambda fs: len({f.concept for f in fs}) == len(fs)))
    return tuple(
        replace(
            f,
            evidence=draw(NORMAL_TEXT),
            place=f.place if vocabulary()[f.concept].site is not None else "",
        )
        for f in said
    )


@st.composite
def prereads(draw: st.DrawFn, evidence: list[Dataset]) -> PreRead:
    """Any pre-read about those images, in the form in which its report gives it back."""
    outcome = draw(st.sampled_from(list(Outcome)))
    about = preread(evidence)
    said = replace(
        about,
        study=draw(_studies(about.study)),
        revision=draw(st.integers(1, 99)),
        outcome=outcome,
        provenance=draw(_provenances()),
        analysed_at=draw(_MOMENTS),
        sr_instance_uid=draw(_UIDS),
        sr_series_uid=draw(_UIDS),
        control_id="",
        reason=draw(_SLUG) if outcome in (Outcome.ABSTAINED, Outcome.NOT_ANALYSED) else "",
        explanation=draw(SOME_TEXT) if outcome not in (Outcome.READ, Outcome.FLAGGED) else "",
        images=tuple(
            replace(use, used=used, role=use.role if used else "", reason=draw(_SLUG), explanation=draw(ONE_LINE)[:900])
            for use, used in zip(about.images, draw(st.tuples(st.booleans(), st.booleans())), strict=True)
        ),
        remarks=tuple(draw(st.lists(SOME_TEXT, max_size=2))),
        narrative=Narrative(),
        findings=(),
        abnormal=None,
        supersedes_sr_uid=draw(st.just("") | _UIDS),
    )
    said = replace(said, supersedes_series_uid=draw(_UIDS) if said.supersedes_sr_uid else "")
    return said if outcome is Outcome.WITHDRAWN else draw(_read(said, evidence))


@st.composite
def _read(draw: st.DrawFn, said: PreRead, evidence: list[Dataset]) -> PreRead:
    stated = draw(findings())
    silent = [c for c in sorted(vocabulary()) if c not in {f.concept for f in stated}]
    asked = draw(st.lists(st.sampled_from(sorted(vocabulary())), unique=True, max_size=5))
    said = replace(
        said,
        narrative=draw(st.builds(Narrative, NORMAL_TEXT, NORMAL_TEXT, NORMAL_TEXT, NORMAL_TEXT)),
        findings=stated,
        checked=tuple(
            Finding(c, draw(st.sampled_from([Presence.ABSENT, Presence.UNDETERMINED]))) for c in asked if c in silent
        ),
        abnormal=draw(st.none() | st.booleans()),
        priority=draw(st.none() | st.sampled_from(list(Priority))),
        probabilities=tuple(
            Probability(c, draw(st.integers(0, 10_000)) / 10_000, draw(st.just("") | _SLUG)) for c in asked
        ),
        regions=tuple(
            draw(boxes(f, draw(st.sampled_from(evidence))))
            for f in stated
            if f.presence is Presence.PRESENT
            for _ in range(draw(st.integers(0, 2)))
        ),
        partial=draw(st.booleans()),
        verdicts=tuple(draw(st.lists(st.builds(Verdict, _SLUG, _SLUG, SOME_TEXT), max_size=2))),
        prior=draw(st.none() | _PRIORS),
    )
    if said.priority is None:
        return said
    reasons = ONE_LINE.filter(lambda t: t and "; " not in t and not t.endswith(";"))
    return replace(said, reasons=tuple(draw(st.lists(reasons, max_size=3))))


ASSIGNERS = (
    st.none()
    | st.builds(Assigner, IDENTIFIERS.filter(bool))
    | st.builds(Assigner, IDENTIFIERS, IDENTIFIERS.filter(bool), st.sampled_from(["ISO", "DNS", "UUID"]))
)


@st.composite
def _studies(draw: st.DrawFn, study: Study) -> Study:
    patient = Patient(
        draw(IDENTIFIERS),
        draw(IDENTIFIERS),
        draw(st.lists(IDENTIFIERS, max_size=3).map("^".join)).rstrip("^"),
        draw(st.just("") | _DAYS),
        draw(st.sampled_from(["", "M", "F", "O"])),
    )
    code = st.builds(Code, *(IDENTIFIERS.filter(bool) for _ in range(3)))
    order = Order(
        *(draw(IDENTIFIERS) for _ in range(4)),
        procedure=draw(st.none() | code),
        procedure_description=draw(SHORT_TEXT),
        referring_physician=draw(IDENTIFIERS),
        indication=draw(SHORT_TEXT),
    )
    order = replace(
        order,
        placer_assigner=draw(ASSIGNERS) if order.placer_order_number else None,
        filler_assigner=draw(ASSIGNERS) if order.filler_order_number else None,
    )
    return Study(
        study.study_instance_uid,
        draw(IDENTIFIERS),
        draw(st.just("") | _DAYS),
        draw(st.sampled_from(["", "10", "1014", "101400.25"])),
        draw(st.sampled_from(["", "+0100", "-0930", "+0000"])),
        patient,
        order,
    )


@st.composite
def _provenances(draw: st.DrawFn) -> Provenance:
    weights = draw(st.just("") | st.just("ab" * 32))
    return replace(
        PROVENANCE,
        weights_digest=weights,
        quantization="nf4" if weights else "",
        prompt_id="findings@1" if weights else "",
        device_uid=draw(_UIDS),
        station_name=draw(st.sampled_from(["", "CXR-1"])),
        institution_name=draw(SHORT_TEXT),
        for_commissioning=draw(st.booleans()),
    )
