"""Trying again: parked and waiting deliveries, parked stages, assembly, and the reading of what was abstained from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from agent.imaging.facts import InstanceFacts
from agent.intake.inspect import inspect
from agent.mending.hand import Hand, idle_roles
from agent.store import failing, overview, results, studies
from agent.work.queue import revive
from structured_report.content import Outcome


@dataclass(frozen=True, slots=True)
class Retried:
    """What will be tried again. `not_running`: roles that would do it and have no process."""

    deliveries: int
    stages: int
    read_again: bool
    not_running: tuple[str, ...]


def retry(hand: Hand, uid: str, reason: str = "") -> Retried:
    """Try a study again from where it stopped. Nothing that a destination has acknowledged is sent again."""
    now = hand.clock.now()
    with hand.ledger.begin() as tx:
        _decode_again(tx, uid, hand)
        again = _read_again_if_abstained(tx, uid, hand)
        deliveries = results.try_again(tx, uid, now=now)
        for delivery_id, destination in deliveries:
            revive(tx, "deliver", str(delivery_id), lane=destination, now=now)
        stages = overview.parked_jobs(tx, uid)
        for kind, key, lane in stages:
            revive(tx, kind, key, lane=lane, now=now)
        revive(tx, "assemble", uid, now=now)
        words = f"by hand: {len(deliveries)} deliveries, {len(stages)} stages{f'; {reason}' if reason else ''}"
        hand.write_down(tx, uid, "retry", "retry", words, now=now)
        return Retried(len(deliveries), len(stages), again, tuple(idle_roles(tx, uid, now)))


def retry_destination(hand: Hand, name: str, reason: str, told: Callable[[int, int], None]) -> int:
    """Send again what could not be delivered to one destination, study by study, and nothing else; returns of how many studies.

    Args:
        told: called with how many studies are done, and how many there are.
    """
    with hand.ledger.read() as view:
        uids = [str(uid) for uid in view.execute(failing.of_destination(name)).scalars()]
    for number, uid in enumerate(uids, 1):
        now = hand.clock.now()
        with hand.ledger.begin() as tx:
            deliveries = results.try_again(tx, uid, destination=name, now=now)
            for delivery_id, destination in deliveries:
                revive(tx, "deliver", str(delivery_id), lane=destination, now=now)
            words = f"by hand: {len(deliveries)} deliveries to {name}; {reason}"
            hand.write_down(tx, uid, "retry", "retry", words, now=now)
        told(number, len(uids))
    return len(uids)


def _decode_again(tx: Connection, uid: str, hand: Hand) -> None:
    """Which character set is meant where none is declared may have been said in the settings since."""
    for image in studies.images_of(tx, uid):
        path = hand.files.path(image.path)
        if InstanceFacts.from_json(image.facts).undecodable and path.is_file():
            undeclared = hand.settings.intake.undeclared_character_set
            facts = inspect(path, image.data_set_offset, image.transfer_syntax_uid, undeclared=undeclared)
            studies.set_facts(tx, image.instance_id, facts.to_json())


def _read_again_if_abstained(tx: Connection, uid: str, hand: Hand) -> bool:
    """What was decided from the pixels or by the model may end differently now; what the headers decided would not."""
    newest = studies.newest_revision(tx, uid)
    reading = None if newest is None else results.reading_of(tx, newest.id)
    if reading is None or reading.outcome in (Outcome.READ, Outcome.WITHDRAWN):
        return False
    return hand.assembly("retry").read_again(tx, uid)
