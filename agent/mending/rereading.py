"""Reading anew, with the model of today."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from agent.mending.hand import Hand
from agent.store import results, studies


@dataclass(frozen=True, slots=True)
class Reread:
    """UIDs of the studies that will be read, of those that come back as not analysed after they had been withdrawn, and of
    those of which nothing can be said anew."""

    read_again: list[str] = field(default_factory=list)
    back_unread: list[str] = field(default_factory=list)
    not_read: list[str] = field(default_factory=list)


def reread(hand: Hand, wanted: Sequence[str], reason: str = "") -> Reread:
    """Read these studies anew, each as a new revision, in a transaction of its own."""
    assembly, became = hand.assembly("reread"), Reread()
    for uid in wanted:
        with hand.ledger.begin() as tx:
            done = assembly.read_again(tx, uid)
            if done:
                hand.write_down(tx, uid, "reread", "reread", reason or "by hand", now=hand.clock.now())
            kind = became.not_read if not done else became.back_unread if _has_reading(tx, uid) else became.read_again
            kind.append(uid)
    return became


def _has_reading(view: Connection, uid: str) -> bool:
    """Whether the newest revision is finished: assembly itself has said that there is nothing to read."""
    newest = studies.newest_revision(view, uid)
    return newest is not None and results.reading_of(view, newest.id) is not None
