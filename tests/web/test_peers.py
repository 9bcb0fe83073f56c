"""Peers and destinations in the browser: changed in the settings file as a careful person would, and tried."""

from __future__ import annotations

import html
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from agent.settings import load
from agent.settings.live import LiveSettings
from agent.store import overview, reloads, schema
from agent.web.context import WebContext
from agent.web.rights import Role
from tests.support.pages import PASSWORD, Visitors
from tests.support.peers import Orthanc, Ris
from tests.support.planted_ledger import PlantedLedger
from tests.support.site import until
from tests.support.unmarked import english_in
from tests.support.web import certificates

FILE = """# Our site.
[node]
ae_title = "PREREAD" # as the PACS knows it
{node}
[storage]
root = "."

[[peers]]
name = "ct"            # the old one
ae_title = "CT1"
host = "10.0.0.7"
may = ["send"]

# Where results go.
[[destinations]]
name = "to-ris"
type = "hl7"
host = "127.0.0.1"
port = {port} # of the interface engine
{destination}
[web]
url = "http://preread.test"
"""
MARKUP = "<script>alert(1)</script>"


class Site:
    """An office with a settings file, seen through a browser."""

    def __init__(self, context: WebContext, folder: Path, **values: object) -> None:
        self.path = folder / "site.toml"
        self.path.write_text(FILE.format(**{"port": 2575, "node": "", "destination": ""} | values), encoding="utf-8")
        settings = load(self.path)
        self.context = replace(context, settings=settings, path=self.path, live=LiveSettings(settings))
        self.browser = Visitors(self.context).signed_in("administrator", Role.ADMINISTRATOR)

    @property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    def form(self, address: str) -> dict[str, Any]:
        """What a browser would send of the form at that address, unchanged."""
        page = self.browser.get(f"/peers/form/{address}")
        assert page.status_code == 200, page.text
        return fields_in(page.text.split('class="card settings"')[1])

    def send(self, what: str, values: dict[str, Any], **changed: Any) -> Any:
        return self.browser.post(f"/peers/form/{what}", data=values | changed)

    def confirmed(self, page: str) -> dict[str, Any]:
        """What a browser would send of the confirmation on that page."""
        return fields_in(page.split('class="card wide"')[1].split("</form>")[0]) | {"do": "write"}

    def tried(self, what: str, name: str = "") -> str:
        """The page of that test once it is over."""
        started = self.browser.post("/peers/test", data={"what": what, "name": name})
        assert started.status_code == 303
        return self.ended(started.headers["location"])

    def ended(self, address: str) -> str:
        """That page once its work is over."""

        def page() -> str:
            text = self.browser.get(address).text
            return "" if "data-again" in text else html.unescape(text)

        return str(until(page, what="the work is over"))


def fields_in(page: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for tag in re.findall(r"<input [^>]*>", page):
        name, value = (re.search(f' {key}="([^"]*)"', tag) for key in ("name", "value"))
        if name and ('type="checkbox"' not in tag or " checked" in tag):
            found.setdefault(name.group(1), []).append(html.unescape(value.group(1)) if value else "")
    for name, options in re.findall(r'<select [^>]*name="([^"]+)"[^>]*>(.*?)</select>', page, re.S):
        chosen = re.search(r"<option selected>([^<]*)<", options)
        found[name] = [chosen.group(1) if chosen else ""]
    return found


@pytest.fixture
def made(context: WebContext, tmp_path: Path) -> Callable[..., Site]:
    return lambda **values: Site(context, tmp_path, **values)


@pytest.fixture
def site(made: Callable[..., Site]) -> Site:
    return made()


def test_a_form_that_is_sent_back_unchanged_changes_nothing(site: Site) -> None:
    before = site.text
    for what, address in (("peer", "peer?name=ct"), ("destination", "destination?name=to-ris")):
        page = site.send(what, site.form(address))
        assert "That would change nothing" in page.text
    assert site.text == before


def test_a_change_is_shown_as_a_difference_and_written_only_when_it_is_confirmed(site: Site) -> None:
    before = site.text
    page = site.send("destination", site.form("destination?name=to-ris"), port="2576").text
    shown = html.unescape(page)
    assert "-port = 2575 # of the interface engine" in shown and "+port = 2576 # of the interface engine" in shown
    assert site.text == before
    done = site.send("destination", site.confirmed(page))
    assert done.status_code == 303 and done.headers["location"].startswith("/peers/reload/")
    assert site.text == before.replace("2575", "2576")
    assert site.path.with_name("site.toml.before").read_text(encoding="utf-8") == before
    with site.context.ledger.read() as view:
        assert reloads.newest(view) == 1
        said = [m for m in view.execute(select(schema.audit.c.message)).scalars() if "Network Configuration" in m]
    assert len(said) == 1 and 'UserID="administrator"' in said[0]


def test_a_new_peer_is_written_with_what_was_said_of_it_and_no_more(site: Site) -> None:
    values = site.form("peer") | {
        "name": "mr",
        "ae_title": "MR1",
        "host": "10.0.0.8",
        "port": "104",
        "may": ["send", "query"],
    }
    page = site.send("peer", values).text
    assert site.send("peer", site.confirmed(page)).status_code == 303
    block = '[[peers]]\nname = "mr"\nae_title = "MR1"\nhost = "10.0.0.8"\nmay = ["send", "query"]\n'
    assert f"{block}\n# Where results go.\n[[destinations]]" in site.text
    assert [p.name for p in load(site.path).peers] == ["ct", "mr"]


@pytest.mark.parametrize(
    ("changed", "key", "words"),
    [
        ({"host": "http://10.0.0.8"}, "host", "must be the host alone"),
        ({"ae_title": "AN AE TITLE THAT IS TOO LONG"}, "ae_title", "has at most 16 characters"),
        ({"port": "99999"}, "port", "must be at most 65535"),
        ({"port": "many"}, "port", "must be"),
        ({"name": ""}, "name", "is missing"),
        ({"certificate_name": "x"}, "", "without tls = true no certificate is ever looked at"),
        ({"name": "ct"}, "", "names must be unique"),
    ],
)
def test_what_is_wrong_is_said_beside_the_field_and_nothing_is_written(
    site: Site, changed: dict[str, str], key: str, words: str
) -> None:
    before = site.text
    values = site.form("peer") | {"name": "mr", "ae_title": "MR1", "host": "10.0.0.8", "port": "104"} | changed
    answer = site.send("peer", values, do="write")
    shown = html.unescape(answer.text)
    assert (answer.status_code, site.text) == (422, before)
    said = re.search(rf'id="wrong-{key}">(.*?)</span></span>' if key else r'role="alert">(.*?)</p>', shown)
    assert said and words in said.group(1), shown


def test_a_german_reader_is_told_in_german_what_is_wrong_and_where_the_file_is_taken_up(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.browser.headers["Accept-Language"] = "de"
    values = site.form("peer") | {"name": "", "ae_title": "MR1", "host": "http://x", "port": "99999"}
    page = site.send("peer", values).text
    assert "darf höchstens 65535 sein" in page and "muss angegeben werden" in page
    assert "must be the host alone" in page, "a rule of our own has no kind"
    assert english_in(page) == []
    monkeypatch.setattr(
        "agent.web.peers.file.why_not_writable", lambda path: f"the user may not write in {path.parent}"
    )
    page = site.send("destination", site.form("destination?name=to-ris"), port="2576").text
    assert "Dieses Programm kann die Datei nicht schreiben:" in page and 'href="/peers#reload"' in page
    assert english_in(page) == [] and "preread reload" not in page
    page = site.browser.get("/peers/remove/destination?name=to-ris").text
    assert 'href="/peers#reload"' in page and english_in(page) == []


def test_what_was_entered_is_escaped_where_it_is_shown(site: Site) -> None:
    values = site.form("peer") | {"name": MARKUP, "ae_title": MARKUP, "host": MARKUP, "port": MARKUP}
    answer = site.send("peer", values)
    assert answer.status_code == 422
    assert MARKUP not in answer.text and html.escape(MARKUP) in answer.text
    path = f"/tmp/{MARKUP}"
    page = site.send("destination", site.form("destination?type=folder") | {"name": "f", "path": path}).text
    assert MARKUP not in page and "+path" in page


def test_a_file_that_somebody_else_changed_meanwhile_is_not_overwritten(site: Site) -> None:
    page = site.send("destination", site.form("destination?name=to-ris"), port="2576").text
    theirs = site.text.replace("PREREAD", "OTHERS")
    site.path.write_text(theirs, encoding="utf-8")
    answer = site.send("destination", site.confirmed(page))
    assert (answer.status_code, site.text) == (409, theirs)
    assert "changed meanwhile" in answer.text and 'value="2576"' in answer.text
    again = site.send("destination", fields_in(answer.text.split('class="card settings"')[1])).text
    assert site.send("destination", site.confirmed(again)).status_code == 303
    assert site.text == theirs.replace("2575", "2576")


def test_secrets_are_never_shown(site: Site, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("top-secret-token", encoding="utf-8")
    values = site.form("destination?type=webhook")
    values |= {"name": "hook", "url": "http://a:top-secret@127.0.0.1/x", "secret_file": "token"}
    assert "must not hold a user or a password" in site.send("destination", values).text
    page = site.send("destination", values | {"url": "http://127.0.0.1/x"}).text
    site.send("destination", site.confirmed(page))
    site.context.live.put(load(site.path))  # type: ignore[union-attr]
    for address in ("/peers", "/peers/form/destination?name=hook"):
        assert "top-secret" not in site.browser.get(address).text


def test_a_password_in_the_file_is_not_shown_beside_a_change(made: Callable[..., Site]) -> None:
    site = made(destination="# was: https://me:hunter2@old.example/\n")
    page = site.send("destination", site.form("destination?name=to-ris"), port="2576").text
    assert "old.example" in page and "hunter2" not in page


def test_what_the_environment_overrides_is_said(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREREAD_PEERS", '[{"name": "e", "ae_title": "E", "host": "h"}]')
    for address in ("/peers", "/peers/form/peer?name=ct"):
        assert "The environment variable PREREAD_PEERS goes before" in site.browser.get(address).text


def test_a_file_that_cannot_be_written_stays_as_it_is_and_the_reason_is_shown_with_the_difference(site: Site) -> None:
    before = site.text
    page = site.send("destination", site.form("destination?name=to-ris"), port="2576").text
    (site.path.with_name("site.toml.before") / "in-the-way").mkdir(parents=True)
    answer = site.send("destination", site.confirmed(page))
    assert (answer.status_code, site.text) == (409, before)
    assert "cannot be written" in answer.text and "+port = 2576" in html.unescape(answer.text)
    site.path.unlink()
    assert site.browser.get("/peers/form/peer").status_code == 503
    assert site.browser.get("/peers").status_code == 200


def test_what_every_process_said_about_the_new_settings_is_shown(site: Site) -> None:
    number = int(site.browser.post("/peers/reload").headers["location"].rsplit("/", 1)[1])
    ledger, now = site.context.ledger, site.context.clock.now()
    from agent.store import processes

    with ledger.begin() as tx:
        for role in ("receive", "office"):
            processes.announce(tx, role, 1, "ready", "", now=now)
        refused = reloads.InForce("receive", number, now, "refused", "x", [], f"peers[0]: {MARKUP}")
        reloads.answer(tx, refused)
    page = site.browser.get(f"/peers/reload/{number}").text
    assert "refused, the settings before stay in force" in page and MARKUP not in page
    assert "has not answered yet" in page and 'data-again="1000"' in page
    with ledger.begin() as tx:
        reloads.answer(tx, reloads.InForce("office", number, now, "taken-up", "x", ["web"]))
    page = site.browser.get(f"/peers/reload/{number}").text
    assert "These sections need a start: web" in page and "data-again" not in page
    assert "receive has refused the changed settings file" in site.browser.get("/peers").text
    assert site.browser.get(f"/peers/reload/{number + 1}").status_code == 404


@pytest.fixture
def ris() -> Iterator[Ris]:
    with Ris() as running:
        yield running


def test_a_test_message_is_marked_as_training_and_its_answer_is_shown(made: Callable[..., Site], ris: Ris) -> None:
    site = made(port=ris.port)
    page = site.tried("message", "to-ris")
    assert "all is well" in page and "MSA|AA" in page
    (message,) = ris.messages
    assert str(message.segment("MSH")[11]) == "T"
    assert "PREREAD-TEST" in str(message.segment("PID")[3])
    assert "accepts connections" in site.tried("destination", "to-ris")


def test_a_dead_destination_is_said_to_be_dead(made: Callable[..., Site]) -> None:
    page = made(port=9).tried("destination", "to-ris")
    assert "something is wrong" in page and "to-ris" in page


@pytest.mark.peers
def test_a_pacs_is_asked_what_it_accepts(made: Callable[..., Site], tmp_path: Path) -> None:
    with Orthanc(tmp_path / "pacs") as pacs:
        peer = f'[[peers]]\nname = "pacs"\nae_title = "ORTHANC"\nhost = "127.0.0.1"\nport = {pacs.port}\nmay = ["receive"]\n'
        site = made(destination=peer)
        assert "0000" in site.tried("echo", "pacs")
        page = site.tried("association", "pacs")
    assert "all is well" in page and "Comprehensive 3D SR Storage" in page
    rows = {row[0]: row[1] for row in re.findall(r'<th scope="row">([^<]+)</th>(.*?)</tr>', page)}
    assert rows["Computed Radiography Image Storage"].count(">yes<") >= 10
    assert ">yes<" not in rows["Modality Worklist Information Model - FIND"]


def test_certificates_are_shown_with_who_issued_them_and_how_long_they_last(
    made: Callable[..., Site], tmp_path: Path
) -> None:
    import ssl
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    ca, own, key = certificates(tmp_path / "tls")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own, key)
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        tls = f'tls = {{ ca_file = "{ca}" }}\n'
        site = made(port=server.server_address[1], destination=tls)
        page = site.tried("tls", "to-ris")
        assert "CN=127.0.0.1" in page and "CN=test authority" in page and "TLSv1.3" in page
        assert "something is wrong" in page and "days: 1" in page  # it ends within alarms.certificate_days
        stranger, _, _ = certificates(tmp_path / "other")
        page = made(port=server.server_address[1], destination=tls.replace(str(ca), str(stranger))).tried(
            "tls", "to-ris"
        )
        assert "its certificate is not accepted" in page and "CN=test authority" in page
    finally:
        server.shutdown()
        server.server_close()


def test_everything_that_a_destination_could_not_take_is_sent_again_and_nothing_else(site: Site) -> None:
    planted = PlantedLedger(site.context.settings)
    for number in range(3):
        revision = planted.study(f"1.{number}")
        planted.delivery(revision, state="parked", words="unreachable", destination="to-ris")
    planted.delivery(planted.study("1.9"), state="parked", words="unreachable", destination="to-pacs")
    planted.close()
    assert "studies: 3" in site.browser.get("/peers/retry/to-ris").text
    assert site.browser.post("/peers/retry/to-ris", data={"reason": ""}).status_code == 422
    assert "/peers/retry/to-ris" in site.browser.get("/ledger?to=to-ris").text
    started = site.browser.post("/peers/retry/to-ris", data={"reason": "it is back"})
    assert "It is tried again; studies" in site.ended(started.headers["location"])
    with site.context.ledger.read() as view:
        states = {uid: overview.deliveries(view, uid)[0]["state"] for uid in ("1.0", "1.1", "1.2", "1.9")}
        words = [e["words"] for e in overview.history(view, "1.1")]
    assert states == {"1.0": "waiting", "1.1": "waiting", "1.2": "waiting", "1.9": "parked"}
    assert words == ["by hand: 1 deliveries to to-ris; it is back (administrator)"]
    assert site.browser.get("/peers/retry/nowhere").status_code == 404


def test_a_test_patient_is_not_sent_through_a_line_that_does_not_run(site: Site) -> None:
    assert "the line is not running" in site.tried("patient")


@pytest.mark.parametrize("language", ["en", "de"])
def test_every_page_of_the_peers_has_its_words(site: Site, language: str) -> None:
    site.browser.headers["Accept-Language"] = language
    kinds = ("dicom", "hl7", "folder", "stow", "webhook")
    forms = [f"/peers/form/{a}" for a in ("peer", "peer?name=ct", *(f"destination?type={k}" for k in kinds))]
    for address in ("/peers", *forms):
        page = site.browser.get(address)
        assert page.status_code == 200, page.text
        assert f'<html lang="{language}"' in page.text
    assert site.browser.get("/peers/form/destination?type=fax").status_code == 404
    assert site.browser.get("/peers/form/peer?name=nobody").status_code == 404
    assert PASSWORD not in site.text


def test_an_entry_is_taken_out_only_after_what_that_does_was_shown(site: Site) -> None:
    before = site.text
    form = site.browser.get("/peers/form/destination?name=to-ris").text
    assert "/peers/remove/destination?name=to-ris" in form
    page = site.browser.get("/peers/remove/destination?name=to-ris").text
    assert "-port = 2575 # of the interface engine" in html.unescape(page)
    assert site.text == before
    done = site.browser.post("/peers/remove/destination", data=fields_in(page.split("</form>")[-2]))
    assert done.status_code == 303 and done.headers["location"].startswith("/peers/reload/")
    assert 'name = "to-ris"' not in site.text
    assert site.path.with_name("site.toml.before").read_text(encoding="utf-8") == before
    with site.context.ledger.read() as view:
        said = [m for m in view.execute(select(schema.audit.c.message)).scalars() if "Network Configuration" in m]
    assert len(said) == 1 and 'UserID="administrator"' in said[0]
    assert site.browser.get("/peers/remove/destination?name=to-ris").status_code == 404


def test_what_still_waits_for_a_destination_is_said_before_it_is_taken_out(site: Site) -> None:
    planted = PlantedLedger(site.context.settings)
    planted.delivery(planted.study("1.1"), state="waiting", words="unreachable", destination="to-ris")
    planted.delivery(planted.study("1.2"), state="parked", words="unreachable", destination="to-pacs")
    planted.close()
    page = html.unescape(site.browser.get("/peers/remove/destination?name=to-ris").text)
    assert "Waiting for it at the moment: 1." in page


def test_a_peer_that_a_destination_needs_is_not_taken_out(made: Callable[..., Site]) -> None:
    archive = '[[peers]]\nname = "archive"\nae_title = "PACS"\nhost = "10.0.0.8"\nmay = ["receive"]\n'
    site = made(destination=f'{archive}[[destinations]]\nname = "to-pacs"\ntype = "dicom"\npeer = "archive"\n')
    before = site.text
    page = html.unescape(site.browser.get("/peers/remove/peer?name=archive").text)
    assert 'role="alert"' in page and '"archive"' in page
    assert "-ae_title" in page and 'name="digest"' not in page, "shown, and not to be confirmed"
    digest = site.form("peer?name=archive")["digest"]
    refused = site.browser.post("/peers/remove/peer", data={"name": "archive", "digest": digest})
    assert (refused.status_code, site.text) == (422, before)


def test_a_file_that_was_changed_meanwhile_loses_no_entry(site: Site) -> None:
    page = site.browser.get("/peers/remove/peer?name=ct").text
    site.path.write_text(site.text + "# by hand\n", encoding="utf-8")
    before = site.text
    answer = site.browser.post("/peers/remove/peer", data=fields_in(page.split("</form>")[-2]))
    assert (answer.status_code, site.text) == (409, before)
    assert "changed meanwhile" in answer.text


@pytest.mark.parametrize("address", ["fax?name=ct", "peer?name=nobody", "peer", "destination?name=" + "x" * 65])
def test_what_is_not_there_is_not_taken_out(site: Site, address: str) -> None:
    assert site.browser.get(f"/peers/remove/{address}").status_code in (404, 422)


def test_a_file_that_is_broken_at_the_moment_is_said_to_be_and_costs_nothing_that_was_entered(
    context: WebContext, tmp_path: Path
) -> None:
    site = Site(context, tmp_path)
    entered, before = site.form("peer") | {"name": "mr", "ae_title": "MR1", "host": "10.0.0.8"}, site.text
    site.path.write_text(before + "[[[ not done", encoding="utf-8")
    sent = site.send("peer", entered, do="write")
    assert (sent.status_code, site.text) == (409, before + "[[[ not done")
    assert 'value="10.0.0.8"' in sent.text
    assert "is no TOML" in sent.text
    assert "is no TOML" in site.browser.get("/peers").text
    assert "preread settings check" in site.browser.get("/peers/form/peer").text
    site.path.write_text(before, encoding="utf-8")
    again = site.send("peer", fields_in(sent.text.split('class="card settings"')[1]))
    assert again.status_code == 200, "the form goes on where it was"
    assert "MR1" in again.text.split('class="card wide"')[1]


@pytest.mark.parametrize("port", ["NaN", "1e3", "inf", "0x68", "\u0661\u0660\u0664"])
def test_what_is_no_number_is_said_beside_its_field(context: WebContext, tmp_path: Path, port: str) -> None:
    site = Site(context, tmp_path)
    sent = site.send("peer", site.form("peer") | {"name": "mr", "ae_title": "MR1", "host": "10.0.0.8", "port": port})
    assert sent.status_code == 422
    assert "must be an integer" in html.unescape(sent.text)
    assert f'value="{port}"' in sent.text
