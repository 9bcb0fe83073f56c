"""`/api/v1/studies/UID/reviews`: what a radiologist says of a draft, by a program in which he or she says it."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from agent.audit.event import About, What
from agent.audit.trail import Trail
from agent.store import reviews, revisions
from agent.web.api.errors import answers
from agent.web.api.models import study as models
from agent.web.api.study import StudyUid
from agent.web.context import WebContext
from agent.web.person import address_of, person
from agent.web.refused import Refused
from agent.web.study.case import case_of
from agent.web.study.judging import LONGEST_WORDS, Judgement, Meanwhile, judge

_LONGEST_ACCOUNT = 64  # characters of the column; tokens of before may have longer names
_Number = Annotated[int, Field(lt=2**31)]


class Said(BaseModel):
    """One judgement."""

    model_config = ConfigDict(extra="forbid")

    revision: _Number = Field(ge=1, description="Of the study, that was looked at.")
    finding: str = Field(
        "", pattern=r"^[a-z_]{0,64}$", description="Key of the vocabulary; empty: the draft as a whole."
    )
    verdict: Literal["accepted", "corrected", "rejected", "missed", "taken-back"]
    presence: Literal["", "present", "absent", "undetermined"] = Field("", description="Of a correction.")
    laterality: Literal["", "left", "right", "bilateral", "none"] = Field(
        "", description="Of a correction, or of what was missed."
    )
    words: str = Field("", max_length=LONGEST_WORDS, pattern=r"^[^\x00]*$", description="The radiologist's own.")
    seen: _Number = Field(0, ge=0, description="`last_review` of the study as the radiologist saw it.")


def add(routes: APIRouter, context: WebContext) -> None:
    """The routes of this module."""

    @routes.post("/studies/{study_instance_uid}/reviews", responses=answers(404, 409), tags=["reviews"])
    def review(request: Request, study_instance_uid: StudyUid, said: Said) -> models.Review:
        """Accept, correct or reject the draft as a whole or one finding of it, say what it has missed, or take that back: for tokens
        of radiologists. Kept as agreement data; nothing that was sent changes. 409, and nothing is kept, where somebody else has
        judged the same since what was `seen`."""
        who, now = person(request), context.clock.now()
        judgement = Judgement(said.finding, said.verdict, said.presence, said.laterality, said.words, said.seen)
        with context.ledger.begin() as tx:
            case = case_of(tx, study_instance_uid, said.revision)
            if case is None:
                raise Refused(404, "no-such-revision" if revisions.known(tx, study_instance_uid) else "no-such-study")
            try:
                judge(tx, case, judgement, account=who.name[:_LONGEST_ACCOUNT], now=now)
            except Meanwhile as other:
                raise Refused(409, "judged-meanwhile") from other
            trail = Trail.of(context.current).acting(who.name, address_of(request))
            trail.by_hand(tx, What.ACCESSED, "review", About(study_instance_uid, case.patient_id), now=now)
            kept = reviews.newest(tx, study_instance_uid, said.revision)[said.finding]
        return models.Review.model_validate(kept)
