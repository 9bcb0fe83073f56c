"""`/api/v1/events`: what happens, as it happens, as server-sent events (WHATWG HTML 9.2)."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from agent.store import qc, told
from agent.store.told import Told
from agent.web.api.errors import answers
from agent.web.context import WebContext
from agent.web.refused import Refused

MOST_STREAMS = 16
LONGEST_S = 900  # then the client comes again, with the last id; a token that was revoked meanwhile ends with it
_EVERY_S = 1.0
_QUIET_S = 15.0  # a proxy cuts what says nothing
_AT_ONCE = 200
_TEST_LASTS = timedelta(days=2)
_LARGEST_ID = 2**53 - 1
_STREAM = {
    "description": "Events until the client goes, `wait_s` have passed, or for a quarter of an hour.",
    "content": {"text/event-stream": {"schema": {"type": "string"}}},
}


def add(routes: APIRouter, context: WebContext) -> None:
    """The routes of this module."""
    free = threading.BoundedSemaphore(MOST_STREAMS)

    @routes.get(
        "/events",
        tags=["events"],
        response_class=StreamingResponse,
        responses={200: _STREAM, **answers(422)},
    )
    async def events(
        after: Annotated[
            int | None,
            Query(ge=0, le=_LARGEST_ID, description="Only what came after the event of that id; default: from now on."),
        ] = None,
        wait_s: Annotated[
            int,
            Query(ge=0, le=LONGEST_S, description="End the stream after so many seconds; 0: what there is, and end."),
        ] = LONGEST_S,
        last_event_id: Annotated[str, Header(max_length=20, description="As `after`; a client resumes with it.")] = "",
    ) -> StreamingResponse:
        """That a study was flagged, read, delivered or withdrawn: `event` is one of flagged, not-flagged, read, delivered,
        withdrawn; `data` is an object with the Study Instance UID, the moment and the priority; nothing else of a patient."""
        resumed = int(last_event_id) if last_event_id.isdecimal() and int(last_event_id) <= _LARGEST_ID else after
        if not free.acquire(blocking=False):
            raise Refused(503, "too-many-streams")
        stream = _Stream(context, resumed)
        return StreamingResponse(_said(stream, wait_s, free), media_type="text/event-stream")


class _Stream:
    """Where one client is."""

    def __init__(self, context: WebContext, after: int | None) -> None:
        self._context, self._after = context, after

    def next(self) -> str:
        """What there is to say."""
        with self._context.ledger.read() as view:
            if self._after is None:
                self._after = told.newest(view)
                return ""
            found = told.since(view, self._after, most=_AT_ONCE)
            drawn = qc.films_since(view, self._context.clock.now() - _TEST_LASTS) if found else frozenset()
        if found:
            self._after = found[-1].id
        return "".join(_event(one) for one in found if one.study_instance_uid not in drawn)


async def _said(stream: _Stream, wait_s: int, free: threading.BoundedSemaphore) -> AsyncIterator[str]:
    loop = asyncio.get_running_loop()
    until, spoke = loop.time() + wait_s, loop.time()
    try:
        yield "retry: 2000\n\n"
        while True:
            if text := await run_in_threadpool(stream.next):
                yield text
                spoke = loop.time()
            elif loop.time() - spoke >= _QUIET_S:
                yield ": still here\n\n"
                spoke = loop.time()
            if loop.time() >= until:
                return
            if not text:
                await asyncio.sleep(_EVERY_S)
    finally:
        free.release()


def _event(one: Told) -> str:
    data = {"study_instance_uid": one.study_instance_uid, "at": one.at.isoformat(), "priority": one.priority}
    return f"id: {one.id}\nevent: {one.name}\ndata: {json.dumps(data)}\n\n"
