"""`/api/v1/studies/UID`: everything about one study."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from sqlalchemy import Connection

from agent.settings import Settings
from agent.store import flags, overview, priors, results, reviews, studies
from agent.store.results import StoredReading
from agent.web.api.errors import answers
from agent.web.api.models import study as models
from agent.web.context import WebContext
from agent.web.refused import Refused
from agent.web.study.final import final_report
from agent.web.study.seen import note_look
from structured_report.content import BANNER, Finding
from structured_report.plain import finding_from_json, finding_to_json

StudyUid = Annotated[str, Path(max_length=64, pattern=r"^[0-9.]+$", description="Study Instance UID (PS3.5 9.1)")]


def add(routes: APIRouter, context: WebContext) -> None:
    """The routes of this module."""

    @routes.get("/studies/{study_instance_uid}", responses=answers(404), tags=["studies"])
    def study(request: Request, study_instance_uid: StudyUid) -> models.Study:
        """Everything about one study: images, flag, reading with its reasoning, documents, deliveries, history.

        It is written into the audit trail that it was looked at."""
        with context.ledger.read() as view:
            found = study_of(view, study_instance_uid, context.current)
        if found is None:
            raise Refused(404, "no-such-study")
        note_look(context, request, study_instance_uid, str(found.about.get("patient", {}).get("patient_id", "")))
        return found


def study_of(view: Connection, uid: str, settings: Settings) -> models.Study | None:
    """What is known of that study; None when there is none."""
    lines = overview.studies(view, only=[uid])
    if not lines:
        return None
    line, revision = lines[0], studies.newest_revision(view, uid)
    number = None if revision is None else revision.id
    reading = None if number is None else results.reading_of(view, number)
    last_words = reviews.newest(view, uid, line.revision)
    return models.Study(
        banner=BANNER,
        study_instance_uid=uid,
        state=line.state,
        reason=line.reason,
        explanation=line.explanation,
        revision=line.revision,
        priority=line.priority,
        reasons=line.reasons,
        first_received_at=line.first_received_at,
        last_received_at=line.last_received_at,
        about=line.about,
        images=() if number is None else _images(view, number),
        flag=None if number is None else _as(models.Flag, flags.flag_of(view, number)),
        reading=_as(models.Reading, reading),
        prior=None if number is None else _prior(priors.search_of(view, number)),
        reviews=tuple(models.Review.model_validate(r) for r in reviews.counting(last_words).values()),
        last_review=max((r.id for r in last_words.values()), default=0),
        final_report=_final(view, uid, settings, reading),
        documents=tuple(models.Document(**_without_path(d)) for d in overview.documents(view, uid)),
        deliveries=tuple(models.Delivery(**_without_path(d)) for d in overview.deliveries(view, uid)),
        history=tuple(models.Event(**e) for e in overview.history(view, uid)),
    )


def _as(model: Any, row: Any) -> Any:
    return None if row is None else model.model_validate(row)


def _final(view: Connection, uid: str, settings: Settings, reading: StoredReading | None) -> models.FinalReport | None:
    drafted = () if reading is None else tuple(finding_from_json(f) for f in reading.findings)
    found = final_report(view, uid, settings, drafted)
    if found is None:
        return None
    compared = tuple(
        models.Compared.model_validate(
            {"concept": c.concept, "draft": _finding(c.draft), "report": _finding(c.report), "verdict": c.verdict}
        )
        for c in found.compared
    )
    return models.FinalReport(
        status=found.status, heard_at=found.heard_at, text=found.text, gone=found.gone, compared=compared
    )


def _finding(finding: Finding | None) -> models.Finding | None:
    return None if finding is None else models.Finding.model_validate(finding_to_json(finding))


def _images(view: Connection, revision_id: int) -> tuple[models.Image, ...]:
    return tuple(
        models.Image(
            sop_instance_uid=image.sop_instance_uid,
            version=image.version,
            used=use.used,
            role=use.role,
            reason=use.reason,
            explanation=use.explanation,
        )
        for image, use in studies.images_of_revision(view, revision_id)
    )


def _prior(search: priors.Search | None) -> models.Prior | None:
    if search is None:
        return None
    found = search.prior
    return models.Prior(
        outcome=search.outcome or "under way",
        used=search.used,
        remarks=search.remarks,
        study_instance_uid=found.study_instance_uid if found else "",
        sop_instance_uid=found.sop_instance_uid if found else "",
        source=found.source if found else "",
    )


def _without_path(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != "path"}
