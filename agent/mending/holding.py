"""Holding the results of a study back until a person releases them."""

from __future__ import annotations

from agent.errors import Permanent
from agent.mending.hand import Hand
from agent.store import identity, results
from agent.store.messages import RESULTS, RETRACTION
from agent.store.outlet import outlet_of
from agent.work.queue import enqueue

_REPORTS = tuple(
    k for k in (*results.RESULTS, RETRACTION, results.NOTE) if k not in RESULTS
)  # what goes though the order was cancelled


def hold(hand: Hand, uid: str, reason: str) -> int:
    """Let nothing of a study leave: what waits is held back, and so is what is made later. Returns how many deliveries wait
    for the release.

    Raises:
        Permanent: it is held already, or it is withdrawn, and whoever has the result must be told so.
    """
    now = hand.clock.now()
    with hand.ledger.begin() as tx:
        if identity.WITHDRAWN in identity.stops_of(tx, uid):
            words = f"study {uid} is withdrawn; what tells others so must not be held back"
            raise Permanent(words, code="is-withdrawn")
        if not identity.stop(tx, uid, identity.HELD, hand.signed(reason), now=now):
            raise Permanent(f"study {uid} is held already; to let it go: preread release", code="is-held")
        held = results.change_hold(tx, uid, hold=True)
        hand.write_down(tx, uid, "hold", "held-by-hand", f"{len(held)} deliveries held back: {reason}", now=now)
        return len(held)


def release(hand: Hand, uid: str, reason: str) -> int:
    """Let go what a person held back; returns how many deliveries are due now. What is held for another reason, a doubt
    about the patient or a cancelled order, stays.

    Raises:
        Permanent: nobody holds it.
    """
    now = hand.clock.now()
    with hand.ledger.begin() as tx:
        if not identity.no_stop(tx, uid, identity.HELD):
            raise Permanent(f"study {uid} is not held by a person; see: preread show", code="not-held")
        outlet = outlet_of(tx, uid)
        kinds = _REPORTS if outlet.cancelled else ()
        due = [] if outlet.held else results.change_hold(tx, uid, hold=False, kinds=kinds)
        for delivery_id, destination in due:
            enqueue(tx, "deliver", str(delivery_id), lane=destination, now=now)
        hand.write_down(tx, uid, "release", "released-by-hand", f"{len(due)} deliveries due: {reason}", now=now)
        return len(due)
