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
from agent.web.study.case import Case, case_of, why_missing
from agent.web.study.judging import LONGEST_WORDS, Judgement, Meanwhile, judge
from agent.web.study.sheet import sheet_of

Short = Annotated[str, Form(max_length=64)]
Number = Annotated[int, Form(ge=0, lt=2**31)]


def router(context: WebContext, pages: Pages) -> APIRouter:
    """Works without a script, which asks for the changed part of the page only."""
    routes = APIRouter()

    @routes.post("/studies/{uid}/reviews")
    def judged(
        request: Request,
        uid: str,
        revision: RevisionInForm,
        verdict: Short,
        finding: Short = WHOLE,
        presence: Short = "",
        laterality: Short = "",
        words: Annotated[str, Form(max_length=LONGEST_WORDS)] = "",
        seen: Number = 0,
        despite: Number = 0,
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
            said = Judgement(finding, verdict, presence, laterality, words, seen, despite)
            try:
                judge(tx, case, said, account=who.name, now=now)
            except Meanwhile as other:
                return overtaken(request, case, said, other, part)
            trail = Trail.of(context.settings).acting(who.name, address_of(request))
            trail.by_hand(tx, What.ACCESSED, "review", About(uid, case.patient_id), now=now)
            last_words = reviews.newest(tx, uid, revision)
        if not part:
            spot = "missed" if verdict == MISSED else f"finding-{finding}" if finding else "whole"
            return RedirectResponse(f"/studies/{quote(uid)}?revision={revision}#{quote(spot)}", 303)
        sheet = sheet_of(case, pages.words(request), last_words)
        template = "study/missed.html" if part == "missed" else "study/review.html"
        # Of the rest of the page nothing new has been shown: what it says of that is what was seen before.
        return pages.html(
            request, template, case=case, line=case.line, sheet=sheet, subject=finding, seen=seen,
            review=reviews.counting(last_words).get(finding),
        )  # fmt: skip

    def overtaken(request: Request, case: Case, said: Judgement, other: Meanwhile, part: str) -> Response:
        """What was entered comes back with what stands against it, to be sent again by who knows both."""
        template = "study/meanwhile.html" if part else "study-meanwhile.html"
        return pages.html(request, template, status=409, case=case, said=said, newer=other.newer)

    return routes
