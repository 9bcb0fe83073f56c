"""Taking a result back."""

from __future__ import annotations

from dataclasses import dataclass

from agent.audit.event import About, What
from agent.mending.hand import Hand, idle_roles
from agent.store import results, studies


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """`now`: those who have it are told now, and not only when the office runs. `not_told`: names of those who have it and are no
    destinations any more."""

    now: bool
    not_told: tuple[str, ...] = ()


def withdraw(hand: Hand, uid: str, reason: str) -> Withdrawn:
    """Take the result of a study back.

    Raises:
        Permanent: there is nothing to take back.
    """
    assembly, now = hand.assembly("withdraw"), hand.clock.now()
    with hand.ledger.begin() as tx:
        not_told = tuple(sorted(results.with_a_result(tx, uid) - {d.name for d in hand.settings.destinations}))
        assembly.withdraw(tx, uid, reason)
        if not_told:
            studies.note(tx, uid, "withdraw", "not-told", who_is_not_told(not_told), now=now)
        hand.trail.by_hand(tx, What.ACCESSED, "withdraw", About(uid), now=now)
        return Withdrawn("office" not in idle_roles(tx, uid, now), not_told)  # it alone tells others


def who_is_not_told(names: tuple[str, ...]) -> str:
    """A sentence about destinations that have gone from the settings."""
    who = f"{names[0]} has" if len(names) == 1 else f"{', '.join(names)} have"
    return f"{who} a result of the study, or may have, and the settings name no such destination any more: somebody has to be told there"
