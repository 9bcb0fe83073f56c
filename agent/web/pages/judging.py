"""`POST /studies/{uid}/reviews`: accept, correct, reject, say what was missed, or take that back."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from agent.audit.event import About, What
from agent.audit.trail import Trail
from agent.store import reviews
from agent.store.reviews import MISSED, WHOLE
from agent.web.context import WebContext
from agent.web.keys import RevisionInForm
from agent.web.pages.render import Pages
from agent.web.person import address_of, person
from agent.web.refused import Refused
from agent.web.study.case import case_of, why_missing
from agent.web.study.judging import LONGEST_WORDS, Judgement, review_of
from agent.web.study.sheet import sheet_of

Short = Annotated[str, Form(max_length=64)]


def router(context: WebContext, pages: Pages) -> APIRouter:
    """Works without a script, which asks for the changed part of the page only."""
    routes = APIRouter()

    @routes.post("/studies/{uid}/reviews")
    def judge(
        request: Request,
        uid: str,
        revision: RevisionInForm,
        verdict: Short,
        finding: Short = WHOLE,
        presence: Short = "",
        laterality: Short = "",
        words: Annotated[str, Form(max_length=LONGEST_WORDS)] = "",
        part: Annotated[Literal["", "finding", "missed"], Form()] = "",
        by: Annotated[str, Form(max_length=128)] = "",
    ) -> Response:
        """`by`: for whom the page was made. Where people share a screen, somebody else may have signed in in another window."""
        who, now = person(request), context.clock.now()
        if by and by != who.name:
            raise Refused(409, "not-by-you")
        with context.ledger.begin() as tx:
            case = case_of(tx, uid, revision)
            if case is None:
                raise Refused(404, why_missing(tx, uid))
            said = Judgement(finding, verdict, presence, laterality, words)
            review = review_of(case, said, account=who.name, now=now)
            reviews.add(tx, review)
            trail = Trail.of(context.settings).acting(who.name, address_of(request))
            trail.by_hand(tx, What.ACCESSED, "review", About(uid, case.patient_id), now=now)
            standing = reviews.standing(tx, uid, revision)
        if not part:
            spot = "missed" if verdict == MISSED else f"finding-{finding}" if finding else "whole"
            return RedirectResponse(f"/studies/{quote(uid)}?revision={revision}#{quote(spot)}", 303)
        sheet = sheet_of(case, pages.words(request), standing)
        template = "study/missed.html" if part == "missed" else "study/review.html"
        return pages.html(
            request, template, case=case, line=case.line, sheet=sheet, subject=finding, review=standing.get(finding)
        )

    return routes
