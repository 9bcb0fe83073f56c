"""What is told live: all of it, once, to whoever may hear it, until they may not."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from http.client import HTTPConnection
from typing import TypeVar

import pytest
from sqlalchemy import update

from agent.errors import PrereadError
from agent.keeping.projector import Projector
from agent.store import accounts, purging, schema, sessions
from agent.web.api import events
from agent.web.context import WebContext
from agent.web.live import Live, Told, TooMany
from agent.web.person import Person
from agent.web.rights import Role
from agent.web.server import WebServer
from agent.web.signing.guard import Guard
from agent.web.signing.session import cookie_name
from agent.web.worklist import stream
from tests.support.site import PATIENCE_S, free_port
from tests.support.worklists import SetClock, Worklist

T = TypeVar("T")
_FAST_S = 0.01


class Here:
    """A site, what follows its history, and who tells of it."""

    def __init__(self, context: WebContext) -> None:
        self.context = context
        self.line = Worklist(context.ledger, SetClock(context.clock.now()))
        self.projector = Projector(context.ledger, context.clock, threading.Event())
        self.projector.catch_up()
        self.live = Live(context.ledger, context.clock, look_s=_FAST_S)

    def arrive(self, uid: str) -> None:
        self.line.arrive(uid)
        self.projector.follow()


@pytest.fixture
def here(context: WebContext) -> Here:
    return Here(context)


def in_loop(doing: Callable[[], Awaitable[T]]) -> T:
    async def limited() -> T:
        async with asyncio.timeout(PATIENCE_S):
            return await doing()

    return asyncio.run(limited())


async def told(following: AsyncGenerator[Told]) -> Told:
    """The next that says something."""
    async for one in following:
        if one.events or one.all_new:
            return one
    raise AssertionError("the stream ended")


def test_whoever_listens_hears_of_every_study_once_and_misses_none_when_he_comes_again(here: Here) -> None:
    async def listen() -> None:
        following = here.live.follow()
        begin = await anext(following)
        here.arrive("1.1")
        first = await told(following)
        assert [e.study_instance_uid for e in first.events] == ["1.1"]
        assert first.events[0].code == "arriving"
        await following.aclose()
        here.arrive("1.2")
        here.arrive("1.3")
        again = here.live.follow(first.up_to)
        missed = await anext(again)
        assert [e.study_instance_uid for e in missed.events] == ["1.2", "1.3"]
        here.arrive("1.4")
        assert [e.study_instance_uid for e in (await told(again)).events] == ["1.4"]
        everything = await anext(here.live.follow(begin.up_to))
        assert [e.study_instance_uid for e in everything.events] == ["1.1", "1.2", "1.3", "1.4"]

    in_loop(listen)


def test_nothing_is_told_before_the_worklist_has_it(here: Here) -> None:
    async def listen() -> None:
        following = here.live.follow(heartbeat_s=_FAST_S * 10)
        await anext(following)
        here.line.arrive("1.1")
        for _ in range(3):
            assert (await anext(following)).events == ()
        here.projector.follow()
        assert [e.study_instance_uid for e in (await told(following)).events] == ["1.1"]

    in_loop(listen)


def test_who_was_away_too_long_or_before_a_restore_is_told_to_ask_anew(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.web.live._AT_ONCE", 3)
    for n in range(6):
        here.arrive(f"1.{n}")

    async def listen() -> None:
        for after in (0, 10**6):
            first = await anext(here.live.follow(after))
            assert (first.all_new, first.events) == (True, ())

    in_loop(listen)


def test_a_listener_who_does_not_listen_is_dropped_and_holds_up_nobody(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.web.live._BEHIND", 2)

    async def listen() -> None:
        slow, quick = here.live.follow(), here.live.follow()
        await anext(slow)
        await anext(quick)
        heard = list[str]()
        for n in range(5):
            here.arrive(f"1.{n}")
            heard += [e.study_instance_uid for e in (await told(quick)).events]
        assert heard == [f"1.{n}" for n in range(5)]
        assert [one async for one in slow if one.events] == [], "it ends, and tells nothing with a hole in it"

    in_loop(listen)


@contextmanager
def away(here: Here, table: str) -> Iterator[None]:
    """Nothing can be read from that table until the end of the block."""
    with here.context.ledger.begin() as tx:
        tx.exec_driver_sql(f"ALTER TABLE {table} RENAME TO away")
    yield
    with here.context.ledger.begin() as tx:
        tx.exec_driver_sql(f"ALTER TABLE away RENAME TO {table}")


async def standing(said: AsyncGenerator[Told], trouble: str) -> None:
    async for one in said:
        if one.trouble == trouble:
            return
    raise AssertionError("the stream ended")


def test_an_open_list_hears_that_the_ledger_cannot_be_read_and_when_it_can_again(here: Here) -> None:
    async def listen() -> None:
        following = here.live.follow()
        assert (await anext(following)).trouble == ""
        with away(here, "listing_progress"):
            await standing(following, "unreadable")
            newcomer = here.live.follow(0)
            with pytest.raises(PrereadError):
                await anext(newcomer)
        await standing(following, "")
        here.arrive("1.1")
        assert [e.study_instance_uid for e in (await told(following)).events] == ["1.1"]

    in_loop(listen)


def test_an_open_list_hears_that_it_is_late_and_so_does_one_that_is_opened_then(here: Here) -> None:
    async def listen() -> None:
        following = here.live.follow(heartbeat_s=_FAST_S * 10)
        assert (await anext(following)).trouble == ""
        here.line.clock.time -= timedelta(seconds=10)
        here.line.arrive("1.1")
        for _ in range(3):
            assert (await anext(following)).trouble == "", "ten seconds are not late"
        here.line.clock.time -= timedelta(minutes=1)
        here.projector.follow()
        assert [e.study_instance_uid for e in (await told(following)).events] == ["1.1"]
        here.line.arrive("1.2")  # a minute ago, and nothing follows
        await standing(following, "late")
        assert (await anext(here.live.follow())).trouble == "late"
        assert (await anext(following)).trouble == "late", "every heartbeat says it"
        here.projector.follow()
        heard = await anext(following)
        while not heard.events:
            heard = await anext(following)
        assert (heard.trouble, heard.events[0].study_instance_uid) == ("", "1.2")

    in_loop(listen)


def test_whoever_comes_between_two_looks_hears_how_it_is_and_not_how_it_was(here: Here) -> None:
    live = Live(here.context.ledger, here.context.clock, look_s=3600)

    async def listen() -> None:
        earlier = live.follow()
        assert (await anext(earlier)).trouble == ""
        here.line.clock.time -= timedelta(minutes=1)
        here.line.arrive("1.1")  # and nothing follows
        assert (await anext(live.follow())).trouble == "late"
        here.projector.follow()
        assert (await anext(live.follow())).trouble == ""

    in_loop(listen)
    live.close()


def test_there_are_never_more_listeners_than_may_be(here: Here) -> None:
    async def listen() -> None:
        live = Live(here.context.ledger, here.context.clock, most=2, look_s=_FAST_S)
        first, second = live.follow(), live.follow()
        await anext(first)
        await anext(second)
        assert live.is_full
        with pytest.raises(TooMany):
            await anext(live.follow())
        await second.aclose()
        await anext(live.follow())

    in_loop(listen)


def test_every_stream_ends_when_the_server_stops(here: Here) -> None:
    async def listen() -> None:
        following = [here.live.follow() for _ in range(3)]
        for one in following:
            await anext(one)
        here.live.close()
        for one in following:
            assert [told async for told in one if told.events] == []

    in_loop(listen)


def test_nobody_watches_when_nobody_listens(here: Here) -> None:
    of_others = set(threading.enumerate())  # those of a test before may be ending still

    async def listen() -> None:
        following = here.live.follow()
        await anext(following)
        (watching,) = [t for t in threading.enumerate() if t.name == "live" and t not in of_others]
        await following.aclose()
        await asyncio.to_thread(watching.join, PATIENCE_S)
        assert not watching.is_alive()
        again = here.live.follow()
        await anext(again)
        here.arrive("1.1")
        assert (await told(again)).events

    in_loop(listen)


# ---- as server-sent events


def test_a_server_that_stops_ends_its_streams_and_does_not_cut_them(here: Here) -> None:
    """One that is cut is an error to the browser, and holds the server up until its patience ends."""
    port, stop, of_others = free_port(), threading.Event(), set(threading.enumerate())
    web = here.context.settings.web.model_copy(update={"port": port, "url": f"http://127.0.0.1:{port}"})
    settings = here.context.settings.model_copy(update={"web": web})
    token, now = "a-token-of-the-test", here.context.clock.now()
    with here.context.ledger.begin() as tx:
        number = accounts.add(tx, "roe", Role.VIEWER, "", must_change=False, now=now)
        sessions.begin(tx, token, number, "127.0.0.1", now=now)
    server = WebServer(replace(here.context, settings=settings), stop, lambda: None)
    server.start()
    try:
        calling = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        calling.request("GET", "/live", headers={"Cookie": f"{cookie_name(web)}={token}"})
        answer = calling.getresponse()
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert answer.readline() == b"retry: 2000\n"
        here.arrive("1.1")
        while not answer.readline().startswith(b"data: "):
            pass
    finally:
        stop.set()
    answer.read()  # raises when it was cut
    server.join(PATIENCE_S)
    assert "web" not in {thread.name for thread in threading.enumerate() if thread not in of_others}


def person(context: WebContext, *, ago: timedelta = timedelta()) -> Person:
    """Somebody who has signed in."""
    now = context.clock.now() - ago
    with context.ledger.begin() as tx:
        number = accounts.add(tx, "roe", Role.VIEWER, "", must_change=False, now=now)
        tx.execute(
            schema.web_session.insert().values(digest="d", account_id=number, began_at=now, seen_at=now, address="a")
        )
    return Person(number, "roe", "", Role.VIEWER, "", "", "d")


def test_the_stream_names_studies_and_no_patient(here: Here) -> None:
    async def listen() -> None:
        said = stream._said(here.live, Guard(here.context), person(here.context), None)
        assert await anext(said) == "retry: 2000\n\n"
        assert (await anext(said)).startswith(": still here\nid: ")
        here.line.clock.time -= timedelta(minutes=1)
        here.line.arrive("1.1")
        assert (await anext(said)).endswith('event: still\ndata: {"trouble": "late"}\n\n')
        here.projector.follow()
        event = await anext(said)
        assert '"uids": ["1.1"]' in event
        assert "event: studies\n" in event
        assert '"trouble": ""' in event
        assert event.endswith("\n\n")
        assert "DOE" not in event
        with here.context.ledger.begin() as tx:
            purging.purge(tx, "1.1", now=here.context.clock.now())
        here.projector.follow()
        assert '"uids": [], "gone": true' in await anext(said), "a study that was taken out is told of, and not named"

    in_loop(listen)


@pytest.mark.parametrize("table", ["event", "web_session"])
def test_a_stream_for_programs_ends_where_the_ledger_cannot_be_read_and_gives_its_place_free(
    here: Here, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    monkeypatch.setattr(events, "_LOOK_AT_CALLER_S", 0.0)
    free = threading.BoundedSemaphore(1)
    guard, who = Guard(here.context), person(here.context)

    async def listen() -> None:
        assert free.acquire(blocking=False)
        stream_of_one = events._Stream(here.context, 0, partial(guard.still, who))
        said = events._said(here.live, stream_of_one, 60, free)
        assert await anext(said) == "retry: 2000\n\n"
        assert await anext(said) == ": still here\n\n"
        here.arrive("1.1")
        with away(here, table):
            assert [text async for text in said if text.startswith("id:")] == []
        assert free.acquire(blocking=False)

    in_loop(listen)


@pytest.mark.parametrize("what", ["disabled", "signed-out", "idle", "other-role"])
def test_the_stream_ends_with_the_session(here: Here, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    monkeypatch.setattr(stream, "_LOOK_AT_SESSION_S", 0.0)
    who = person(here.context)

    async def listen() -> None:
        said = stream._said(here.live, Guard(here.context), who, None)
        for _ in range(2):
            assert "signed-out" not in await anext(said)
        with here.context.ledger.begin() as tx:
            if what == "disabled":
                accounts.set_values(tx, who.account_id, disabled=True)
            elif what == "other-role":
                accounts.set_values(tx, who.account_id, role=Role.ADMINISTRATOR)
            elif what == "idle":
                tx.execute(update(schema.web_session).values(seen_at=here.context.clock.now() - timedelta(days=1)))
            else:
                tx.execute(schema.web_session.delete())
        here.arrive("1.1")
        assert await anext(said) == "event: signed-out\ndata: {}\n\n"
        with pytest.raises(StopAsyncIteration):
            await anext(said)

    in_loop(listen)
