"""`/studies/{uid}`: one study, its films, what was drafted about it and why."""

from __future__ import annotations

import contextlib

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from agent.errors import PrereadError
from agent.store import overview, processes, reviews
from agent.web.context import WebContext
from agent.web.keys import RevisionInQuery
from agent.web.pages.render import Pages
from agent.web.person import person
from agent.web.refused import Refused
from agent.web.study.case import Case, case_of, standing_of, why_missing
from agent.web.study.films import Films
from agent.web.study.final import final_report
from agent.web.study.judging import may_be_judged
from agent.web.study.pacs import pacs_link
from agent.web.study.plain import plain_date, plain_name, plain_time
from agent.web.study.seen import Seen
from agent.web.study.sheet import sheet_of


def router(context: WebContext, pages: Pages, films: Films, seen: Seen) -> APIRouter:
    """The page, and whether it is still what it was."""
    routes = APIRouter()

    @routes.get("/studies/{uid}")
    def study(request: Request, uid: str, revision: RevisionInQuery = None) -> Response:
        with context.ledger.read() as view:
            case = case_of(view, uid, revision)
            if case is None:
                raise Refused(404, why_missing(view, uid))
            number = case.revision.number if case.revision is not None else 0
            last_words = reviews.newest(view, uid, number)
            drafted = () if case.said is None else case.said.findings
            final = final_report(view, uid, context.settings, drafted)
            model_words = next((p.words for p in processes.all_processes(view) if p.role == "read"), "")
            standing = standing_of(view, case.line, person(request).name)
        seen.note(request, uid, case.patient_id)
        for film in case.priors:
            seen.note(request, film.study_instance_uid, film.facts.patient_id)
        with contextlib.suppress(PrereadError):  # the page can be read without its films, and they say so themselves
            films.warm()
        t = pages.words(request)
        return pages.html(
            request, "study.html", case=case, sheet=sheet_of(case, t, last_words), plain_name=plain_name,
            plain_date=plain_date, plain_time=plain_time, model_words=model_words, pacs_link=_link(context, case), final=final,
            line=case.line, judged=may_be_judged(case), standing=standing,
            seen=max((r.id for r in last_words.values()), default=0),
        )  # fmt: skip

    @routes.get("/studies/{uid}/standing")
    def standing(request: Request, uid: str) -> Response:
        with context.ledger.read() as view:
            found = overview.studies(view, only=[uid])
            if not found:
                raise Refused(404, "not-found")
            return JSONResponse({"standing": standing_of(view, found[0], person(request).name)})

    return routes


def _link(context: WebContext, case: Case) -> str:
    order = case.revision.study["order"] if case.revision is not None else {}
    return pacs_link(
        context.settings.web.pacs_link,
        study_instance_uid=case.line.study_instance_uid,
        accession_number=str(order.get("accession_number", "")),
    )
