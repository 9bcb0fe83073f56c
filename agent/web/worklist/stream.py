"""`/live`: which studies of the worklist have changed, as server-sent events (WHATWG HTML 9.2). Of a patient it says nothing."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from agent.errors import PrereadError
from agent.store.purging import PURGED
from agent.web.head import shows_nothing
from agent.web.live import Live, Told, TooMany
from agent.web.person import Person, person
from agent.web.refused import Refused
from agent.web.signing.guard import Guard

_LARGEST = 2**53 - 1
_MEDIA, _HEADERS = "text/event-stream", {"X-Accel-Buffering": "no"}


def router(live: Live, guard: Guard) -> APIRouter:
    """The stream."""
    routes = APIRouter()

    @routes.get("/live")
    async def listen(
        request: Request,
        after: Annotated[int | None, Query(ge=0, le=_LARGEST)] = None,
        last_event_id: Annotated[str, Header(max_length=20)] = "",
    ) -> Response:
        if live.is_full:
            raise Refused(503, "too-many-streams")
        if shows_nothing(request):
            return Response(media_type=_MEDIA, headers=_HEADERS)
        known = last_event_id.isascii() and last_event_id.isdigit() and int(last_event_id) <= _LARGEST
        following = _said(live, guard, person(request), int(last_event_id) if known else after)
        return StreamingResponse(following, media_type=_MEDIA, headers=_HEADERS)

    return routes


async def _said(live: Live, guard: Guard, who: Person, after: int | None) -> AsyncIterator[str]:
    """Until the listener goes, the server stops, or the listener would not be let in any more."""
    loop = asyncio.get_running_loop()
    looked = loop.time()
    yield "retry: 2000\n\n"
    with contextlib.suppress(
        TooMany, PrereadError
    ):  # what the ledger cannot say now is asked for when the listener comes again
        async with contextlib.aclosing(live.follow(after)) as following:
            async for told in following:
                if loop.time() - looked >= _LOOK_AT_SESSION_S:
                    looked = loop.time()
                    if not await run_in_threadpool(_still, guard, who):
                        yield "event: signed-out\ndata: {}\n\n"
                        return
                yield _event(told)


_LOOK_AT_SESSION_S = 10.0


def _still(guard: Guard, who: Person) -> bool:
    try:
        return guard.still(who)
    except PrereadError:  # nobody can tell at the moment; nothing is told meanwhile but numbers
        return True


def _event(told: Told) -> str:
    """Every event says whether more may have happened than can be told; that one comes in time says that the stream still runs."""
    uids = list(dict.fromkeys(one.study_instance_uid for one in told.events if one.study_instance_uid))
    # That a study was taken out is noted without saying which: the page asks what has become of those it shows.
    gone = any(one.code == PURGED and not one.study_instance_uid for one in told.events)
    if not uids and not gone and not told.all_new:
        said = json.dumps({"trouble": told.trouble})
        return f": still here\nid: {told.up_to}\nevent: still\ndata: {said}\n\n"
    said = json.dumps({"uids": uids, "gone": gone, "all": told.all_new, "trouble": told.trouble})
    return f"id: {told.up_to}\nevent: studies\ndata: {said}\n\n"
