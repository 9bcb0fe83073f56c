"""Who may call what: every line of the table of rights, for every role and for nobody."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from agent.web.head import ONCE
from agent.web.rights import GRANTS, RIGHTS, Right, Role

ASKED = RIGHTS | {("HEAD", path): right for (method, path), right in RIGHTS.items() if method == "GET"}
CLOSED = sorted(key for key, right in ASKED.items() if right is not Right.OPEN)
LOOKS = sorted(path for method, path in RIGHTS if method == "GET" and path not in ONCE)


def call(client: TestClient, method: str, route: str) -> int:
    return client.request(method, address(route), headers={"Accept": "application/json"}).status_code


def address(route: str) -> str:
    path = route.replace("{name:path}", "style.css")
    while "{" in path:
        head, _, tail = path.partition("{")
        path = head + "1" + tail.partition("}")[2]
    return path + ("?wait_s=0" if path == "/api/v1/events" else "")  # a stream would last


@pytest.mark.parametrize(("method", "route"), CLOSED)
def test_nobody_who_is_not_signed_in_gets_past_the_door(
    visitor: Callable[[], TestClient], method: str, route: str
) -> None:
    assert call(visitor(), method, route) == 401


@pytest.mark.parametrize("role", list(Role))
def test_each_role_may_what_the_table_says_and_nothing_else(browser: Callable[[Role], TestClient], role: Role) -> None:
    for method, route in CLOSED:
        right = ASKED[(method, route)]
        answered = call(browser(role), method, route)
        if right is Right.ACCOUNT or right in GRANTS[role]:
            assert answered not in (401, 403), (method, route)
        else:
            assert answered == 403, (method, route)


def test_who_is_not_signed_in_is_led_to_the_sign_in_page_and_back(visitor: Callable[[], TestClient]) -> None:
    sent = visitor().get("/")
    assert (sent.status_code, sent.headers["location"]) == (303, "/sign-in")


def test_who_was_signed_out_while_filling_in_a_form_is_not_led_away_from_what_was_entered(
    visitor: Callable[[], TestClient],
) -> None:
    sent = visitor().post("/people/add", data={"name": "anna", "role": "viewer"})
    assert sent.status_code == 401, "a browser that loads this answer anew sends the form again"
    assert "load this page anew" in sent.text
    assert visitor().post("/sign-out").headers["location"] == "/sign-in"


@pytest.mark.parametrize("role", [*Role, None])
def test_who_asks_for_the_head_alone_is_answered_as_who_asks_for_all(
    visitor: Callable[[], TestClient], browser: Callable[[Role], TestClient], role: Role | None
) -> None:
    client = visitor() if role is None else browser(role)
    for route in LOOKS:
        whole, head = client.get(address(route)), client.head(address(route))
        assert (head.status_code, head.content) == (whole.status_code, b""), route
        for name in ("content-type", "location", "content-security-policy", "www-authenticate"):
            assert head.headers.get(name) == whole.headers.get(name), (route, name)
