"""Accept, correct, reject: kept as said, by those who may, and nothing that was sent changes."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event, select
from starlette.testclient import TestClient

from agent.reading.read import Read
from agent.store import audit, overview, purging, reviews, schema
from agent.store.reviews import ACCEPTED, CORRECTED, MISSED, REJECTED, TAKEN_BACK
from agent.web.context import WebContext
from agent.web.rights import Role
from structured_report.content import Outcome
from tests.support.drafted import Desk, Drafted
from tests.support.films import small_image
from tests.support.pages import Visitors

Browser = Callable[[Role], TestClient]


@pytest.fixture
def drafted(desk: Desk) -> Drafted:
    return desk.study([small_image()], boxes={})


def judge(client: TestClient, drafted: Drafted, verdict: str, **form: Any) -> Any:
    return client.post(f"/studies/{drafted.uid}/reviews", data={"revision": 1, **form, "verdict": verdict})


def standing(context: WebContext, drafted: Drafted) -> dict[str, reviews.Review]:
    with context.ledger.read() as view:
        return reviews.standing(view, drafted.uid, 1)


def test_a_judgement_is_kept_with_who_what_and_when_and_leads_back_to_its_finding(
    drafted: Drafted, browser: Browser, context: WebContext
) -> None:
    client = browser(Role.RADIOLOGIST)
    done = judge(client, drafted, ACCEPTED, finding="pleural_effusion")
    assert done.status_code == 303
    assert done.headers["location"] == f"/studies/{drafted.uid}?revision=1#finding-pleural_effusion"
    judge(client, drafted, CORRECTED, finding="pneumothorax", presence="present", laterality="left", words="small <b>")
    judge(client, drafted, REJECTED)
    kept = standing(context, drafted)
    assert {f: r.verdict for f, r in kept.items()} == {
        "pleural_effusion": ACCEPTED,
        "pneumothorax": CORRECTED,
        "": REJECTED,
    }
    assert kept["pleural_effusion"].account == "radiologist"
    assert kept["pneumothorax"].stated == "absent"
    assert (kept["pneumothorax"].presence, kept["pneumothorax"].laterality) == ("present", "left")
    page = client.get(f"/studies/{drafted.uid}").text
    assert "small &lt;b&gt;" in page
    with context.ledger.read() as view:
        history = [e for e in overview.history(view, drafted.uid) if e["stage"] == "review"]
        said = [row.message for row in audit.rows(view)]
    assert [e["code"] for e in history] == [ACCEPTED, CORRECTED, REJECTED]
    assert all("small" not in e["words"] for e in history), "a radiologist's words stay in the agreement data"
    action = base64.b64encode(b"review").decode()
    assert len([m for m in said if action in m and drafted.uid in m]) == 3


def test_a_judgement_changes_nothing_of_what_was_drafted_or_sent(
    drafted: Drafted, browser: Browser, context: WebContext
) -> None:
    tables = (
        schema.reading,
        schema.flag,
        schema.document,
        schema.delivery,
        schema.study,
        schema.study_revision,
        schema.job,
    )

    def all_of_it() -> str:
        with context.ledger.read() as view:
            return repr([view.execute(select(table)).all() for table in tables])

    before = all_of_it()
    client = browser(Role.RADIOLOGIST)
    for verdict in (REJECTED, ACCEPTED, TAKEN_BACK):
        assert judge(client, drafted, verdict, finding="pleural_effusion").status_code == 303
    assert all_of_it() == before


def test_what_was_judged_can_be_taken_back_and_what_was_missed_can_be_added(
    drafted: Drafted, browser: Browser, context: WebContext
) -> None:
    client = browser(Role.RADIOLOGIST)
    judge(client, drafted, REJECTED, finding="cardiomegaly")
    judge(client, drafted, TAKEN_BACK, finding="cardiomegaly")
    added = judge(
        client, drafted, MISSED, finding="nodule", laterality="right", words="behind the hilum", part="missed"
    )
    assert added.status_code == 200
    assert "behind the hilum" in added.text
    kept = standing(context, drafted)
    assert list(kept) == ["nodule"]
    assert (kept["nodule"].presence, kept["nodule"].laterality, kept["nodule"].stated) == ("present", "right", "")


def test_the_script_gets_the_changed_part_alone(drafted: Drafted, browser: Browser) -> None:
    part = judge(browser(Role.RADIOLOGIST), drafted, ACCEPTED, finding="pleural_effusion", part="finding")
    assert part.status_code == 200
    assert "Accepted" in part.text
    assert "<html" not in part.text
    assert 'value="taken-back"' in part.text


@pytest.mark.parametrize(
    ("verdict", "form"),
    [
        (ACCEPTED, {"finding": "fracture_of_nothing"}),
        (ACCEPTED, {"finding": "mass"}),  # the draft says nothing of it
        (CORRECTED, {"finding": "pleural_effusion"}),  # to what?
        (CORRECTED, {}),
        (CORRECTED, {"finding": "pleural_effusion", "presence": "perhaps"}),
        (MISSED, {"finding": "pleural_effusion"}),  # the draft has it
        (MISSED, {}),
        ("praised", {"finding": "pleural_effusion"}),
        (ACCEPTED, {"finding": "pleural_effusion", "revision": 7}),
        (ACCEPTED, {"finding": "pleural_effusion", "revision": "x"}),
        (CORRECTED, {"finding": "pleural_effusion", "words": "x" * 1001}),
    ],
)
def test_what_cannot_be_meant_is_refused_and_nothing_is_kept(
    drafted: Drafted, browser: Browser, context: WebContext, verdict: str, form: dict[str, Any]
) -> None:
    assert judge(browser(Role.RADIOLOGIST), drafted, verdict, **form).status_code in (404, 422)
    with context.ledger.read() as view:
        assert view.execute(select(schema.review)).all() == []


def form_of(page: str, finding: str) -> dict[str, str]:
    """What the form of that finding sends along."""
    form = next(f for f in re.findall(r"<form.*?</form>", page, re.S) if f'name="finding" value="{finding}"' in f)
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form))


def test_what_somebody_else_has_judged_meanwhile_is_not_overwritten_unseen(
    drafted: Drafted, visitor: Visitors, context: WebContext
) -> None:
    anna, bert = (visitor.signed_in(name, Role.RADIOLOGIST) for name in ("anna", "bert"))
    old = form_of(anna.get(f"/studies/{drafted.uid}").text, "pleural_effusion")
    watched = anna.get(f"/studies/{drafted.uid}/standing").json()
    judge(bert, drafted, CORRECTED, finding="pleural_effusion", laterality="right", words="it is <on> the right")
    judge(bert, drafted, ACCEPTED, finding="cardiomegaly")
    assert anna.get(f"/studies/{drafted.uid}/standing").json() != watched, "an open page hears of it"

    mine = {**old, "verdict": CORRECTED, "presence": "absent", "words": 'no effusion "at all"'}
    refused = anna.post(f"/studies/{drafted.uid}/reviews", data=mine)
    assert refused.status_code == 409
    for said in ("bert has meanwhile judged this", "Corrected", "right", "it is &lt;on&gt; the right"):
        assert said in refused.text
    assert "no effusion &#34;at all&#34;</textarea>" in refused.text, "what was typed is not lost"
    part = anna.post(f"/studies/{drafted.uid}/reviews", data={**mine, "part": "finding"})
    assert part.status_code == 409
    assert "<html" not in part.text
    newer = re.search(r'data-newer="(\d+)"', part.text)
    assert newer is not None
    assert standing(context, drafted)["pleural_effusion"].account == "bert"

    again = form_of(refused.text, "pleural_effusion") | {"words": mine["words"]}
    assert again["despite"] == newer[1]
    assert (again["verdict"], again["presence"]) == (CORRECTED, "absent")
    assert anna.post(f"/studies/{drafted.uid}/reviews", data=again).status_code == 303
    kept = standing(context, drafted)["pleural_effusion"]
    assert (kept.account, kept.presence, kept.words) == ("anna", "absent", mine["words"])

    judge(bert, drafted, TAKEN_BACK, finding="pleural_effusion", seen=kept.id)
    late = anna.post(f"/studies/{drafted.uid}/reviews", data=again)
    assert late.status_code == 409, "who knows of one judgement does not know of the next"
    assert "Taken back." in late.text


def test_ones_own_judgement_may_follow_from_a_page_that_is_older(
    drafted: Drafted, browser: Browser, context: WebContext
) -> None:
    client = browser(Role.RADIOLOGIST)
    watched = client.get(f"/studies/{drafted.uid}/standing").json()
    for verdict in (ACCEPTED, REJECTED):
        assert judge(client, drafted, verdict, finding="pleural_effusion", seen=0).status_code == 303
    assert standing(context, drafted)["pleural_effusion"].verdict == REJECTED
    assert client.get(f"/studies/{drafted.uid}/standing").json() == watched, "nobody is told of what he did himself"


def test_what_was_missed_by_the_draft_is_not_added_over_what_somebody_else_said_of_it(
    drafted: Drafted, visitor: Visitors, context: WebContext
) -> None:
    anna, bert = (visitor.signed_in(name, Role.RADIOLOGIST) for name in ("anna", "bert"))
    seen = form_of(anna.get(f"/studies/{drafted.uid}").text, "pneumothorax")["seen"]
    added = judge(bert, drafted, MISSED, finding="nodule", words="at the apex", part="missed")
    row = form_of(added.text, "nodule") | {"by": "anna"}
    judge(bert, drafted, ACCEPTED, finding="pneumothorax")
    for finding in ("nodule", "pneumothorax"):
        assert judge(anna, drafted, MISSED, finding=finding, seen=seen, part="missed").status_code == 409
    theirs = standing(context, drafted)
    assert {f: r.account for f, r in theirs.items()} == {"nodule": "bert", "pneumothorax": "bert"}
    knowing_one = judge(anna, drafted, MISSED, finding="pneumothorax", seen=seen, despite=theirs["nodule"].id)
    assert knowing_one.status_code == 409, "who has seen what was said of one finding has not seen the other"
    assert judge(anna, drafted, TAKEN_BACK, **row).status_code == 303, "what the list shows can be taken back from it"


def test_only_radiologists_judge_and_the_others_see_what_was_said(
    drafted: Drafted, browser: Browser, context: WebContext
) -> None:
    judge(browser(Role.RADIOLOGIST), drafted, REJECTED, finding="pleural_effusion")
    for role in (Role.VIEWER, Role.ADMINISTRATOR):
        client = browser(role)
        assert judge(client, drafted, ACCEPTED, finding="pleural_effusion").status_code == 403
        page = client.get(f"/studies/{drafted.uid}").text
        assert "Rejected" in page
        assert 'action="/studies' not in page, "no form for who may not"
    assert standing(context, drafted)["pleural_effusion"].verdict == REJECTED


def test_a_call_from_another_site_judges_nothing(drafted: Drafted, browser: Browser, context: WebContext) -> None:
    client = browser(Role.RADIOLOGIST)
    client.headers["Sec-Fetch-Site"] = "cross-site"
    assert judge(client, drafted, ACCEPTED, finding="pleural_effusion").status_code == 403
    assert standing(context, drafted) == {}


def test_a_withdrawn_draft_is_not_judged(desk: Desk, browser: Browser) -> None:
    withdrawn = desk.study([small_image()], read_as=Read(Outcome.WITHDRAWN, explanation="wrong"))
    assert judge(browser(Role.RADIOLOGIST), withdrawn, REJECTED).status_code == 422


def test_words_written_beside_a_rejection_are_kept_with_it(
    drafted: Drafted, browser: Browser, context: WebContext
) -> None:
    judge(browser(Role.RADIOLOGIST), drafted, REJECTED, finding="pleural_effusion", words="an old scar")
    assert standing(context, drafted)["pleural_effusion"].words == "an old scar"


def test_nobody_judges_in_the_name_of_who_signed_in_later_at_the_same_screen(
    drafted: Drafted, visitor: Visitors, context: WebContext
) -> None:
    page = visitor.signed_in("ruth", Role.RADIOLOGIST).get(f"/studies/{drafted.uid}").text
    assert '<input type="hidden" name="by" value="ruth">' in page
    later = visitor.signed_in("rolf", Role.RADIOLOGIST)
    assert judge(later, drafted, REJECTED, by="ruth").status_code == 409
    assert not standing(context, drafted)
    assert judge(later, drafted, REJECTED, by="rolf").status_code == 303


def test_a_study_that_was_deleted_while_it_was_open_is_said_to_be(
    drafted: Drafted, browser: Browser, context: WebContext
) -> None:
    client = browser(Role.RADIOLOGIST)
    assert client.get(f"/studies/{drafted.uid}").status_code == 200
    with context.ledger.begin() as tx:
        purging.purge(tx, drafted.uid, now=context.clock.now())
    judged = judge(client, drafted, ACCEPTED)
    for answer in (judged, client.get(f"/studies/{drafted.uid}")):
        assert answer.status_code == 404
        assert "It may have been deleted" in answer.text


def test_a_judgement_that_the_ledger_cannot_keep_is_said_not_to_be_kept_and_what_to_do(
    drafted: Drafted, browser: Browser, context: WebContext
) -> None:
    client = browser(Role.RADIOLOGIST)

    def full(dbapi: Any, *_: Any) -> None:
        dbapi.execute("PRAGMA max_page_count = 1")

    event.listen(context.ledger.place.engine, "checkout", full)
    words = [f"{n}: much larger {'x' * 900}" for n in range(60)]
    said = [judge(client, drafted, CORRECTED, finding="pleural_effusion", words=w) for w in words]
    event.remove(context.ledger.place.engine, "checkout", full)
    assert said[-1].status_code == 503, "the pages that the file has are full"
    assert "Nothing was done; try again" in said[-1].text
    with context.ledger.read() as view:
        kept = set(view.execute(select(schema.review.c.words)).scalars())
    assert kept == {w for w, answer in zip(words, said, strict=True) if answer.status_code == 303}
