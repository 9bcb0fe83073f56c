"""Taking a result back."""

from __future__ import annotations

from agent.audit.event import About, What
from agent.mending.hand import Hand, idle_roles


def withdraw(hand: Hand, uid: str, reason: str) -> bool:
    """Take the result of a study back; returns whether those who have it are told now, and not only when the office runs.

    Raises:
        Permanent: there is nothing to take back.
    """
    assembly, now = hand.assembly("withdraw"), hand.clock.now()
    with hand.ledger.begin() as tx:
        assembly.withdraw(tx, uid, reason)
        hand.trail.by_hand(tx, What.ACCESSED, "withdraw", About(uid), now=now)
        return "office" not in idle_roles(tx, uid, now)  # it alone tells others
