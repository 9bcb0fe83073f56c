"""The running line through its pages: a destination that is dead is found, mended in a form and retried; and a test patient goes
from end to end."""

from __future__ import annotations

import html
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from agent.clock import SystemClock
from agent.commands.common import existing_store
from agent.store import accounts, sessions
from agent.web.rights import Role
from agent.web.signing.session import cookie_name
from tests.peers.test_reload import UID, deliveries, lateral, sent
from tests.support.peers import Ris
from tests.support.site import PATIENCE_S, SENDER, Site, until

pytestmark = [pytest.mark.peers, pytest.mark.xdist_group("mended")]
COMMENT = "# nobody listens on the discard port"


@pytest.fixture(scope="module")
def ris() -> Iterator[Ris]:
    with Ris() as made:
        yield made


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path) -> Iterator[Site]:
    made = Site(tmp_path_factory.mktemp("mended") / "site")
    made.set("model", weights=str(checkpoint), quantization="none")
    made.set("qc", films=["normal"], longest_flag_s=600.0)
    made.destination(name="to-ris", type="hl7", host="127.0.0.1", port=9)
    text = made.settings_file.read_text(encoding="utf-8")
    made.settings_file.write_text(text.replace("port = 9\n", f"port = 9 {COMMENT}\n"), encoding="utf-8")
    made.serve()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def browser(site: Site) -> Iterator[httpx2.Client]:
    """Of an administrator who has signed in."""
    settings, now, token = site.settings(), SystemClock().now(), secrets.token_urlsafe(32)
    ledger, _ = existing_store(settings)
    with ledger.begin() as tx:
        account = accounts.add(tx, "anna", Role.ADMINISTRATOR, "", must_change=False, now=now)
        sessions.begin(tx, token, account, "127.0.0.1", now=now)
    ledger.close()
    headers = {"Sec-Fetch-Site": "same-origin", "Accept": "text/html"}
    origin = f"http://127.0.0.1:{settings.web.port}"
    cookies = {cookie_name(settings.web): token}
    with httpx2.Client(
        base_url=origin, headers=headers, cookies=cookies, follow_redirects=True, timeout=PATIENCE_S
    ) as made:
        until(lambda: listens(made), what="the web server")
        yield made


def listens(browser: httpx2.Client) -> bool:
    try:
        return browser.get("/healthz").status_code == 200
    except httpx2.TransportError:
        return False


def fields_in(page: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for tag in re.findall(r"<input [^>]*>", page):
        name, value = (re.search(f' {key}="([^"]*)"', tag) for key in ("name", "value"))
        if name and ('type="checkbox"' not in tag or " checked" in tag):
            found.setdefault(name.group(1), []).append(html.unescape(value.group(1)) if value else "")
    for name_, options in re.findall(r'<select [^>]*name="([^"]+)"[^>]*>(.*?)</select>', page, re.S):
        chosen = re.search(r"<option selected>([^<]*)<", options)
        found[name_] = [chosen.group(1) if chosen else ""]
    return found


def at_rest(browser: httpx2.Client, address: str) -> str:
    """The page once it does not look again by itself."""

    def page() -> str:
        text = browser.get(address).text
        return "" if "data-again" in text else html.unescape(text)

    return str(until(page, what=f"{address} at rest"))


def test_a_dead_destination_is_found_mended_in_the_form_and_retried(
    site: Site, browser: httpx2.Client, ris: Ris, tmp_path: Path
) -> None:
    uid = f"{UID}.51"
    assert sent(site, SENDER, lateral(tmp_path, 51))
    until(lambda: f"/ledger/{uid}" in browser.get("/ledger?to=to-ris").text, what="the study under to-ris")
    until(lambda: "Connection refused" in browser.get(f"/ledger/{uid}").text, what="the page says why it is not there")
    tried = browser.post("/peers/test", data={"what": "destination", "name": "to-ris"})
    assert "Connection refused" in at_rest(browser, str(tried.url))

    form = fields_in(browser.get("/peers/form/destination?name=to-ris").text.split('class="card settings"')[1])
    difference = browser.post("/peers/form/destination", data=form | {"port": str(ris.port)}).text
    assert f"+port = {ris.port} {COMMENT}" in html.unescape(difference)
    confirmed = fields_in(difference.split('class="card wide"')[1].split("</form>")[0]) | {"do": "write"}
    answered = browser.post("/peers/form/destination", data=confirmed)
    assert f"port = {ris.port} {COMMENT}\n" in site.settings_file.read_text(encoding="utf-8")
    said = at_rest(browser, str(answered.url))
    assert said.count("works with the peers and destinations of the file") == 3, said
    assert "Every process has taken it up" in said

    again = browser.post(f"/ledger/{uid}/retry", data={"reason": "the port was wrong"})
    assert "It is tried again now" in again.text
    until(lambda: [d["state"] for d in deliveries(site, uid)] == ["delivered"], what="the result")
    assert len([m for m in ris.messages if uid in str(m)]) == 1
    way = html.unescape(browser.get(f"/ledger/{uid}").text)
    assert "the port was wrong (anna)" in way and "MSA|AA" in way


def test_a_test_patient_goes_from_end_to_end_and_each_step_is_shown(site: Site, browser: httpx2.Client) -> None:
    started = browser.post("/peers/test", data={"what": "patient"})
    page = at_rest(browser, str(started.url))
    steps = ["Film sent", "Film received", "Flagged", "Read", "Documents made", "Check"]
    places = [page.find(f"<strong>{step}</strong>") for step in steps]
    assert -1 not in places and places == sorted(places), page
    uid = re.search(r'href="/ledger/([0-9.]+)"', page)
    assert uid
    assert browser.get(f"/ledger/{uid.group(1)}").status_code == 200
