"""The worklist: who looks finds what is urgent, and nobody's name goes where it does not belong."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import select, update
from starlette.testclient import TestClient

from agent.keeping.projector import Projector
from agent.store import audit, purging, reviews, schema, sessions
from agent.web.context import WebContext
from agent.web.rights import Role
from agent.web.signing.session import cookie_name
from structured_report.content import Finding, Laterality, Presence, Priority, Probability
from tests.support.worklists import SetClock, Worklist, present

Browser = Callable[[Role], TestClient]
PLANTED = "<script>alert('name')</script>^<b>Bold</b>"


class Here:
    """A site whose studies come and change at the test's word."""

    def __init__(self, context: WebContext) -> None:
        self.context, self.clock = context, SetClock(context.clock.now() - timedelta(hours=2))
        self.line = Worklist(context.ledger, self.clock)
        self.projector = Projector(context.ledger, context.clock, threading.Event())

    def critical(self, uid: str, **about: Any) -> None:
        self.line.arrive(uid, **about)
        self.line.assemble(uid)
        said = [Probability("pneumothorax", 0.93)]
        self.line.flag(uid, Priority.CRITICAL, ["pneumothorax (0.93, uncalibrated)"], said)

    def read(self, uid: str, *findings: Finding, **about: Any) -> None:
        self.line.arrive(uid, **about)
        self.line.assemble(uid)
        self.line.read(uid, findings=findings)
        self.line.report(uid)

    def shown(self) -> None:
        self.projector.catch_up()


@pytest.fixture
def here(context: WebContext) -> Here:
    return Here(context)


def uids(text: str) -> list[str]:
    return re.findall(r'<tr data-uid="([^"]+)"', text)


def more(text: str) -> str:
    """Where the list goes on."""
    found = re.search(r'id="more" href="([^"]+)"', text)
    return unescape(found.group(1)) if found else ""


def messages(context: WebContext) -> list[str]:
    with context.ledger.read() as view:
        return [row.message for row in audit.rows(view)]


def rows(client: TestClient, *wanted_uids: str, **wanted: str) -> dict[str, Any]:
    answer = client.post("/worklist/rows", json={"uids": wanted_uids, "wanted": wanted})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_the_urgent_study_comes_first_with_its_reason_and_its_findings(here: Here, browser: Browser) -> None:
    here.read("1.1", present("cardiomegaly"), Finding("pleural_effusion", Presence.UNDETERMINED, Laterality.LEFT))
    here.critical("1.2", name="Urgent^Ute")
    here.shown()
    text = browser(Role.RADIOLOGIST).get("/").text
    assert uids(text) == ["1.2", "1.1"]
    first, second = text.split("<tr data-uid=")[1:3]
    assert "pneumothorax (0.93, uncalibrated)" in first
    assert '<a class="open" href="/studies/1.2">Urgent, Ute</a>' in first
    assert "2 h 00 min" in first
    assert "flagged, being read" in first
    assert "suspected by the fast look, not read yet; probability 93 %, not calibrated" in first
    assert "stated in the draft" in second
    assert "unclear in the draft" in second
    assert "Pleural effusion, left" in second


def test_markup_in_names_numbers_and_reasons_is_shown_as_text(here: Here, browser: Browser) -> None:
    here.line.arrive(
        "1.1", name=PLANTED, patient_id="<img src=x>", accession="<i>", scanner="<u>AE</u>", description="<s>d</s>"
    )
    here.line.assemble("1.1")
    here.line.flag("1.1", Priority.CRITICAL, ["<em>because</em>"], trouble="")
    here.line.doubt("1.1")
    here.shown()
    client = browser(Role.RADIOLOGIST)
    for text in (client.get("/").text, rows(client, "1.1")["rows"][0]["html"]):
        for tag in ("<img", "<i>", "<u>", "<s>", "<em>", "<b>Bold", "alert('name')</script>"):
            assert tag not in text
        assert "&lt;img src=x&gt;" in text
        assert "&lt;em&gt;because&lt;/em&gt;" in text


def test_a_name_that_is_searched_for_is_in_no_address(here: Here, browser: Browser) -> None:
    for n in range(120):
        here.line.arrive(f"1.{n}", name=f"Müller^Nr{n:03}", patient_id=f"P{n}", accession=f"A{n}")
    here.line.arrive("2.1", name="Other^Olga")
    here.shown()
    client, found, addresses = browser(Role.RADIOLOGIST), list[str](), list[str]()
    sent = client.post("/worklist/search", data={"text": "  mULler "})
    assert sent.status_code == 303
    address = sent.headers["location"]
    while address:
        addresses.append(address)
        text = client.get(address).text
        found += uids(text)
        address = more(text)
    assert sorted(found) == sorted(f"1.{n}" for n in range(120))
    assert len(addresses) == 3
    for address in addresses:
        assert "ller" not in address.lower()
        assert "nr0" not in address.lower()
    by_number = client.get(client.post("/worklist/search", data={"text": "p77"}).headers["location"]).text
    assert uids(by_number) == ["1.77"]


def test_a_search_that_finds_nothing_says_what_it_looks_for_and_is_ended_with_a_click(
    here: Here, browser: Browser
) -> None:
    here.line.arrive("1.1")
    here.shown()
    client = browser(Role.RADIOLOGIST)
    for filters, back in (({}, "/?all=1"), ({"waiting": "1"}, "/?waiting=1")):
        page = client.get(client.post("/worklist/search", data={"text": "nobody", **filters}).headers["location"]).text
        assert uids(page) == [] and "beginning of a name" in page
        (end,) = re.findall(r'href="([^"]+)">End the search<', page)
        assert end == back
        without = client.get(end).text
        assert uids(without) == ["1.1"] and "End the search" not in without


def test_what_somebody_searched_for_is_nobody_elses(here: Here, browser: Browser) -> None:
    here.line.arrive("1.1", name="Müller^Anna")
    here.shown()
    sent = browser(Role.RADIOLOGIST).post("/worklist/search", data={"text": "müller"})
    other = browser(Role.VIEWER).get(sent.headers["location"]).text
    assert 'value="müller"' not in other
    assert "is not known any more" in other


def test_a_search_that_is_not_known_any_more_finds_nobody_else(here: Here, browser: Browser) -> None:
    for n in range(60):
        here.line.arrive(f"1.{n}", name=f"Müller^Nr{n}")
    here.line.arrive("2.1", name="Other^Olga", patient_id="X")
    here.shown()
    client = browser(Role.RADIOLOGIST)
    address = client.post("/worklist/search", data={"text": "müller"}).headers["location"]
    further = more(client.get(address).text)
    token = address.partition("s=")[2]
    assert [r["uid"] for r in rows(client, "1.1", "2.1", s=token)["rows"]] == ["1.1"]
    lost = {"uids": ["1.1", "2.1"], "wanted": {"s": "nobody-knows-it"}}
    answer = client.post("/worklist/rows", json=lost, headers={"Accept": "application/json"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "search-lost")
    refused = client.get(further.replace(token, "nobody-knows-it"))
    assert (refused.status_code, "Olga" in refused.text) == (409, False)
    assert "is not known any more" in refused.text


def test_a_list_of_patients_is_written_down_once_a_question_and_without_the_question(
    here: Here, browser: Browser, context: WebContext
) -> None:
    here.critical("1.1", name="Secret^Sarah", patient_id="PAT-77")
    here.shown()
    client, before = browser(Role.RADIOLOGIST), len(messages(context))
    client.get("/")
    client.get("/")
    rows(client, "1.1")
    (asked,) = messages(context)[before:]
    assert 'csd-code="110112"' in asked
    assert 'UserID="radiologist"' in asked
    client.get(client.post("/worklist/search", data={"text": "secret"}).headers["location"])
    client.get("/?priority=critical")
    later = messages(context)[before:]
    assert len(later) == 3
    for message in later:
        assert "ecret" not in message
        assert "PAT-77" not in message


def test_who_asks_for_lines_without_the_list_is_written_down_too(
    here: Here, browser: Browser, context: WebContext
) -> None:
    here.critical("1.1")
    here.shown()
    client, before = browser(Role.VIEWER), len(messages(context))
    assert rows(client, "1.1")["rows"]
    assert len(messages(context)) == before + 1


def test_lines_that_changed_come_as_they_are_by_now(here: Here, browser: Browser, context: WebContext) -> None:
    for uid in ("1.1", "1.2", "1.3"):
        here.critical(uid)
    here.shown()
    client = browser(Role.RADIOLOGIST)
    said = rows(client, "1.1", "1.2", "1.3", "9.9", waiting="1")
    assert {r["uid"]: r["priority"] for r in said["rows"]} == dict.fromkeys(("1.1", "1.2", "1.3"), "critical")
    assert said["gone"] == ["9.9"]
    assert "<b>3</b> critical" in said["counts"]
    here.line.finish("1.1")
    with context.ledger.begin() as tx:
        reviews.add(tx, reviews.Review("1.2", 1, reviews.WHOLE, "", reviews.ACCEPTED, "dr.roe", context.clock.now()))
        purging.purge(tx, "1.3", now=context.clock.now())
    here.shown()
    assert rows(client, "1.1", "1.2", "1.3", waiting="1")["gone"] == ["1.1", "1.2", "1.3"]
    finished = {r["uid"]: r for r in rows(client, "1.1", "1.2", "1.3")["rows"]}
    assert set(finished) == {"1.1", "1.2"}
    assert "reported" in finished["1.1"]["html"]
    assert "accepted by dr.roe" in finished["1.2"]["html"]


def test_the_order_of_lines_that_come_later_is_that_of_the_page(here: Here, browser: Browser) -> None:
    for n in range(8):
        (here.critical if n % 3 == 0 else here.read)(f"1.{n}")
        here.clock.time += timedelta(minutes=1)
        if n == 5:
            here.line.finish("1.5")
    here.shown()
    client = browser(Role.RADIOLOGIST)
    listed = uids(client.get("/").text)
    said = rows(client, *listed)["rows"]
    assert [r["uid"] for r in sorted(said, key=lambda r: r["order"])] == listed


def test_filters_say_what_they_leave(here: Here, browser: Browser) -> None:
    here.critical("1.1", scanner="ROOM1")
    here.read("1.2", present("cardiomegaly"), scanner="ROOM2", study_date="20250505")
    here.line.deliver("1.2", fails=True, for_good=True)
    here.read("1.3", scanner="ROOM2")
    here.line.deliver("1.3")
    here.shown()
    client = browser(Role.RADIOLOGIST)

    def left(query: str) -> set[str]:
        return set(uids(client.get(f"/?{query}").text))

    assert left("priority=critical") == {"1.1"}
    assert left("scanner=ROOM2") == {"1.2", "1.3"}
    assert left("finding=cardiomegaly") == {"1.2"}
    assert left("finding=pneumothorax") == {"1.1"}
    assert left("standing=delivered") == {"1.3"}
    assert left("failing=deliver") == {"1.2"}
    assert left("trouble=1") == {"1.2"}
    assert left("since=2025-05-01&until=2025-05-05") == {"1.2"}
    assert left("until=2025-05-04") == set()
    assert left("unreviewed=1&waiting=1&scanner=ROOM2") == {"1.2", "1.3"}
    assert left("standing=nonsense&since=soon&scanner=") == {"1.1", "1.2", "1.3"}, "what means nothing is left out"


def test_page_after_page_shows_every_study_once(here: Here, browser: Browser) -> None:
    for n in range(130):
        here.line.arrive(f"1.{n}")
    here.shown()
    client, address, found = browser(Role.VIEWER), "/", list[str]()
    while address:
        text = client.get(address).text
        found += uids(text)
        address = more(text)
    assert found == list(dict.fromkeys(found))
    assert len(found) == 130


def test_a_saved_view_is_ones_own_and_may_be_what_the_list_begins_with(here: Here, browser: Browser) -> None:
    here.critical("1.1", scanner="ROOM1")
    here.critical("1.2", scanner="ROOM2")
    here.shown()
    client, other = browser(Role.RADIOLOGIST), browser(Role.VIEWER)
    sent = client.post("/worklist/views", data={"name": "<i>Mine</i>", "scanner": "ROOM2", "default": "1"})
    assert sent.status_code == 303
    saved = sent.headers["location"]
    text = client.get(saved).text
    assert uids(text) == ["1.2"]
    assert "&lt;i&gt;Mine&lt;/i&gt;" in text
    assert uids(client.get("/").text) == ["1.2"], "the list begins with it"
    assert set(uids(client.get("/?all=1").text)) == {"1.1", "1.2"}
    assert set(uids(other.get(saved).text)) == {"1.1", "1.2"}, "it is nobody else's"
    assert set(uids(other.get("/").text)) == {"1.1", "1.2"}
    number = saved.partition("view=")[2]
    other.post("/worklist/views/forget", data={"view": number})
    assert uids(client.get(saved).text) == ["1.2"]
    client.post("/worklist/views/forget", data={"view": number})
    assert set(uids(client.get("/").text)) == {"1.1", "1.2"}


def test_a_list_of_everything_is_reloaded_as_such_by_whoever_begins_with_a_view(here: Here, browser: Browser) -> None:
    here.critical("1.1", scanner="ROOM1")
    here.shown()
    client = browser(Role.RADIOLOGIST)
    client.post("/worklist/views", data={"name": "mine", "scanner": "ROOM2", "default": "1"})
    reloading = re.search(r'data-here="([^"]+)"', client.get("/?all=1").text)
    assert reloading is not None
    assert uids(client.get(unescape(reloading.group(1))).text) == ["1.1"]


def test_a_view_is_saved_without_the_patient_who_was_searched_for(
    here: Here, browser: Browser, context: WebContext
) -> None:
    browser(Role.VIEWER).post("/worklist/views", data={"name": "v", "text": "Müller", "priority": "critical"})
    with context.ledger.read() as view:
        (kept,) = view.execute(select(schema.saved_view.c.wanted)).scalars()
    assert kept == {"priority": "critical"}


def test_nobody_keeps_more_views_than_there_may_be(browser: Browser) -> None:
    client = browser(Role.VIEWER)
    answers = [client.post("/worklist/views", data={"name": f"v{n}", "trouble": "1"}).status_code for n in range(31)]
    assert answers == [303] * 30 + [409]
    assert client.post("/worklist/views", data={"name": "v3", "waiting": "1"}).status_code == 303


def test_a_list_that_is_still_being_made_says_so(here: Here, browser: Browser) -> None:
    client = browser(Role.VIEWER)
    assert "being made anew" in client.get("/").text
    here.shown()
    assert "being made anew" not in client.get("/").text


def test_a_list_that_does_not_follow_says_since_when(here: Here, browser: Browser) -> None:
    here.shown()
    here.line.arrive("1.1")  # two hours ago
    client = browser(Role.VIEWER)
    assert "The list is late" in client.get("/").text
    here.shown()
    assert "The list is late" not in client.get("/").text


def test_a_page_that_is_open_by_itself_keeps_nobody_signed_in(browser: Browser, context: WebContext) -> None:
    client = browser(Role.VIEWER)
    token = client.cookies[cookie_name(context.settings.web)]
    ago = context.clock.now() - timedelta(minutes=5)
    with context.ledger.begin() as tx:
        tx.execute(update(schema.web_session).values(seen_at=ago))
    rows(client)
    assert client.get("/live").status_code == 200
    with context.ledger.read() as view:
        session = sessions.of_token(view, token)
    assert session is not None
    assert session.seen_at == ago
    client.get("/")
    with context.ledger.read() as view:
        session = sessions.of_token(view, token)
    assert session is not None
    assert session.seen_at > ago


def test_what_is_no_question_is_refused(browser: Browser) -> None:
    client = browser(Role.VIEWER)
    assert client.post("/worklist/rows", json={"uids": ["1"] * 501, "wanted": {}}).status_code == 422
    assert client.post("/worklist/rows", json={"uids": ["1" * 65], "wanted": {}}).status_code == 422
    assert client.post("/worklist/rows", content=b"no").status_code == 422
    assert client.post("/worklist/search", data={"text": "x" * 65}).status_code == 422
    for bad in (
        "/?after=%00",
        "/?after=bm8",
        f"/?after={quote('WzAsICJhIiwgImIiXQ')}",
        "/?at=99.1",
        "/?s=x",
        "/?view=77",
    ):
        assert client.get(bad).status_code == 200, bad


def test_a_page_of_fifty_studies_weighs_little(here: Here, browser: Browser, context: WebContext) -> None:
    findings = [present(c) for c in ("pneumothorax", "pleural_effusion", "cardiomegaly", "nodule")]
    for n in range(50):
        here.read(f"1.{n}", *findings)
    here.shown()
    text = browser(Role.VIEWER).get("/").text
    assert len(uids(text)) == 50
    assert len(text.encode()) < 160_000


def test_the_page_speaks_german(here: Here, browser: Browser) -> None:
    here.critical("1.1")
    here.shown()
    text = browser(Role.VIEWER).get("/", headers={"Accept-Language": "de"}).text
    assert "kritisch" in text
    assert "Ersthinweis, wird ausgewertet" in text
    assert "Arbeitsliste" in text
