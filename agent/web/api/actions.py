"""`/api/v1/studies/UID/ACTION`: what a person can do about a study, done by a program: the same as the commands and the pages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from agent.errors import Permanent
from agent.mending import holding, rereading, retrying, withdrawing
from agent.mending.hand import Hand, one_line
from agent.store.schema import study
from agent.web.api.errors import answers
from agent.web.api.models import actions as models
from agent.web.api.study import StudyUid
from agent.web.context import WebContext
from agent.web.hand import hand_of
from agent.web.refused import Refused

_Reason = Annotated[
    str, Field(max_length=500, pattern=r"[A-Za-z0-9]", description="In your words; kept in the history.")
]


class Why(BaseModel):
    """Why it is done."""

    model_config = ConfigDict(extra="forbid")

    reason: _Reason


def add(routes: APIRouter, context: WebContext) -> None:
    """The routes of this module."""
    said = answers(404, 409)

    def hand(request: Request, uid: str) -> Hand:
        with context.ledger.read() as view:
            found = view.execute(select(study.c.study_instance_uid).where(study.c.study_instance_uid == uid)).first()
        if found is None:
            raise Refused(404, "no-such-study")
        return hand_of(context, request)

    @routes.post("/studies/{study_instance_uid}/retry", responses=said, tags=["actions"])
    def retry(request: Request, study_instance_uid: StudyUid, why: Why) -> models.Retried:
        """Try parked and waiting deliveries, parked stages and assembly again. What was acknowledged is not sent again."""
        with _refused():
            done = retrying.retry(hand(request, study_instance_uid), study_instance_uid, one_line(why.reason))
        return models.Retried.model_validate(done)

    @routes.post("/studies/{study_instance_uid}/hold", responses=said, tags=["actions"])
    def hold(request: Request, study_instance_uid: StudyUid, why: Why) -> models.Held:
        """Let nothing of the study leave until it is released."""
        with _refused():
            held = holding.hold(hand(request, study_instance_uid), study_instance_uid, one_line(why.reason))
        return models.Held(held=held)

    @routes.post("/studies/{study_instance_uid}/release", responses=said, tags=["actions"])
    def release(request: Request, study_instance_uid: StudyUid, why: Why) -> models.Released:
        """Let go what was held back by hand."""
        with _refused():
            due = holding.release(hand(request, study_instance_uid), study_instance_uid, one_line(why.reason))
        return models.Released(due=due)

    @routes.post("/studies/{study_instance_uid}/reread", responses=said, tags=["actions"])
    def reread(request: Request, study_instance_uid: StudyUid, why: Why) -> models.Reread:
        """Read the same images anew with the model of today, as a new revision. A withdrawn study comes back by this alone."""
        with _refused():
            by = hand(request, study_instance_uid)
            became = rereading.reread(by, [study_instance_uid], one_line(why.reason))
        if became.not_read:
            raise Refused(409, "cannot-be-read")
        return models.Reread(will_be_read=bool(became.read_again))

    @routes.post("/studies/{study_instance_uid}/withdraw", responses=said, tags=["actions"])
    def withdraw(request: Request, study_instance_uid: StudyUid, why: Why) -> models.Withdrawn:
        """Take the result back: everybody who has it is told so, with the reason; what waits never leaves."""
        with _refused():
            done = withdrawing.withdraw(hand(request, study_instance_uid), study_instance_uid, one_line(why.reason))
        return models.Withdrawn(told_now=done.now and not done.not_told)


@contextmanager
def _refused() -> Iterator[None]:
    """What cannot be done as things stand is a refusal by its code; the sentence of the error is for a command."""
    try:
        yield
    except Permanent as error:
        raise Refused(409, error.code) from error
