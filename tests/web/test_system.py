"""The system page: what is wrong with the site is on it, for those who may see it, and what others wrote is text there."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from fnmatch import fnmatch
from pathlib import Path

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

import agent
import agent.doctor
from agent.audit.trail import Trail
from agent.doctor import looks
from agent.health.trouble import WORDS
from agent.in_words import english, pieces
from agent.numbers.count import Counting
from agent.sentence import sentence
from agent.store import accounts, alarms, processes, qc
from agent.store.qc import QcRun
from agent.store.schema import job
from agent.web.app import make_app
from agent.web.context import WebContext
from agent.web.pages.texts import Texts
from agent.web.rights import Role
from agent.web.signing.passwords import hashed
from agent.web.system import examine
from tests.support.another_disk import another_disk, with_room
from tests.support.planted_days import Planted, plant
from tests.support.site import until
from tests.support.unmarked import english_in

PLANTED = "<script>alert(1)</script>"
_OURS = {"Sec-Fetch-Site": "same-origin", "Accept": "text/html"}
ORIGIN, PASSWORD = "http://localhost", "correct horse battery staple"
Browser = Callable[[Role], TestClient]


def all_run(context: WebContext, *, words: str = "") -> None:
    with context.ledger.begin() as tx:
        for role in processes.ROLES:
            said = "the model" if role == "read" else words
            processes.announce(tx, role, 1, "ready", said, now=context.clock.now())


def test_a_role_that_does_not_run_is_seen(context: WebContext, browser: Browser) -> None:
    client = browser(Role.VIEWER)
    assert "never ran" in client.get("/system").text
    all_run(context)
    page = client.get("/system").text
    assert "never ran" not in page
    assert page.count(">runs<") == 3


def test_an_alarm_is_seen_while_it_lasts_and_kept_after(context: WebContext, browser: Browser) -> None:
    all_run(context)
    now = context.clock.now()
    with context.ledger.begin() as tx:
        alarm = alarms.raise_alarm(tx, "deliveries-parked", "to-ris", 3, now=now)
    client = browser(Role.RADIOLOGIST)
    assert "Something is wrong" in client.get("/system").text
    with context.ledger.begin() as tx:
        alarms.recover(tx, alarm, now=now)
    page = client.get("/system").text
    assert "Something is wrong" not in page
    assert "deliveries-parked: to-ris" in page


def test_every_alarm_has_words_in_both_languages() -> None:
    texts = Texts()
    for language in texts.languages:
        assert set(texts.of(language).starting("system.alarm.")) == set(WORDS)


def test_words_of_others_are_text(context: WebContext, browser: Browser) -> None:
    all_run(context, words=PLANTED)
    now = context.clock.now()
    checks = [{"film": PLANTED, "what": PLANTED, "words": PLANTED, "passed": False}]
    with context.ledger.begin() as tx:
        alarms.raise_alarm(tx, "stage-stands", PLANTED, 1, now=now)
        qc.keep(tx, QcRun("1", "hand", now, now, False, {}, [{"name": PLANTED}], checks))
    page = browser(Role.ADMINISTRATOR).get("/system").text
    assert PLANTED not in page
    assert page.count("&lt;script&gt;alert(1)") >= 6
    assert "style=" not in page


def test_details_of_the_site_are_for_administrators(context: WebContext, browser: Browser) -> None:
    all_run(context, words="PREREAD accepts associations on 10.1.2.3:11112")
    for role in (Role.VIEWER, Role.RADIOLOGIST):
        page = browser(role).get("/system").text
        assert "10.1.2.3" not in page
        assert str(context.files.root) not in page
    page = browser(Role.ADMINISTRATOR).get("/system").text
    assert "10.1.2.3" in page
    assert str(context.files.root) in page


def runs_that_wait(context: WebContext) -> int:
    with context.ledger.read() as view:
        return len(view.execute(select(job.c.id).where(job.c.kind == "qc")).all())


def test_the_constancy_test_is_begun_once(context: WebContext, browser: Browser) -> None:
    client = browser(Role.ADMINISTRATOR)
    assert client.post("/system/qc").headers["location"].startswith("/system?done=qc-not")
    assert runs_that_wait(context) == 0, "a line that does not run cannot be tested"
    all_run(context)
    assert client.post("/system/qc").headers["location"].startswith("/system?done=qc#")
    assert client.post("/system/qc").headers["location"].startswith("/system?done=qc-not")
    assert runs_that_wait(context) == 1


def test_the_constancy_test_is_spoken_of_in_the_readers_language(context: WebContext, browser: Browser) -> None:
    client = browser(Role.ADMINISTRATOR)
    client.headers["Accept-Language"] = "de"
    page = client.get("/system").text
    assert Texts().of("de")("doctor.constancy.never") in page
    assert Texts().of("en")("doctor.constancy.never") not in page


def test_how_long_there_is_room_is_said(context: WebContext, browser: Browser) -> None:
    now = context.clock.now()
    with context.ledger.begin() as tx:
        plant(tx, [Planted(f"1.{n}", now - timedelta(days=n), size=2_000_000_000) for n in range(1, 6)])
    Counting(context.ledger, context.clock, context.settings.web.zone).count()
    disk = browser(Role.VIEWER).get("/api/v1/system").json()["disk"]
    assert disk["daily"] == 2_000_000_000
    assert disk["days_left"] == (disk["free"] - disk["reserve"]) // 2_000_000_000
    assert "2 GB a day" in browser(Role.VIEWER).get("/system").text


def proved(client: TestClient) -> dict[str, str] | None:
    """What the proof says that was asked for, once it is over."""
    assert client.post("/system/audit").status_code == 303
    until(lambda: "It is being proved" not in client.get("/system").text, what="the proof ends")
    found: dict[str, str] | None = client.get("/api/v1/system").json()["audit_checked"]
    return found


def test_the_audit_trail_is_proved_and_a_changed_message_shows(context: WebContext, browser: Browser) -> None:
    with context.ledger.begin() as tx:
        Trail.of(context.settings).started(tx, "office", now=context.clock.now())
    client = browser(Role.ADMINISTRATOR)
    whole = proved(client)
    assert whole is not None
    assert whole["broken"] == ""
    with context.ledger.begin() as tx:
        tx.exec_driver_sql("DROP TRIGGER audit_no_update")
        tx.exec_driver_sql("UPDATE audit SET message = 'another' WHERE id = 1")
    changed = proved(client)
    assert changed is not None
    assert "message 1" in changed["broken"]
    assert "message 1" in client.get("/system").text


def test_the_examination_shows_what_it_has_found(context: WebContext, tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    served = '[model]\nbackend = "served"\nserved_model = "m"\nbase_urls = ["http://127.0.0.1:9/v1"]\n'
    file.write_text(f'{served}[storage]\nroot = "{tmp_path}"\n')
    with context.ledger.begin() as tx:
        alarms.raise_alarm(tx, "deliveries-parked", "to-ris", 3, now=context.clock.now())
    client = signed_in(replace(context, path=file))
    assert client.post("/system/doctor").headers["location"] == "/system/doctor"
    until(lambda: "data-again" not in client.get("/system/doctor").text, what="the examination ends")
    page = client.get("/system/doctor").text
    assert "127.0.0.1:9" in page
    assert "pydicom" in page
    assert page.index(">bad<") < page.index(">all right<"), "what is bad stands first"
    assert not re.search(r"(?<!-)\bpreread [a-z]", page), "what to call is said at the command line"
    client.headers["Accept-Language"] = "de"
    page = client.get("/system/doctor").text
    assert english_in(page) == []
    assert ">Modellserver" in page and "Alarm deliveries-parked" in page
    assert Texts().of("de")("system.alarm.deliveries-parked") in page
    assert "Die Linie ist hier noch nie gelaufen." in page
    cells = re.findall(r"</span></td><td>(.*?)</td></tr>", page, re.DOTALL)
    assert len(cells) > 20
    own = [re.sub(r'<span class="own" lang="en">.*?</span>', "", cell) for cell in cells]
    assert [cell for cell in own if "lang=" in cell or not re.search(r"\w", cell)] == [], (
        "an error is quoted, and no more"
    )
    assert len([cell for cell in cells if 'class="own"' in cell]) < 4


def test_whatever_is_examined_has_its_name_in_both_languages() -> None:
    looked_at = {what for file in Path(agent.doctor.__path__[0]).glob("*.py") for what in _subjects(file)}
    assert len(looked_at) > 30
    for language in ("en", "de"):
        t = Texts().of(language)
        assert {what for what in looked_at if not examine.subject(what, t)} == set()
        assert examine.subject("peer archive of images", t).endswith(" archive of images")
        assert examine.subject("pydicom", t) == ""


def _sentences() -> Iterator[tuple[str, set[str] | None]]:
    """The key of every sentence that is made somewhere in the program, with what it puts in the holes; None where that is not written
    at the place."""
    for file in Path(agent.__path__[0]).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "sentence":
                given = {k.arg for k in node.keywords}
                holes = None if None in given else {str(name) for name in given}
                yield from ((f"doctor.{key}", holes) for key in _keys(node.args[0]))


def _keys(node: ast.expr) -> Iterator[str]:
    """A key, or either of two, or with a star where its end is known only then."""
    if isinstance(node, ast.IfExp):
        yield from (*_keys(node.body), *_keys(node.orelse))
    elif isinstance(node, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else "*" for part in node.values)
    else:
        assert isinstance(node, ast.Constant), ast.dump(node)
        yield str(node.value)


def test_whatever_the_examination_says_is_said_in_the_language_of_the_reader() -> None:
    made = list(_sentences())
    assert len(made) > 80
    for language in ("en", "de"):
        texts = {k: v for k, v in Texts().of(language).everything().items() if k.startswith("doctor.")}
        unsaid = set(texts) - {"doctor.joint"}
        for key, given in made:
            found = {k for k in texts if fnmatch(k.removesuffix("_one"), key)}
            assert found, (language, key)
            holes = {h for k in found for h in re.findall(r"{(\w+)}", texts[k])}
            assert given is None or holes == given, (language, key)
            unsaid -= found
        assert unsaid == set(), "a sentence that nobody says any more"


def test_a_sentence_keeps_the_words_of_others_apart_and_writes_numbers_as_its_language_does() -> None:
    said = sentence("ledger.parked", n=1234, detail="ack-ae: no {such} patient"), sentence("disk.short")
    assert english(*said).startswith("1,234 parked, the last because of ack-ae: no {such} patient; images are")
    german = pieces(said[0], Texts().of("de"), "de")
    assert german == ("Aufgegeben: 1.234. Letzter Grund: ", "ack-ae: no {such} patient", "")
    room = sentence("disk.room", folder="/a", free=1.25, reserve=20.0)
    assert "".join(pieces(room, Texts().of("de"), "de")) == "/a: 1,2 GB frei, Reserve 20 GB."
    assert english(sentence("certificate.lasts", file="a.pem", n=1, day="2026-01-03")).startswith(
        "a.pem is valid for 1 day,"
    )


def test_every_state_of_a_process_and_every_alarm_has_its_sentence() -> None:
    for language in ("en", "de"):
        t = Texts().of(language)
        assert all(
            t.has(f"doctor.line.state.{state}") for state in ("starting", "loading", "ready", "failed", "stopped")
        )
        assert all(t.has(f"system.alarm.{code}") for code in WORDS)


def _subjects(file: Path) -> Iterator[str]:
    """How the findings of that module begin, without the names of this site."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        named = node.args[0] if isinstance(node, ast.Call) and node.args and _is_finding(node.func) else None
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "what":
            named = node.value
        if isinstance(named, ast.JoinedStr):
            named = named.values[0]
        if isinstance(named, ast.Constant) and isinstance(named.value, str):
            yield named.value.strip()
    if file.name == "looks.py":
        yield from (*looks.HERE, *looks.NETWORK)


def _is_finding(called: ast.expr) -> bool:
    return isinstance(called, ast.Name) and called.id in ("finding", "failed", "tried", "_port", "_given_up")


def signed_in(context: WebContext) -> TestClient:
    client = TestClient(make_app(context), base_url=ORIGIN, headers=_OURS, follow_redirects=False)
    with context.ledger.begin() as tx:
        accounts.add(tx, "it", Role.ADMINISTRATOR, hashed(PASSWORD), must_change=False, now=context.clock.now())
    assert client.post("/sign-in", data={"name": "it", "password": PASSWORD}).status_code == 303
    return client


def test_the_room_of_a_ledger_on_another_disk_is_seen(
    context: WebContext, browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = browser(Role.VIEWER)
    assert "disk of the database" not in client.get("/system").text
    with another_disk(tmp_path) as disk:
        monkeypatch.setattr(context.files, "_ledger", disk / "ledger.db")
        with_room(monkeypatch, disk, on_it=1.5e9)
        page = client.get("/system").text
        assert "disk of the database" in page
        assert "1.5 GB" in page
        assert client.get("/api/v1/system").json()["disk"]["ledger_free"] == 1_500_000_000
