"""Deciding which order a study belongs to, and under whose name its results go."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlalchemy import Connection

from agent.errors import Permanent
from agent.imaging.facts import InstanceFacts
from agent.intake.case import DIFFERS, UNREADABLE, case_of
from agent.mending.hand import Hand, idle_roles
from agent.orders.knowledge import order_of
from agent.orders.matching import KnownOrder, contradictions
from agent.orders.people import Registry
from agent.orders.weigh import IMAGES, ORDER, REGISTRY
from agent.settings import Settings
from agent.store import identity, orders
from agent.store.orders import StoredDecision

PATIENTS = (IMAGES, ORDER, REGISTRY)


@dataclass(frozen=True, slots=True)
class Choice:
    """What a person says. Neither an order nor `without_order`: only whose it is.

    Attributes:
        order_id: the order it belongs to. without_order: none of those that are known by now.
        patient: whose it is: as the images say, as the order says, or as was heard of the images' Patient ID; empty: not said.
    """

    order_id: int | None = None
    without_order: bool = False
    patient: str = ""


@dataclass(frozen=True, slots=True)
class Decided:
    """What holds now, said again in `words`. `not_running`: roles that would weigh it and have no process."""

    decision: StoredDecision
    words: str
    not_running: tuple[str, ...]


def match(hand: Hand, uid: str, choice: Choice, reason: str) -> Decided:
    """Decide. What was decided before and is not said again still holds; what is heard later is weighed as ever.

    Raises:
        Permanent: it would change nothing, there is no such order, or it is of another patient and it was not said whose
            the study is.
    """
    now, settings, order_id = hand.clock.now(), hand.settings, choice.order_id
    with hand.ledger.begin() as tx:
        _must_have_an_effect(tx, uid, settings)
        newest = orders.newest_order(tx), identity.newest_statement(tx)
        said = StoredDecision(uid, reason, now, order_id, choice.without_order, choice.patient, *newest)
        decision = _with_what_holds(said, orders.decisions_of(tx, [uid]).get(uid))
        if order_id is not None:
            chosen = _known(tx, order_id)
            if not choice.patient:
                _must_fit(tx, decision, chosen, settings)
        orders.add_decision(tx, decision)
        before = orders.match_of(tx, uid)
        touched = {uid} | _rivals(tx, uid, settings)
        if before is not None and before.order_id is not None:
            touched |= orders.studies_matched_to(tx, [before.order_id])
        identity.unsettle(tx, touched, now=now)
        words = _words(decision)
        hand.write_down(tx, uid, "match", "matched-by-hand", words, now=now)
        return Decided(decision, words, tuple(idle_roles(tx, uid, now)))


def _must_have_an_effect(view: Connection, uid: str, settings: Settings) -> None:
    """A decision that changes nothing must not look like one that does. Raises `Permanent`."""
    if identity.WITHDRAWN in identity.stops_of(view, uid):
        words = f"study {uid} is withdrawn, so that a match has no effect; first: preread reread STUDY"
        raise Permanent(words, code="is-withdrawn")
    doubt = case_of(view, uid, settings.gate, settings.identity).weighed.doubt
    if doubt is None or doubt.code not in (DIFFERS, UNREADABLE):
        return
    instead = "have the sender correct the images and send them again"
    if doubt.code == UNREADABLE:
        instead += ", or set intake.undeclared_character_set where none is declared"
    raise Permanent(
        f"study {uid}: a match has no effect, because {doubt.words}; {instead}, then: preread retry STUDY",
        code=doubt.code,
    )


def _with_what_holds(said: StoredDecision, before: StoredDecision | None) -> StoredDecision:
    """The decision with what was decided before and is not said again. Order and patient are two halves, and each keeps what
    was known when it was decided: what was heard since is weighed."""
    if before is None:
        return said
    says_order = said.order_id is not None or said.without_order
    if not says_order:
        said = replace(
            said, order_id=before.order_id, without_order=before.without_order, known_order=before.known_order
        )
    # "As the order says" was said of that order, and of no other.
    stands = before.patient != ORDER or said.order_id == before.order_id
    if not said.patient and before.patient and stands:
        said = replace(said, patient=before.patient, known_statement=before.known_statement)
    return said


def _known(view: Connection, order_id: int) -> KnownOrder:
    """The order of that number. Raises `Permanent`."""
    found = orders.orders_by(view, ids=[order_id])
    if not found:
        raise Permanent(f"there is no order {order_id}; preread show names those in question", code="no-such-order")
    return order_of(found[0])


def _must_fit(view: Connection, decision: StoredDecision, chosen: KnownOrder, settings: Settings) -> None:
    """An order of another patient is chosen by saying whose the study is, in the same command: what was said of the patient
    before, in view of another order, does not stand for it. Raises `Permanent`."""
    case = case_of(view, decision.study_instance_uid, settings.gate, settings.identity)
    if not case.facts or decision.patient == ORDER:
        return
    facts: InstanceFacts = case.facts[0]
    heard_since = decision.known_statement if decision.patient == IMAGES else 0
    registry = Registry([s for s in case.known.statements if s.id > heard_since], settings.identity.issuer)
    ours = replace(
        chosen.patient,
        patient_id=facts.patient_id,
        issuer=facts.issuer_of_patient_id,
        name=facts.patient_name,
        birth_date=facts.patient_birth_date,
        sex=facts.patient_sex,
    )
    if differing := contradictions(ours, registry.identify(chosen.patient).patient):
        raise Permanent(
            f"order {chosen.id} is of another patient than the images ({', '.join(differing)}); say under whose name the results go: "
            "--patient images, or --patient order",
            code="order-of-another-patient",
        )


def _rivals(view: Connection, uid: str, settings: Settings) -> set[str]:
    return {r.study_instance_uid for r in case_of(view, uid, settings.gate, settings.identity).known.rivals}


def _words(decision: StoredDecision) -> str:
    parts = []
    if decision.order_id is not None:
        parts.append(f"order {decision.order_id}")
    if decision.without_order:
        parts.append("none of the orders known by now")
    if decision.patient:
        parts.append(f"the patient as the {decision.patient} {'say' if decision.patient == IMAGES else 'says'}")
    return f"{', '.join(parts)}: {decision.reason}"
