"""Signing in through an OpenID provider: whoever it is certain about comes in with the role it says, and nobody else does."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import time_machine
from joserfc.jwk import RSAKey
from starlette.testclient import TestClient

from agent.settings import Oidc, Web
from agent.store import accounts
from agent.store.accounts import Account
from agent.store.schema import web_session
from agent.web.context import WebContext
from agent.web.rights import Role
from tests.support.oidc_provider import CLIENT, SECRET, OidcProvider
from tests.support.pages import ORIGIN, PASSWORD, Visitors, audited, site_at

ROLES = {"px-chiefs": "administrator", "px-readers": "radiologist", "px-all": "viewer"}


@pytest.fixture(scope="module")
def running() -> Iterator[OidcProvider]:
    made = OidcProvider()
    yield made
    made.stop()


@pytest.fixture
def provider(running: OidcProvider) -> Iterator[OidcProvider]:
    kept = {k: v for k, v in vars(running).items() if not k.startswith("_")}
    running.person = {**running.person, "roles": ["px-readers", "of-another-program"]}
    yield running
    vars(running).update(kept)


def settings_for(provider: OidcProvider, folder: Path, **more: Any) -> Web:
    secret = folder / "secret"
    secret.write_text(f"{SECRET}\n", "utf-8")
    values = {"name": "Hospital", "issuer": provider.issuer, "client_id": CLIENT, "client_secret_file": secret}
    return Web(url=ORIGIN, oidc=Oidc(**{**values, "roles": ROLES, "timeout_s": 5, **more}))


@pytest.fixture
def visitors(provider: OidcProvider, tmp_path: Path) -> Visitors:
    return Visitors(site_at(tmp_path, settings_for(provider, tmp_path)))


def come(visitors: Visitors, provider: OidcProvider, target: str = "/account") -> tuple[TestClient, Any]:
    """A new browser that went to the provider and came back; what it was answered then."""
    browser = visitors()
    sent = browser.get("/sign-in/oidc", params={"next": target})
    assert sent.status_code == 303, sent.text
    return browser, browser.get(provider.sign_in(sent.headers["location"]))


def account(context: WebContext, name: str) -> Account:
    with context.ledger.read() as view:
        found = accounts.by_name(view, name)
    assert found is not None, name
    return found


def test_who_the_provider_knows_comes_in_with_the_role_that_it_says(visitors: Visitors, provider: OidcProvider) -> None:
    browser, back = come(visitors, provider)
    assert (back.status_code, back.headers["location"]) == (303, "/account")
    shown = browser.get("/account")
    assert shown.status_code == 200
    assert "Dr. Anna Muster" in shown.text
    made = account(visitors.context, "anna")
    assert (made.role, made.subject, made.password_hash) == ("radiologist", f"{provider.issuer} 4711", "")
    assert [a[:2] for a in audited(visitors.context)] == [("110113", "110136"), ("110114", "110122")]


def test_the_page_offers_both_ways_in(visitors: Visitors) -> None:
    shown = visitors().get("/sign-in?next=/account").text
    assert "Sign in with Hospital" in shown
    assert 'href="/sign-in/oidc?next=/account"' in shown
    assert 'name="password"' in shown


def test_an_account_is_bound_to_the_person_and_not_to_a_name(visitors: Visitors, provider: OidcProvider) -> None:
    visitors.account("chief", Role.ADMINISTRATOR)
    provider.person |= {"preferred_username": "chief", "email": "chief@hospital"}
    come(visitors, provider)
    assert account(visitors.context, "chief").subject is None, "a name at the provider opens no account here"
    assert account(visitors.context, "chief-2").role == "radiologist"
    provider.person |= {"preferred_username": "renamed", "name": "Anna Neu"}
    come(visitors, provider)
    assert account(visitors.context, "chief-2").full_name == "Anna Neu", "the same person, whatever the name"
    with visitors.context.ledger.read() as view:
        assert accounts.count(view) == 2


def test_an_account_of_the_provider_opens_with_no_password(visitors: Visitors, provider: OidcProvider) -> None:
    come(visitors, provider)
    for tried in ("", PASSWORD, "None"):
        assert visitors().post("/sign-in", data={"name": "anna", "password": tried}).status_code in (401, 422)


@pytest.mark.parametrize(
    ("claim", "expected"),
    [
        (["px-all", "px-chiefs"], "administrator"),
        ("px-all", "viewer"),
        ([7, None, {"px-chiefs": 1}, "px-readers"], "radiologist"),
    ],
)
def test_the_first_role_of_the_table_that_a_person_has_counts(
    visitors: Visitors, provider: OidcProvider, claim: Any, expected: str
) -> None:
    provider.person["roles"] = claim
    come(visitors, provider)
    assert account(visitors.context, "anna").role == expected


def test_a_claim_may_lie_inside_another_as_keycloak_has_it(provider: OidcProvider, tmp_path: Path) -> None:
    visitors = Visitors(site_at(tmp_path, settings_for(provider, tmp_path, role_claim="realm_access.roles")))
    provider.person |= {"realm_access": {"roles": ["px-chiefs"]}}
    come(visitors, provider)
    assert account(visitors.context, "anna").role == "administrator"


@pytest.mark.parametrize("claim", [[], None, "px-", {"px-chiefs": True}, 4])
def test_who_has_no_role_here_is_told_so_and_stays_outside(
    visitors: Visitors, provider: OidcProvider, claim: Any
) -> None:
    inside, _ = come(visitors, provider)
    provider.person["roles"] = claim
    browser, back = come(visitors, provider)
    assert back.status_code == 403
    assert "gives you no role here" in back.text
    assert browser.get("/account").status_code == 303
    assert inside.get("/account").status_code == 303, "a role that was taken away takes the sessions with it"
    assert audited(visitors.context)[-1] == ("110114", "110122", "4", "anna")


def test_a_disabled_account_stays_disabled_whatever_the_provider_says(
    visitors: Visitors, provider: OidcProvider
) -> None:
    come(visitors, provider)
    with visitors.context.ledger.begin() as tx:
        accounts.set_values(tx, account(visitors.context, "anna").id, disabled=True)
    _, back = come(visitors, provider)
    assert (back.status_code, "disabled" in back.text) == (403, True)


Spoil = Callable[[dict[str, Any], dict[str, Any]], None]
SPOILT: dict[str, Spoil] = {
    "another nonce": lambda h, c: c.update(nonce="stolen"),
    "no nonce": lambda h, c: c.pop("nonce"),
    "for another program": lambda h, c: c.update(aud="pacs"),
    "for nobody": lambda h, c: c.pop("aud"),
    "for several, asked for by another": lambda h, c: c.update(aud=[CLIENT, "pacs"], azp="pacs"),
    "for several, asked for by nobody": lambda h, c: c.update(aud=[CLIENT, "pacs"]),
    "of another issuer": lambda h, c: c.update(iss="https://sso.evil"),
    "of nobody": lambda h, c: c.pop("iss"),
    "expired": lambda h, c: c.update(iat=c["iat"] - 400, exp=c["iat"] - 100),
    "never expires": lambda h, c: c.pop("exp"),
    "made long ago": lambda h, c: c.update(iat=c["iat"] - 3600),
    "made tomorrow": lambda h, c: c.update(iat=c["iat"] + 86_400),
    "about nobody": lambda h, c: c.pop("sub"),
    "about an empty name": lambda h, c: c.update(sub=""),
    "about a number": lambda h, c: c.update(sub=4711),
    "about somebody too long": lambda h, c: c.update(sub="x" * 256),
    "not signed": lambda h, c: h.update(alg="none"),
    "signed with the public key": lambda h, c: h.update(alg="HS256"),
    "signed with a key that is not published": lambda h, c: h.update(kid="unknown"),
}


@pytest.mark.parametrize("how", SPOILT)
def test_a_token_that_does_not_say_what_it_must_lets_nobody_in(
    visitors: Visitors, provider: OidcProvider, how: str
) -> None:
    provider.spoil = SPOILT[how]
    browser, back = come(visitors, provider)
    assert back.status_code == 502, back.text
    assert "could not be accepted" in back.text
    assert browser.get("/account").status_code == 303
    with visitors.context.ledger.read() as view:
        assert accounts.count(view) == 0


def test_a_token_that_somebody_else_signed_lets_nobody_in(visitors: Visitors, provider: OidcProvider) -> None:
    provider.key = RSAKey.generate_key(2048, {"kid": "one"})
    _, back = come(visitors, provider)
    assert back.status_code == 502


def test_a_key_that_is_new_since_the_last_look_is_looked_for(visitors: Visitors, provider: OidcProvider) -> None:
    assert come(visitors, provider)[1].status_code == 303
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=1)):
        provider.turn_to_elliptic_curves()
        assert come(visitors, provider)[1].status_code == 303


def test_a_provider_is_not_asked_again_for_every_unknown_key(visitors: Visitors, provider: OidcProvider) -> None:
    come(visitors, provider)
    provider.spoil = SPOILT["signed with a key that is not published"]
    before = provider.asked
    for _ in range(3):
        come(visitors, provider)
    assert provider.asked == before + 3, "the token endpoint alone"


def test_only_the_browser_that_began_it_can_end_it(visitors: Visitors, provider: OidcProvider) -> None:
    attacker = visitors()
    stolen = provider.sign_in(attacker.get("/sign-in/oidc").headers["location"])
    victim = visitors()
    back = victim.get(stolen)
    assert (back.status_code, "not begun in this browser" in back.text) == (400, True)
    victim.get("/sign-in/oidc")
    assert victim.get(stolen).status_code == 400, "one that was begun here, and another's answer"
    assert "preread_session" not in victim.cookies


def test_an_answer_counts_once(visitors: Visitors, provider: OidcProvider) -> None:
    browser = visitors()
    answer = provider.sign_in(browser.get("/sign-in/oidc").headers["location"])
    assert browser.get(answer).status_code == 303
    assert browser.get(answer).status_code == 400


def test_an_answer_is_not_used_up_by_who_looks_whether_the_link_works(
    visitors: Visitors, provider: OidcProvider
) -> None:
    browser = visitors()
    answer = provider.sign_in(browser.get("/sign-in/oidc").headers["location"])
    looked = browser.head(answer)
    assert (looked.status_code, looked.headers["allow"]) == (405, "GET")
    assert browser.get(answer).status_code == 303


def test_a_code_is_of_no_use_to_another_sign_in(visitors: Visitors, provider: OidcProvider) -> None:
    browser, other = visitors(), visitors()
    code = parse_qs(urlsplit(provider.sign_in(other.get("/sign-in/oidc").headers["location"])).query)["code"][0]
    asked = parse_qs(urlsplit(browser.get("/sign-in/oidc").headers["location"]).query)
    back = browser.get("/sign-in/oidc/callback", params={"code": code, "state": asked["state"][0]})
    assert (back.status_code, "did not let you in" in back.text) == (502, True), "PKCE: the verifier is another"


def test_an_answer_of_another_provider_is_not_taken(visitors: Visitors, provider: OidcProvider) -> None:
    browser = visitors()
    answer = provider.sign_in(browser.get("/sign-in/oidc").headers["location"])
    mixed = answer.replace("127.0.0.1", "127.0.0.9")
    assert browser.get(f"/sign-in/oidc/callback?{urlsplit(mixed).query}").status_code == 403


def test_a_person_who_is_refused_there_is_told_so(visitors: Visitors, provider: OidcProvider) -> None:
    provider.refuses_person = True
    _, back = come(visitors, provider)
    assert (back.status_code, "did not let you in" in back.text) == (403, True)


@pytest.mark.parametrize("target", ["//evil.test", "https://evil.test", "/\\evil.test", "javascript:alert(1)"])
def test_nobody_is_sent_elsewhere_afterwards(visitors: Visitors, provider: OidcProvider, target: str) -> None:
    assert come(visitors, provider, target)[1].headers["location"] == "/"


def test_a_provider_that_is_down_keeps_nobody_with_a_password_out(visitors: Visitors, provider: OidcProvider) -> None:
    visitors.account("chief", Role.ADMINISTRATOR)
    provider.status = 500
    browser = visitors()
    shown = browser.get("/sign-in/oidc")
    assert shown.status_code == 503
    assert "cannot be reached" in shown.text
    assert 'name="password"' in shown.text
    assert browser.post("/sign-in", data={"name": "chief", "password": PASSWORD}).status_code == 303


def test_a_provider_that_goes_down_on_the_way_is_said(visitors: Visitors, provider: OidcProvider) -> None:
    browser = visitors()
    answer = provider.sign_in(browser.get("/sign-in/oidc").headers["location"])
    provider.status = 503
    back = browser.get(answer)
    assert (back.status_code, "cannot be reached" in back.text) == (503, True)


@pytest.mark.parametrize(
    "about",
    [
        {"issuer": "https://sso.evil"},
        {"token_endpoint": "http://sso.hospital/token"},
        {"jwks_uri": "file:///etc/passwd"},
        {"authorization_endpoint": None},
    ],
)
def test_a_provider_that_is_not_as_it_must_be_is_not_used(
    visitors: Visitors, provider: OidcProvider, about: dict[str, Any]
) -> None:
    provider.about = about
    assert visitors().get("/sign-in/oidc").status_code == 503


def test_a_client_whose_secret_is_wrong_is_said(provider: OidcProvider, tmp_path: Path) -> None:
    visitors = Visitors(site_at(tmp_path, settings_for(provider, tmp_path)))
    (tmp_path / "secret").write_text("another", "utf-8")
    _, back = come(visitors, provider)
    assert back.status_code == 502


def test_a_provider_that_wants_the_secret_in_the_form_gets_it_there(visitors: Visitors, provider: OidcProvider) -> None:
    provider.about = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    assert come(visitors, provider)[1].status_code == 303


def test_nothing_of_the_sign_in_is_seen_by_scripts_or_sent_in_the_clear(provider: OidcProvider, tmp_path: Path) -> None:
    web = settings_for(provider, tmp_path).model_copy(update={"url": "https://preread.test"})
    browser = Visitors(site_at(tmp_path, web))()
    sent = browser.get("/sign-in/oidc")
    cookie = sent.headers["set-cookie"]
    for wanted in ("__Host-preread_oidc=", "HttpOnly", "Secure", "SameSite=lax", "Path=/", "Max-Age=600"):
        assert wanted in cookie
    back = browser.get(provider.sign_in(sent.headers["location"]))
    kept = next(v for v in back.headers.get_list("set-cookie") if v.startswith("__Host-preread_session="))
    for wanted in ("HttpOnly", "Secure", "SameSite=lax", "Path=/"):
        assert wanted in kept


def test_who_signs_out_can_sign_out_at_the_provider_too(visitors: Visitors, provider: OidcProvider) -> None:
    provider.about = {"end_session_endpoint": f"{provider.issuer}/logout?theme=dark"}
    browser, _ = come(visitors, provider)
    with visitors.context.ledger.read() as view:
        (kept,) = [row._mapping for row in view.execute(web_session.select())]
    assert set(kept) == {"digest", "account_id", "began_at", "seen_at", "address"}, "nothing of the ID token"
    browser.headers["Accept-Language"] = "de"
    out = browser.post("/sign-out")
    assert (out.status_code, out.headers["location"]) == (303, "/sign-out/oidc")
    assert browser.get("/account").status_code == 303, "signed out here, whatever happens there"
    shown = browser.get("/sign-out/oidc")
    offered = urlsplit(html.unescape(re.findall(r'class="button first" href="([^"]+)"', shown.text)[0]))
    assert f"{offered.scheme}://{offered.netloc}{offered.path}" == f"{provider.issuer}/logout"
    assert parse_qs(offered.query) == {"theme": ["dark"], "client_id": [CLIENT], "ui_locales": ["de"]}
    assert "Auch von Hospital abmelden" in shown.text


@pytest.mark.parametrize("asked", ["", "?post_logout_redirect_uri=https://evil.test&next=//evil.test&state=x"])
@pytest.mark.parametrize(
    "end", [None, "javascript:alert(1)", "http://sso.hospital/logout", "//sso.hospital/logout", 7, ["https://sso"]]
)
def test_nobody_is_led_where_a_provider_must_not_lead(
    visitors: Visitors, provider: OidcProvider, end: Any, asked: str
) -> None:
    provider.about = {} if end is None else {"end_session_endpoint": end}
    browser, back = come(visitors, provider)
    assert back.status_code == 303, "it keeps nobody from signing in"
    browser.post("/sign-out")
    shown = browser.get(f"/sign-out/oidc{asked}").text
    assert set(re.findall(r'<a[^>]* href="([^"]*)"', shown)) == {"#main", "/", "/sign-in"}
    assert "sign out there yourself" in shown


def test_a_provider_that_is_down_keeps_nobody_signed_in(tmp_path: Path, provider: OidcProvider) -> None:
    visitors = Visitors(site_at(tmp_path, settings_for(provider, tmp_path)))
    browser, _ = come(visitors, provider)
    restarted = Visitors(visitors.context)  # what the provider has published is not known any more
    provider.status = 500
    again = restarted()
    again.cookies.update(browser.cookies)
    assert again.post("/sign-out").headers["location"] == "/sign-out/oidc"
    shown = again.get("/sign-out/oidc")
    assert (shown.status_code, "sign out there yourself" in shown.text) == (200, True)
    assert browser.get("/account").status_code == 303


def test_who_has_a_password_here_is_not_asked_about_a_provider(visitors: Visitors, provider: OidcProvider) -> None:
    provider.about = {"end_session_endpoint": f"{provider.issuer}/logout"}
    browser = visitors.signed_in("chief", Role.ADMINISTRATOR)
    assert browser.get("/sign-out/oidc").headers["location"] == "/account", "who is signed in is not told otherwise"
    assert browser.post("/sign-out").headers["location"] == "/sign-in"


def test_without_a_provider_there_is_no_such_page(visitor: Visitors) -> None:
    assert visitor().get("/sign-in/oidc").status_code == 404
    assert visitor().get("/sign-out/oidc").status_code == 404
    assert visitor().get("/sign-in/oidc/callback?code=1&state=2").status_code == 404


def test_the_name_of_an_account_is_made_of_what_an_account_may_have(visitors: Visitors, provider: OidcProvider) -> None:
    provider.person |= {"preferred_username": "<b>Änne Müller</b>\n", "name": "<script>alert(1)</script>"}
    browser, _ = come(visitors, provider)
    assert account(visitors.context, "b-anne-muller-b").role == "radiologist"
    shown = browser.get("/account").text
    assert "<script>alert" not in shown
    assert "&lt;script&gt;alert(1)" in shown
