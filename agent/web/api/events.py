"""`/api/v1/events`: what happens, as it happens, as server-sent events (WHATWG HTML 9.2)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from agent.errors import PrereadError
from agent.store import qc, told
from agent.store.told import Told
from agent.web.api.errors import answers
from agent.web.context import WebContext
from agent.web.head import shows_nothing
from agent.web.live import HEARTBEAT_S, Live, TooMany
from agent.web.person import person
from agent.web.refused import Refused
from agent.web.signing.guard import Guard
from agent.web.signing.tokens import bearer, owner

MOST_STREAMS = 16
LONGEST_S = 900  # then the client comes again, with the last id
_LOOK_AT_CALLER_S = 10.0
_AT_ONCE = 200
_TEST_LASTS = timedelta(days=2)
_LARGEST_ID = 2**53 - 1
_MEDIA, _HEADERS = "text/event-stream", {"X-Accel-Buffering": "no"}
_STREAM = {
    "description": "Events until the client goes, `wait_s` have passed, or for a quarter of an hour.",
    "content": {"text/event-stream": {"schema": {"type": "string"}}},
}


def add(routes: APIRouter, context: WebContext, live: Live, guard: Guard) -> None:
    """The routes of this module."""
    free = threading.BoundedSemaphore(MOST_STREAMS)

    @routes.get(
        "/events",
        tags=["events"],
        response_class=StreamingResponse,
        responses={200: _STREAM, **answers(422)},
    )
    async def events(
        request: Request,
        after: Annotated[
            int | None,
            Query(ge=0, le=_LARGEST_ID, description="Only what came after the event of that id; default: from now on."),
        ] = None,
        wait_s: Annotated[
            int,
            Query(ge=0, le=LONGEST_S, description="End the stream after so many seconds; 0: what there is, and end."),
        ] = LONGEST_S,
        last_event_id: Annotated[str, Header(max_length=20, description="As `after`; a client resumes with it.")] = "",
    ) -> Response:
        """That a study was flagged, read, delivered or withdrawn: `event` is one of flagged, not-flagged, read, delivered,
        withdrawn; `data` is an object with the Study Instance UID, the moment and the priority; nothing else of a patient."""
        if shows_nothing(request):
            return Response(media_type=_MEDIA, headers=_HEADERS)
        resumed = int(last_event_id) if last_event_id.isdecimal() and int(last_event_id) <= _LARGEST_ID else after
        if not free.acquire(blocking=False):
            raise Refused(503, "too-many-streams")
        token, who = bearer(request), person(request)
        still = partial(guard.still, who) if token is None else lambda: owner(context, token) is not None
        said = _said(live, _Stream(context, resumed, still), wait_s, free)
        return StreamingResponse(said, media_type=_MEDIA, headers=_HEADERS)


class _Stream:
    """Where one client is. `still`: whether the caller would be let in."""

    def __init__(self, context: WebContext, after: int | None, still: Callable[[], bool]) -> None:
        self._context, self._after, self.still = context, after, still

    def next(self, up_to: int) -> str:
        """What there is to say of what had happened by that event; empty when all of it is said."""
        if (
            self._after is None or self._after > up_to
        ):  # a number from the future is of a ledger that was restored since
            self._after = up_to
        said = ""
        while not said:
            with self._context.ledger.read() as view:
                found = told.since(view, self._after, up_to, most=_AT_ONCE)
                drawn = qc.films_since(view, self._context.clock.now() - _TEST_LASTS) if found else frozenset()
            if not found:
                return ""
            self._after = found[-1].id
            said = "".join(_event(one) for one in found if one.study_instance_uid not in drawn)
        return said


async def _said(live: Live, stream: _Stream, wait_s: int, free: threading.BoundedSemaphore) -> AsyncIterator[str]:
    """Until the client goes, the time is over, or the caller would not be let in any more; and until the ledger cannot be read: the
    client comes again with the last id that it has, and is told by a status how things stand."""
    loop = asyncio.get_running_loop()
    until, looked = loop.time() + wait_s, loop.time()
    try:
        yield "retry: 2000\n\n"
        with contextlib.suppress(TooMany, PrereadError):
            async with contextlib.aclosing(live.follow(heartbeat_s=min(HEARTBEAT_S, wait_s + 0.1))) as following:
                async for heard in following:
                    if loop.time() - looked >= _LOOK_AT_CALLER_S:
                        looked = loop.time()
                        if not await run_in_threadpool(stream.still):
                            return
                    while text := await run_in_threadpool(stream.next, heard.up_to):
                        yield text
                    if loop.time() >= until:
                        return
                    yield ": still here\n\n"
    finally:
        free.release()


def _event(one: Told) -> str:
    data = {"study_instance_uid": one.study_instance_uid, "at": one.at.isoformat(), "priority": one.priority}
    return f"id: {one.id}\nevent: {one.name}\ndata: {json.dumps(data)}\n\n"
