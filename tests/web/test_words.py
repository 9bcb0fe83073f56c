"""The words of the pages: a reader is told everything in his or her own language, in the same words everywhere, and what can be
done here is not said to be done at a command line."""

from __future__ import annotations

import ast
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_args

import pytest
from starlette.testclient import TestClient

from agent.errors import Permanent
from agent.keeping.projector import Projector
from agent.orders.said import OrderChange
from agent.reading.read import Read
from agent.store import identity, processes, schema, studies
from agent.store.listing_rows import STAGES, STANDINGS
from agent.web.api import worklist as api
from agent.web.context import WebContext
from agent.web.pages.said import told, without_commands
from agent.web.pages.texts import Texts
from agent.web.rights import RIGHTS, Right, Role
from agent.web.tasks import Tasks
from agent.web.worklist.wanted import PRIORITIES
from structured_report.content import Outcome
from tests.support.drafted import Desk
from tests.support.every_page import address, pages
from tests.support.films import small_image
from tests.support.planted_ledger import PlantedLedger
from tests.support.site import until
from tests.support.unmarked import english_in

Browser = Callable[[Role], TestClient]
AGENT = Path(__file__).parents[2] / "agent"
TEXTS = Texts()


@pytest.fixture
def troubled(context: WebContext, desk: Desk) -> Iterator[dict[str, str]]:
    """A site where something of every kind has gone wrong; what stands for each hole of an address."""
    planted = PlantedLedger(context.settings)
    revision = planted.everything("1.2.3", patient_id="P1", name="Muster^Max", accession="A1")
    with context.ledger.begin() as tx:
        tx.execute(schema.delivery.update().values(destination="archiv"))
        tx.execute(schema.listing.delete())  # it is made of what is planted, below
    refused = 'ack-ae: the RIS refused the message; it said: "no such patient"; parked, until: preread retry'
    planted.delivery(revision, state="parked", words=refused, destination="ris")
    planted.delivery(
        planted.study("1.2.4"), state="parked", words="seldom-heard-of: it is not as it should be", destination="ris"
    )
    planted.job("read", str(planted.study("1.2.5")), state="parked", error="model-timeout: the model did not answer")
    drafted = desk.study([small_image()], boxes={})
    desk.study([small_image()], read_as=Read.abstained("no-final-answer", "the model's reply has no final answer"))
    doubted = desk.study([small_image()], boxes={})
    desk.study([small_image()], read=False)
    desk.study([small_image(ViewPosition="")], read_as=Read(Outcome.NOT_ANALYSED, "view-unknown", "nothing says so"))
    now = context.clock.now()
    with context.ledger.begin() as tx:
        words = "they name two patients; no result is sent, until the sender has corrected them (then: preread retry)"
        studies.set_state(tx, "1.2.3", studies.NEEDS_ATTENTION, reason="patient-differs", explanation=words)
        studies.set_state(tx, doubted.uid, studies.NEEDS_ATTENTION, reason="patient-differs", explanation=words)
        studies.set_state(
            tx, "1.2.4", studies.NEEDS_ATTENTION, reason="of-another-age", explanation="that is not known"
        )
        identity.stop(
            tx, drafted.uid, identity.CANCELLED, "the order was cancelled: no message is sent under it", now=now
        )
        identity.stop(tx, "1.2.4", identity.HELD, "the reason is mine", now=now)
        tx.execute(schema.hl7_message.update().values(state="attention", words="the message names no order"))
        number = tx.execute(schema.hl7_message.select()).one().id
        for role in processes.ROLES:
            processes.announce(tx, role, 1, "failed", "model-not-loadable: the weights cannot be read", now=now)
    Projector(context.ledger, context.clock, threading.Event()).catch_up()
    yield {
        "uid": "1.2.3", "action": "hold", "number": str(number), "read": drafted.uid, "/studies/{uid}": f"/studies/{drafted.uid}",
        "what": "peer", "name": "nobody", "task_id": "none",
    }  # fmt: skip
    planted.close()


def test_no_page_of_a_german_reader_has_an_english_sentence_of_the_program_that_is_not_marked(
    context: WebContext, troubled: dict[str, str], browser: Browser
) -> None:
    client = browser(Role.ADMINISTRATOR)
    client.headers["Accept-Language"] = "de"
    addresses = [address(path, troubled) for path in pages() if RIGHTS[("GET", path)] is not Right.OPEN]
    addresses += [f"/ledger/1.2.3/{action}" for action in ("retry", "withdraw", "reread", "release")]
    addresses += ["/ledger/1.2.4", "/ledger/1.2.4/match"]
    with context.ledger.read() as view:
        all_studies = [str(row.study_instance_uid) for row in view.execute(schema.study.select())]
    addresses += [f"/studies/{uid}" for uid in all_studies if not uid.startswith("1.2.3") and len(uid) > 8]
    shown = 0
    for one in dict.fromkeys(addresses):
        answer = client.get(one)
        assert answer.status_code in (200, 404), one
        shown += answer.status_code == 200
        assert english_in(answer.text) == [], one
        assert not re.search(r"(?<!-)\bpreread [a-z]", answer.text), one
    assert shown > 20


def test_what_is_refused_is_refused_in_german_and_without_a_command(
    context: WebContext, troubled: dict[str, str], browser: Browser
) -> None:
    client = browser(Role.ADMINISTRATOR)
    client.headers["Accept-Language"] = "de"
    refused = {
        "/ledger/1.2.4/hold": "schon angehalten",
        "/ledger/1.2.3/release": "Niemand hat die Untersuchung angehalten.",
        "/ledger/1.2.4/match": "Wählen Sie, welcher Auftrag es ist",
    }
    for one, words in refused.items():
        answer = client.post(one, data={"reason": "Grund"})
        assert answer.status_code == 409 and words in answer.text, one
        assert english_in(answer.text) == [] and "preread " not in answer.text, one
    answer = client.post("/ledger/1.2.4/hold", data={"reason": " "})
    assert answer.status_code == 422 and english_in(answer.text) == []


def test_a_study_in_trouble_says_so_in_words_and_keeps_what_the_peer_said(
    troubled: dict[str, str], browser: Browser
) -> None:
    client = browser(Role.VIEWER)
    page = client.get("/ledger/1.2.3", headers={"Accept-Language": "de"}).text
    assert "Die Gegenstelle nahm die Nachricht nicht an." in page
    assert "Die Bilder der Untersuchung nennen verschiedene Personen." in page
    assert "<q>no such patient</q>" in page
    unknown = client.get("/ledger/1.2.4", headers={"Accept-Language": "de"}).text
    assert '<span class="own" lang="en">seldom-heard-of: it is not as it should be</span>' in unknown, (
        "a code without words"
    )


def test_a_test_that_fails_says_why_by_its_code(context: WebContext) -> None:
    tasks = Tasks(context.clock)

    def work(_: object) -> bool:
        raise Permanent("there is no such destination", code="unknown-destination")

    task = tasks.start("destination", "x", work)
    until(lambda: tasks.task(task.id).ended_at is not None, what="the end of the test")
    (step,) = tasks.task(task.id).steps
    assert (step.key, step.code) == ("failed", "unknown-destination")
    assert all(TEXTS.of(language).code(step.code) for language in TEXTS.languages)


def _constants(*rooms: str) -> Iterator[tuple[str, str]]:
    """Every text that is written in these modules, with a letter where something is put in."""
    for file in sorted(f for room in rooms for f in AGENT.glob(room)):
        tree = ast.parse(file.read_text("utf-8"))
        parts = {id(v) for n in ast.walk(tree) if isinstance(n, ast.JoinedStr) for v in n.values}
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                yield file.name, "".join(str(v.value) if isinstance(v, ast.Constant) else "X" for v in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
                yield file.name, node.value


def test_no_sentence_that_the_ledger_keeps_tells_a_reader_of_a_page_to_call_a_command() -> None:
    rooms = [
        f"{room}/*.py" for room in ("mending", "intake", "delivery", "reporting", "store", "health", "evaluation/qc")
    ]
    advice = [(file, text) for file, text in _constants(*rooms) if re.search(r"(?<!-)\bpreread [a-z]", text)]
    assert len(advice) > 20
    assert [(file, text) for file, text in advice if re.search(r"\bpreread [a-z]", without_commands(text))] == []
    kept = told(
        'destination-gone: the settings name no such destination; name it again, then: preread retry; it said: "A; B"'
    )
    assert (kept.code, kept.sentence, kept.quote) == (
        "destination-gone", "the settings name no such destination; name it again", "A; B",
    )  # fmt: skip
    assert told("critical: said so").own == "critical: said so", "nothing is lost that may be no code"
    assert without_commands("cxr-preread project (see it)") == "cxr-preread project (see it)"


def _codes(*rooms: str) -> set[str]:
    """Codes of the errors that these modules raise."""
    found = set[str]()
    for file in (f for room in rooms for f in AGENT.glob(room)):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "code" and isinstance(node.value, ast.Constant):
                found.add(str(node.value.value))
    return found


@pytest.mark.parametrize("language", TEXTS.languages)
def test_whatever_can_be_refused_or_go_wrong_has_its_words(language: str) -> None:
    t = TEXTS.of(language)
    hand = _codes("mending/*.py", "web/ledger/*.py", "settings/writing.py", "settings/editing.py") | {
        "nothing-to-withdraw"
    }
    hand -= {"settings-changed-meanwhile"}  # said by the form itself
    assert len(hand) > 8 and [code for code in hand if not t.refused(code)] == []
    sent = _codes("delivery/*.py") | {"status-a700", "ack-ae", "http-503", "not-committed-0110", "commitment-overdue"}
    tried = _codes("web/peers/trials.py", "web/system/*.py")
    assert len(sent) > 12 and [code for code in sent | tried if not t.code(code)] == []


def test_no_code_has_two_meanings() -> None:
    for language in TEXTS.languages:
        t, seen = TEXTS.of(language), dict[str, str]()
        for key, text in t.starting("codes.").items():
            room, _, code = key.partition(".")
            if room != "effect":
                assert seen.setdefault(code, text) == text, (language, code)


def test_both_languages_tell_the_same() -> None:
    english, german = (TEXTS.of(name).everything() for name in ("en", "de"))
    told_to_programs = {k for k in english if k.startswith("api.")}
    assert told_to_programs and english.keys() - told_to_programs == german.keys()
    for key, text in german.items():
        assert sorted(re.findall(r"\{\w+\}", text)) == sorted(re.findall(r"\{\w+\}", english[key])), key


# What a radiology department would not say, or would not say for two things; and what it says instead.
GERMAN = {
    r"\bStudien?\b": "Untersuchung",
    r"Lesung|[Gg]elesen\b(?! werden)|wird gelesen": "Auswertung, ausgewertet",
    r"[Vv]orgemerkt|[Mm]arkier|Erster Blick|[Ff]rüher? Hinweis": "Ersthinweis",
    r"zurückgehalten|zurückhalten": "keine Aussage; angehalten",
    r"geparkt|abgestellt": "aufgegeben",
    r"Büro": "der Dienst (office)",
    r"Bildkopf": "DICOM-Header",
    r"Neigung": "Modellwert",
    r"Fassung": "Revision",
    r"\bZustand\b|\bStand\b": "Status",
    r"Aufbewahrungszusage|Bestätigung der Archivierung|[Zz]ugesagt": "Archivierungsbestätigung",
    r"[Aa]ngenommen von|[Vv]erworfen von|[Aa]nnehmen|[Vv]erwerfen": "zustimmen, ablehnen",
    r"[Bb]erichtig": "korrigieren",
    r"Auftragsnummer(?! \(Placer\))": "Accession-Nummer; Auftragsnummer (Placer)",
    r"gehört {": "eingegangen",
    r"costo|gross": "kosto, groß",
    r"Untersucht von": "Untersuchungsdatum von",
    r"Leser\b": "Nur Ansicht",
}


@pytest.mark.parametrize("words", GERMAN)
def test_one_thing_has_one_word_in_german(words: str) -> None:
    found = {k: v for k, v in TEXTS.of("de").everything().items() if re.search(words, v)}
    assert found == {}, f"say: {GERMAN[words]}"


# No page can do it: there is none without the database, and none that edits the file.
_NO_BUTTON = ("refused.database-", "refused.settings-")


@pytest.mark.parametrize("language", TEXTS.languages)
def test_no_text_of_a_page_gives_advice_for_a_command_line(language: str) -> None:
    found = {k for k, v in TEXTS.of(language).everything().items() if re.search(r"\bpreread [a-z]", v)}
    assert {k for k in found if not k.startswith(("api.", *_NO_BUTTON))} == set()


def test_no_objection_of_the_checks_does_not_read_like_a_normal_film() -> None:
    assert TEXTS.of("en")("study.check.none") == "The automatic checks of the draft raised no objection."
    assert TEXTS.of("de")("study.check.none") == "Die automatischen Prüfungen des Entwurfs haben nichts beanstandet."


def test_one_is_one() -> None:
    german, english = TEXTS.of("de"), TEXTS.of("en")
    assert english("study.text.lit", names="Nodule", count=1) == "Nodule: 1 sentence"
    assert german("study.text.lit", names="Rundherd", count=1) == "Rundherd: 1 Satz"
    assert german("study.text.lit", names="Rundherd", count=2) == "Rundherd: 2 Sätze"
    for t in (german, english):
        assert len([key for key in t.everything() if t.has(f"{key}_one")]) > 8


def test_the_interface_knows_every_standing_stage_and_priority_of_the_worklist() -> None:
    assert set(get_args(api.Standing)) == set(STANDINGS)
    assert get_args(api.Stage) == STAGES
    assert set(get_args(api.Priority)) == set(PRIORITIES)


def test_scripts_have_every_text_that_they_ask_for_and_are_not_sent_those_of_other_pages() -> None:
    words = TEXTS.of("en").for_scripts()
    scripts = (Path(__file__).parents[2] / "agent" / "web" / "static").rglob("*.js")
    code = "\n".join(
        line for file in scripts for line in file.read_text("utf-8").splitlines() if not line.startswith("/*")
    )
    asked = set(re.findall(r"\bt\(\s*[\"`]([a-z_]+\.[a-z_.-]*)", code))
    assert len(asked) > 40
    missing = {key for key in asked if key not in words and not any(k.startswith(key) for k in words)}
    assert not missing
    assert len(words) < 0.8 * len(TEXTS.of("en").everything())


@pytest.mark.parametrize("language", ["en", "de"])
def test_whatever_became_of_an_order_has_its_word(language: str) -> None:
    for change in OrderChange:
        assert TEXTS.of(language).has(f"ledger.match.state.{change}"), change
