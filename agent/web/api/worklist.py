"""`/api/v1/studies`: the worklist, in its order, in pages that follow a key."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from agent.store import listing
from agent.store.listing import Cursor, Wanted
from agent.web.api.errors import answers
from agent.web.api.models import worklist as models
from agent.web.asked import note_question
from agent.web.context import WebContext
from agent.web.refused import Refused
from structured_report.content import BANNER

_MOST = 200
_UNREVIEWED = "Only what no radiologist has judged as a whole, or in every finding that the draft states: a review that was begun is none."
Standing = Literal[
    "receiving", "assembled", "flagged", "read", "abstained", "not-analysed", "needs-attention", "withdrawn", "reported",
    "delivered",
]  # fmt: skip
Priority = Literal["critical", "urgent", "routine"]
Stage = Literal["assemble", "flag", "read", "report", "announce", "deliver", "commit"]


class Filters(BaseModel):
    """What is asked for; left out: whatever it is."""

    model_config = ConfigDict(extra="forbid")

    standing: Standing | None = Field(None, description="Where the study stands.")
    priority: Priority | None = None
    finding: str | None = Field(None, pattern=r"^[a-z_]{1,64}$", description="Key of the vocabulary.")
    scanner: str | None = Field(None, pattern=r"^[!-~]([ -~]{0,14}[!-~])?$", description="Calling AE title.")
    since: date | None = Field(None, description="First study date.")
    until: date | None = Field(None, description="Last study date.")
    failing: Stage | None = Field(None, description="The stage that fails, or was parked.")
    unreviewed: bool = Field(False, description=_UNREVIEWED)
    trouble: bool = Field(False, description="Only what a person should look at.")
    waiting: bool = Field(False, description="Only what waits for a person.")
    after: str | None = Field(None, max_length=400, description="`next` of the page before.")
    limit: int = Field(50, ge=1, le=_MOST)

    def wanted(self, text: str = "") -> Wanted:
        """The same for the ledger."""
        return Wanted(
            text=text,
            standing=self.standing or "",
            priority=self.priority or "",
            finding=self.finding or "",
            scanner=self.scanner or "",
            since="" if self.since is None else self.since.strftime("%Y%m%d"),
            until="" if self.until is None else self.until.strftime("%Y%m%d"),
            failing=self.failing or "",
            unreviewed=self.unreviewed,
            trouble=self.trouble,
            waiting=self.waiting,
        )


class Search(Filters):
    """The same, and the beginning of an accession number, a Patient ID or a name."""

    text: str = Field(min_length=1, max_length=64, pattern=r"^[^\x00]+$")


def add(routes: APIRouter, context: WebContext) -> None:
    """The routes of this module."""

    def found(request: Request, filters: Filters, text: str = "") -> models.Worklist:
        cursor = None if filters.after is None else Cursor.of(filters.after)
        if filters.after is not None and cursor is None:
            raise Refused(404, "no-such-page")
        with context.ledger.read() as view:
            page = listing.page(view, filters.wanted(text), after=cursor, size=filters.limit)
        if cursor is None:  # what follows is the same question
            note_question(context, request)
        return models.Worklist(
            banner=BANNER,
            studies=tuple(models.WorklistStudy.model_validate(row) for row in page.rows),
            next=None if page.after is None else page.after.text(),
        )

    @routes.get("/studies", responses=answers(404), tags=["studies"])
    def worklist(request: Request, filters: Annotated[Filters, Query()]) -> models.Worklist:
        """The worklist in its order: what waits first, critical before urgent before the rest, in each who waits longest. A range
        of dates has the newest study first. A page may hold less than `limit`, or nothing, and more may follow: go on while
        there is a `next`. It is written into the audit trail that it was asked for."""
        return found(request, filters)

    @routes.post("/studies/search", responses=answers(404), tags=["studies"])
    def search(request: Request, wanted: Search) -> models.Worklist:
        """The worklist, by the beginning of an accession number, a Patient ID or a patient's name. By POST, because an address
        holds no patient's data; so goes `next` into the body of the call that goes on."""
        return found(request, wanted, wanted.text)
