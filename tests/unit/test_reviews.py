"""What radiologists said of drafts: nothing is lost, and the newest counts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from agent.store import reviews
from agent.store.engine import Ledger
from agent.store.reviews import ACCEPTED, MISSED, REJECTED, TAKEN_BACK, WHOLE, Review
from agent.store.schema import review, study

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


def written(ledger: Ledger) -> list[str]:
    """Every verdict that was ever given, in order."""
    with ledger.read() as view:
        return list(view.execute(select(review.c.verdict).order_by(review.c.id)).scalars())


def test_the_newest_judgement_counts_and_none_before_it_is_lost(ledger: Ledger) -> None:
    judged(ledger, "pneumothorax", ACCEPTED)
    judged(ledger, "pneumothorax", REJECTED, minutes=1)
    judged(ledger, WHOLE, ACCEPTED, minutes=2)
    with ledger.read() as view:
        standing = reviews.standing(view, "1.2.1", 1)
        assert {f: r.verdict for f, r in standing.items()} == {"pneumothorax": REJECTED, WHOLE: ACCEPTED}
        assert reviews.standing(view, "1.2.1", 2) == {}, "another revision is another draft"
    assert written(ledger) == [ACCEPTED, REJECTED, ACCEPTED]


def test_what_was_taken_back_counts_nowhere(ledger: Ledger) -> None:
    judged(ledger, "pneumothorax", REJECTED)
    judged(ledger, "pneumothorax", TAKEN_BACK, minutes=1)
    with ledger.read() as view:
        assert reviews.standing(view, "1.2.1", 1) == {}
    assert written(ledger) == [REJECTED, TAKEN_BACK]
