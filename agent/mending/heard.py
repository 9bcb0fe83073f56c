"""Messages that wait for a person."""

from __future__ import annotations

from agent.audit.event import About, What
from agent.errors import Permanent
from agent.mending.hand import Hand
from agent.store import heard, identity, studies
from agent.work.queue import revive


def act_again(hand: Hand, message_id: int) -> None:
    """Act anew on a message that failed. Raises `Permanent` when it does not wait to be acted on."""
    with hand.ledger.begin() as tx:
        if message_id not in heard.waiting(tx):
            words = f"message {message_id} does not wait to be acted on; see: preread messages"
            raise Permanent(words, code="not-waiting")
        revive(tx, "orders", str(message_id), now=hand.clock.now())


def settle(hand: Hand, message_id: int, reason: str) -> None:
    """A message has been seen to: later ones about the same patient, order or study do not wait for it any more.

    Raises:
        Permanent: it does not wait for a person.
    """
    with hand.ledger.begin() as tx:
        if not heard.waits_for_a_person(tx, message_id):
            words = f"message {message_id} does not wait for a person; see: preread messages --attention"
            raise Permanent(words, code="not-for-a-person")
        now, before = hand.clock.now(), heard.message(tx, message_id)
        seen = hand.signed(f"seen to by hand{': ' if reason else ''}{reason}")
        words = "; ".join(filter(None, (seen, before.words)))
        heard.settle(tx, message_id, heard.DONE, words, now=now)
        if before.state == heard.WAITING:
            revive(tx, "orders", str(message_id), now=now)  # a job that failed is over, too: it finds nothing to do
        for uid in identity.studies_of_message(tx, message_id):
            hand.trail.by_hand(tx, What.ACCESSED, "messages", About(uid), now=now)
            studies.note(tx, uid, "orders", "seen-to-by-hand", f"message {message_id}: {words}", now=now)
