"""The ledger in the browser: what fails is found, its way is shown, and what a person does about it is done and written down."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import insert, select
from starlette.testclient import TestClient

from agent.reporting import beside
from agent.store import identity, overview, priors, reviews, schema, studies, trouble
from agent.store import results as store
from agent.store.listing_rows import projected
from agent.web.context import WebContext
from agent.web.pages.texts import Texts
from agent.web.rights import Role
from tests.support.planted_ledger import PlantedLedger
from tests.web.conftest import ORIGIN

MARKUP = "<img src=x onerror=alert(1)>"
Browser = Callable[[Role], TestClient]


@pytest.fixture
def planted(context: WebContext) -> Iterator[PlantedLedger]:
    made = PlantedLedger(context.settings)
    yield made
    made.close()


def rows_of(page: str) -> set[str]:
    return set(re.findall(r'href="/ledger/([0-9.]+)"', page))


def test_what_stands_at_a_stage_is_found_by_that_stage_and_by_no_other(
    browser: Browser, planted: PlantedLedger
) -> None:
    planted.delivery(planted.study("1.1"), state="parked", words="ack-ae: refused", destination="to-ris")
    planted.delivery(planted.study("1.2"), state="delivered")
    planted.job("read", str(planted.study("1.3")), state="parked", error="model-broken: no")
    planted.job("report", str(planted.study("1.4")), state="parked", error="x: y")
    planted.study("1.5", state="needs-attention", reason="patient-ambiguous")
    planted.study("1.6", state="receiving")
    planted.study("1.7")
    planted.job("assemble", "1.7", state="parked", error="x: y")
    planted.delivery(planted.study("1.8"), state="parked", words="commitment-overdue: silent")
    planted.job("worklist", "1.2", state="waiting", error="x: y")
    client = browser(Role.VIEWER)

    def found(query: str) -> set[str]:
        return rows_of(client.get(f"/ledger?{query}").text)

    assert found("") == {f"1.{n}" for n in range(1, 9)}
    assert found("to=to-ris") == {"1.1"}
    assert found("stage=model") == {"1.3"}
    assert found("stage=report") == {"1.4"}
    assert found("stage=attention") == {"1.5"} == found("state=needs-attention")
    assert found("stage=receiving") == {"1.6"}
    assert found("stage=assembly") == {"1.7"}
    assert found("stage=commitment") == {"1.8"} == found("to=to-pacs")
    assert found("stage=orders") == {"1.2"}
    assert client.get("/ledger?stage=elsewhere").status_code == 404


def test_every_study_is_on_one_page_and_on_no_other(browser: Browser, planted: PlantedLedger) -> None:
    for number in range(120):  # all of the same moment, which is when pages lose some
        planted.study(f"1.{number}")
    client, address, seen = browser(Role.VIEWER), "/ledger", list[str]()
    while address:
        page = client.get(address).text
        seen += re.findall(r'<a href="/ledger/([0-9.]+)"', page)
        older = re.search(r'href="([^"]+)" rel="next"', page)
        address = older.group(1).replace("&amp;", "&") if older else ""
    assert sorted(seen) == sorted(f"1.{n}" for n in range(120))


def test_the_way_of_a_study_is_shown_with_the_peers_own_words_and_nothing_in_them_is_markup(
    context: WebContext, browser: Browser, planted: PlantedLedger
) -> None:
    revision = planted.everything("1.2.3", patient_id="PID1", name=MARKUP, accession=MARKUP)
    planted.delivery(
        revision, state="parked", words=f'refused: {MARKUP}; it said: "no such patient"', destination="ris"
    )
    page = browser(Role.VIEWER).get("/ledger/1.2.3").text
    assert "no such patient" in page
    assert "calling_ae_title-1.2.3 at address-1.2.3" in page
    assert MARKUP not in page
    assert page.count("&lt;img src=x") >= 2
    with context.ledger.read() as view:
        said = [m for m in view.execute(select(schema.audit.c.message)).scalars() if "1.2.3" in m]
    assert len(said) == 1
    assert 'UserID="viewer"' in said[0]


def test_a_study_is_found_by_its_numbers_and_what_is_searched_for_stands_in_no_address(
    browser: Browser, planted: PlantedLedger
) -> None:
    planted.everything("1.2.3", patient_id="PID1", name="N", accession="ACC1")
    client = browser(Role.VIEWER)
    for text in ("ACC1", "PID1", "1.2.3", " ACC1 "):
        answer = client.post("/ledger/find", data={"text": text})
        assert (answer.status_code, answer.headers["location"]) == (303, "/ledger/1.2.3")
    assert "No study here" in client.post("/ledger/find", data={"text": "ACC"}).text
    assert 'method="post" action="/ledger/find"' in client.get("/ledger").text


def test_who_lists_or_searches_the_ledger_is_written_down_once_a_question_and_without_the_question(
    browser: Browser, planted: PlantedLedger, context: WebContext
) -> None:
    planted.everything("1.2.3", patient_id="PID1", name="N", accession="ACC1")

    def asked() -> list[str]:
        with context.ledger.read() as view:
            return [str(m) for m in view.execute(select(schema.audit.c.message)).scalars() if "110112" in m]

    client = browser(Role.VIEWER)
    for path in ("/ledger", "/ledger?before=2026-01-01T00:00:00%2B00:00_1.2", "/ledger"):
        client.get(path)
    assert len(asked()) == 1
    client.get("/ledger?state=read")
    for text in ("PID1", "PID1 ", "PID2"):
        client.post("/ledger/find", data={"text": text})
    browser(Role.ADMINISTRATOR).post("/ledger/find", data={"text": "PID1"})
    said = asked()
    assert len(said) == 5
    assert ['UserID="administrator"' in one for one in said] == [False] * 4 + [True]
    assert not any("PID" in one or "ACC1" in one for one in said)


def test_a_retry_says_first_what_it_will_do_and_then_does_it_with_name_and_reason(
    context: WebContext, browser: Browser, planted: PlantedLedger
) -> None:
    planted.delivery(planted.study("1.2.3"), state="parked", words="unreachable", destination="to-ris")
    client = browser(Role.ADMINISTRATOR)
    asked = client.get("/ledger/1.2.3/retry").text
    assert "to: to-ris" in asked
    assert client.post("/ledger/1.2.3/retry", data={"reason": " "}).status_code == 422
    done = client.post("/ledger/1.2.3/retry", data={"reason": "the RIS is back"})
    assert (done.status_code, done.headers["location"]) == (303, "/ledger/1.2.3?done=retry&n=1&m=0")
    assert "It is tried again now; deliveries: 1" in client.get(done.headers["location"]).text
    with context.ledger.read() as view:
        (sent,) = overview.deliveries(view, "1.2.3")
        words = [e["words"] for e in overview.history(view, "1.2.3") if e["code"] == "retry"]
        said = [m for m in view.execute(select(schema.audit.c.message)).scalars() if "cmV0cnk=" in m]  # "retry"
    assert sent["state"] == "waiting"
    assert words == ["by hand: 1 deliveries, 0 stages; the RIS is back (administrator)"]
    assert len(said) == 1
    assert 'UserID="administrator"' in said[0]


def test_what_is_held_in_the_browser_is_held_and_what_is_released_goes(
    context: WebContext, browser: Browser, planted: PlantedLedger
) -> None:
    revision = planted.study("1.2.3")
    planted.delivery(revision, state="waiting")
    client = browser(Role.ADMINISTRATOR)
    assert "/1.2.3/release" not in client.get("/ledger/1.2.3").text
    assert client.post("/ledger/1.2.3/hold", data={"reason": "wait"}).status_code == 303
    page = client.get("/ledger/1.2.3").text
    assert "held by hand" in page and "Release" in page and "/1.2.3/hold" not in page
    assert rows_of(client.get("/ledger?stage=held").text) == {"1.2.3"}
    again = client.post("/ledger/1.2.3/hold", data={"reason": "wait"})
    assert again.status_code == 409 and "held already" in again.text
    assert client.post("/ledger/1.2.3/release", data={"reason": "go"}).status_code == 303
    with context.ledger.read() as view:
        assert [d["state"] for d in overview.deliveries(view, "1.2.3")] == ["waiting"]
        assert identity.stops_of(view, "1.2.3") == {}


def test_withdrawing_names_those_who_will_be_told(
    context: WebContext, browser: Browser, planted: PlantedLedger
) -> None:
    revision = planted.study("1.2.3")
    planted.delivery(revision, state="delivered", destination="to-pacs")
    client = browser(Role.ADMINISTRATOR)
    assert "that it was wrong: to-pacs" in client.get("/ledger/1.2.3/withdraw").text
    assert client.post("/ledger/1.2.3/withdraw", data={"reason": "wrong patient"}).status_code == 303
    assert "withdrawn" in client.get("/ledger/1.2.3").text
    second = client.post("/ledger/1.2.3/withdraw", data={"reason": "wrong patient"})
    assert second.status_code == 409 and "The study is withdrawn." in second.text


def test_nothing_is_done_by_a_link_or_from_another_site(
    context: WebContext, browser: Browser, planted: PlantedLedger
) -> None:
    planted.delivery(planted.study("1.2.3"), state="waiting")
    client = browser(Role.ADMINISTRATOR)
    client.get("/ledger/1.2.3/hold?reason=now")
    foreign = {"Sec-Fetch-Site": "cross-site", "Origin": "https://elsewhere.example"}
    assert client.post("/ledger/1.2.3/hold", data={"reason": "now"}, headers=foreign).status_code == 403
    with context.ledger.read() as view:
        assert store.UNDELIVERED and [d["state"] for d in overview.deliveries(view, "1.2.3")] == ["waiting"]
    assert client.get("/ledger/1.2.3/purge").status_code == 404
    assert ORIGIN.startswith("http")


def test_a_message_that_waits_for_a_person_is_settled_with_a_reason(
    context: WebContext, browser: Browser, planted: PlantedLedger
) -> None:
    planted.everything("1.2.3", patient_id="P", name="N", accession="A")
    c = schema.hl7_message.c
    with context.ledger.begin() as tx:
        tx.execute(schema.hl7_message.update().values(state="attention", words=f"no order {MARKUP}"))
        number = tx.execute(select(c.id)).scalar_one()
    client = browser(Role.ADMINISTRATOR)
    listed = client.get("/ledger/messages").text
    assert f"/ledger/messages/{number}" in listed and MARKUP not in listed
    assert client.post(f"/ledger/messages/{number}", data={"do": "settle"}).status_code == 422
    done = client.post(f"/ledger/messages/{number}", data={"do": "settle", "reason": "entered by hand"})
    assert done.status_code == 303
    assert "No message waits for a person" in client.get(done.headers["location"]).text
    with context.ledger.read() as view:
        words = view.execute(select(c.words)).scalar_one()
    assert words.startswith("seen to by hand: entered by hand (administrator)")


def test_refusals_say_who_was_refused_and_why(context: WebContext, browser: Browser) -> None:
    with context.ledger.begin() as tx:
        for number in range(60):
            row = {
                "calling_ae_title": f"CT{number}",
                "called_ae_title": "PREREAD",
                "address": "10.0.0.9",
                "status": "0122",
            }
            tx.execute(
                insert(schema.refusal).values(
                    at=context.clock.now(), what="instance", reason="sop-class", comment=f"not taken {MARKUP}", **row
                )
            )
    client = browser(Role.VIEWER)
    page = client.get("/ledger/refusals").text
    assert "CT59" in page and "CT9<" not in page and MARKUP not in page and "not taken" in page
    older = re.search(r'href="(/ledger/refusals\?before=[0-9]+)"', page)
    assert older
    assert "CT9<" in client.get(older.group(1)).text


@pytest.mark.parametrize(("language", "word"), [("en", "cancelled"), ("de", "storniert")])
def test_who_decides_the_order_reads_in_words_that_it_was_cancelled(
    context: WebContext, browser: Browser, planted: PlantedLedger, language: str, word: str
) -> None:
    planted.everything("1.2.3", patient_id="PID1", name="Muster^Max", accession="A1")
    with context.ledger.begin() as tx:
        said = {"name": "Muster^Max", "patient_id": "PID1", "birth_date": "19700101"}
        tx.execute(schema.patient_order.update().values(state="cancelled", patient=said))
        tx.execute(schema.study_match.update().values(candidates=[]))
    client = browser(Role.ADMINISTRATOR)
    client.headers["Accept-Language"] = language
    page = client.get("/ledger/1.2.3/match").text
    assert re.search(rf"(Order|Auftrag) [0-9]+ \({word}\)", page)
    assert re.search(r"Muster, Max, Patient(en-|\s)ID PID1, (born|geboren) 1970-01-01;", page)


@pytest.mark.parametrize("kind", [identity.REPORTED, identity.FINISHED])
@pytest.mark.parametrize("state", studies.OVER)
def test_the_ledger_and_the_worklist_agree_on_what_is_reported(
    context: WebContext, browser: Browser, planted: PlantedLedger, state: str, kind: str
) -> None:
    for uid, left in (("1.1", state), ("1.2", state), ("1.3", "assembled"), ("1.4", "reported")):
        planted.study(uid, state=left)
    with context.ledger.begin() as tx:
        for uid in ("1.2", "1.3"):
            identity.stop(tx, uid, kind, "a person has finished the report", now=context.clock.now())
        rows = projected(tx, ["1.1", "1.2", "1.3", "1.4"], now=context.clock.now())
    client = browser(Role.VIEWER)
    standings = {uid: str(row["standing"]) for uid, row in rows.items()}
    assert standings == {"1.1": state, "1.2": "reported", "1.3": "assembled", "1.4": "reported"}
    for wanted in (state, "assembled", "reported"):
        page = client.get(f"/ledger?state={wanted}").text
        assert rows_of(page) == {uid for uid, standing in standings.items() if standing == wanted}
    assert "reported by a person" in client.get("/ledger/1.2").text.partition("</h1>")[0]
    assert "reported by a person" not in client.get("/ledger/1.1").text.partition("</h1>")[0]


def test_who_may_only_see_is_offered_nothing_to_do(browser: Browser, planted: PlantedLedger) -> None:
    planted.study("1.2.3")
    assert "/retry" not in browser(Role.RADIOLOGIST).get("/ledger/1.2.3").text
    assert "/retry" in browser(Role.ADMINISTRATOR).get("/ledger/1.2.3").text


@pytest.mark.parametrize("language", ["en", "de"])
def test_every_page_of_the_ledger_has_its_words(browser: Browser, planted: PlantedLedger, language: str) -> None:
    planted.delivery(planted.study("1.2.3"), state="parked")
    client = browser(Role.ADMINISTRATOR)
    client.headers["Accept-Language"] = language
    actions = ("retry", "hold", "reread", "withdraw", "match", "release")
    for address in ("", "/refusals", "/messages", "/1.2.3", *(f"/1.2.3/{a}" for a in actions)):
        page = client.get(f"/ledger{address}")
        assert page.status_code == 200, address
        assert f'<html lang="{language}"' in page.text


def _noted() -> Iterator[tuple[str, str]]:
    """Stage and code of every `note` of the program that says them where it stands, and of those that it works out."""
    for file in (Path(__file__).parents[2] / "agent").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            named = node.func if isinstance(node, ast.Call) else None
            if not isinstance(node, ast.Call) or not isinstance(named, ast.Attribute) or named.attr != "note":
                continue
            texts = [[c.value for c in ast.walk(a) if isinstance(c, ast.Constant)] for a in node.args[2:4]]
            if len(texts) == 2 and isinstance(node.args[2], ast.Constant) and not isinstance(node.args[3], ast.BoolOp):
                yield from ((str(texts[0][0]), code) for code in texts[1] if isinstance(code, str))
    yield from (
        ("prior", f"prior-{one}") for one in (priors.FOUND, priors.NONE, priors.REFUSED, priors.FAILED, "too-late")
    )
    yield from (("worklist", code) for code in ("worklist-answered", "worklist-failed"))
    yield from (("review", verdict) for verdict in reviews.VERDICTS)
    yield from (("report", code) for code, _ in beside.MISSING.values())
    yield from (("report", code) for code in (*trouble.NOT_MADE, "retraction-not-made"))


@pytest.mark.parametrize("language", ["en", "de"])
def test_whatever_happens_to_a_study_has_its_words_in_the_time_line(language: str) -> None:
    t, noted = Texts().of(language), set(_noted())
    assert len(noted) > 40
    unsaid = [(s, c) for s, c in noted if not (t.has(f"ledger.rail.{s}") and (t.has(f"ledger.code.{c}") or t.code(c)))]
    assert unsaid == []
    assert t("ledger.code.orders-reported") != t("ledger.code.reported"), "a person's report is not what was made here"


def test_a_persons_report_is_not_taken_for_documents_that_were_made(
    context: WebContext, browser: Browser, planted: PlantedLedger
) -> None:
    planted.study("1.2.3")
    with context.ledger.begin() as tx:
        studies.note(tx, "1.2.3", "orders", "reported", "status F", now=context.clock.now())
    page = browser(Role.VIEWER).get("/ledger/1.2.3").text
    assert "<strong>report finished by a person</strong>" in page
    assert "documents made" not in page
