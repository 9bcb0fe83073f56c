"""What radiologists said of drafts: nothing is lost, the newest counts, and the numbers are right."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent.store import reviews
from agent.store.engine import Ledger
from agent.store.reviews import ACCEPTED, CORRECTED, MISSED, REJECTED, TAKEN_BACK, WHOLE, Agreement, Review
from agent.store.schema import study

NOW = datetime(2026, 1, 3, 10, tzinfo=UTC)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(f"sqlite:///{tmp_path}/l.db")
    made.create()
    with made.begin() as tx:
        for uid in ("1.2.1", "1.2.2"):
            tx.execute(
                study.insert().values(
                    study_instance_uid=uid, state="read", first_received_at=NOW, last_received_at=NOW, revision=1
                )
            )
    yield made
    made.close()


def judged(
    ledger: Ledger, finding: str, verdict: str, *, uid: str = "1.2.1", minutes: int = 0, revision: int = 1
) -> None:
    with ledger.begin() as tx:
        stated = "" if verdict == MISSED or finding == WHOLE else "present"
        at = NOW + timedelta(minutes=minutes)
        reviews.add(tx, Review(uid, revision, finding, stated, verdict, "rad", at))


def test_the_newest_judgement_counts_and_none_before_it_is_lost(ledger: Ledger) -> None:
    judged(ledger, "pneumothorax", ACCEPTED)
    judged(ledger, "pneumothorax", REJECTED, minutes=1)
    judged(ledger, WHOLE, ACCEPTED, minutes=2)
    with ledger.read() as view:
        standing = reviews.standing(view, "1.2.1", 1)
        assert {f: r.verdict for f, r in standing.items()} == {"pneumothorax": REJECTED, WHOLE: ACCEPTED}
        assert [r.verdict for r in reviews.history(view, "1.2.1")] == [ACCEPTED, REJECTED, ACCEPTED]
        assert reviews.standing(view, "1.2.1", 2) == {}, "another revision is another draft"


def test_what_was_taken_back_counts_nowhere(ledger: Ledger) -> None:
    judged(ledger, "pneumothorax", REJECTED)
    judged(ledger, "pneumothorax", TAKEN_BACK, minutes=1)
    with ledger.read() as view:
        assert reviews.standing(view, "1.2.1", 1) == {}
        assert reviews.agreement(view, NOW, NOW + timedelta(days=1)) == ()
        assert reviews.counted(view, NOW, NOW + timedelta(days=1)) == ()
        assert len(reviews.history(view, "1.2.1")) == 2


def test_agreement_counts_each_thing_once_and_what_was_missed_is_no_statement(ledger: Ledger) -> None:
    judged(ledger, "pneumothorax", REJECTED)
    judged(ledger, "pneumothorax", ACCEPTED, minutes=1)
    judged(ledger, "pneumothorax", CORRECTED, uid="1.2.2", minutes=2)
    judged(ledger, "fracture", MISSED, uid="1.2.2", minutes=3)
    judged(ledger, "pneumothorax", ACCEPTED, revision=2, minutes=60 * 24 * 2)
    with ledger.read() as view:
        found = reviews.agreement(view, NOW, NOW + timedelta(days=1))
        assert found == (Agreement("fracture", 0, 0, 0, 1), Agreement("pneumothorax", 1, 1, 0, 0))
        assert [a.share for a in found] == [None, 0.5]
        assert [r.verdict for r in reviews.counted(view, NOW, NOW + timedelta(days=1))] == [ACCEPTED, CORRECTED, MISSED]
