"""`preread match` and `preread messages`: which order a study belongs to, and what was heard."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click
from sqlalchemy import Connection

from agent.audit.event import About, What
from agent.audit.trail import Trail
from agent.clock import SystemClock
from agent.commands.common import existing_store, idle_roles, one_line, print_json, settings_of
from agent.commands.look import one_study
from agent.errors import Permanent
from agent.imaging.facts import InstanceFacts
from agent.intake.case import DIFFERS, UNREADABLE, case_of
from agent.orders.knowledge import order_of
from agent.orders.matching import KnownOrder, contradictions
from agent.orders.people import Registry
from agent.orders.weigh import IMAGES, ORDER, REGISTRY
from agent.settings import Settings
from agent.store import heard, identity, orders, studies
from agent.store.orders import StoredDecision
from agent.work.queue import revive


@click.command()
@click.argument("study")
@click.option(
    "--order", "order_id", type=click.IntRange(min=1), help="The order it belongs to: its number in preread show."
)
@click.option("--none", "without_order", is_flag=True, help="It belongs to none of the orders that are known by now.")
@click.option(
    "--patient",
    type=click.Choice([IMAGES, ORDER, REGISTRY]),
    help="Whose it is: as the images say, as the order says, or as was heard of the images' Patient ID.",
)
@click.option("--reason", required=True, help="Why, in your words; kept in the history of the study.")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.pass_context
def match(
    ctx: click.Context,
    study: str,
    order_id: int | None,
    without_order: bool,
    patient: str | None,
    reason: str,
    as_json: bool,
) -> None:
    """Say which order a STUDY belongs to, or under whose name its results go, where that was in doubt.

    What was decided before and is not said again still holds. What is heard later is weighed as ever.
    """
    if (order_id is not None) == without_order and not (patient and order_id is None):
        raise click.UsageError("give one of --order ID and --none, or --patient alone")
    if patient == ORDER and order_id is None:
        raise click.UsageError("--patient order needs --order ID")
    settings = settings_of(ctx)
    ledger, _ = existing_store(settings)
    uid, now = one_study(ledger, study), SystemClock().now()
    with ledger.begin() as tx:
        _must_have_an_effect(tx, uid, settings)
        said = StoredDecision(
            uid,
            one_line(reason),
            now,
            order_id,
            without_order,
            patient or "",
            orders.newest_order(tx),
            identity.newest_statement(tx),
        )
        decision = _with_what_holds(said, orders.decisions_of(tx, [uid]).get(uid))
        if order_id is not None:
            chosen = _known(tx, order_id)
            if patient is None:
                _must_fit(tx, decision, chosen, settings)
        orders.add_decision(tx, decision)
        before = orders.match_of(tx, uid)
        touched = {uid} | _rivals(tx, uid, settings)
        if before is not None and before.order_id is not None:
            touched |= orders.studies_matched_to(tx, [before.order_id])
        identity.unsettle(tx, touched, now=now)
        Trail.of(settings).by_hand(tx, What.ACCESSED, "match", About(uid), now=now)
        studies.note(tx, uid, "match", "matched-by-hand", _words(decision), now=now)
        idle = idle_roles(tx, uid, now)
    if as_json:
        holds = {"order": decision.order_id, "without_order": decision.without_order, "patient": decision.patient}
        print_json({"study": uid, **holds, "not_running": idle})
        return
    when = "as soon as the office runs (preread serve)" if "office" in idle else "now"
    click.echo(f"{uid}: what holds now is {_words(decision)}; it is weighed anew {when} (preread show)")


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


@click.command()
@click.option("--attention", is_flag=True, help="Only what a person should look at: not acted on, or failing.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most so many, newest first."
)
@click.option(
    "--retry", "retry_id", type=click.IntRange(min=1), help="Act anew on the message of that number, which failed."
)
@click.option(
    "--done",
    "done_id",
    type=click.IntRange(min=1),
    help="The message of that number, which waits for a person, has been seen to: nothing follows from it any more.",
)
@click.option("--reason", default="", help="With --done: what was done about it, in your words, without patient data.")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.pass_context
def messages(
    ctx: click.Context,
    attention: bool,
    limit: int,
    retry_id: int | None,
    done_id: int | None,
    reason: str,
    as_json: bool,
) -> None:
    """List the messages that were heard about orders, patients and reports, and what became of them."""
    if retry_id is not None and done_id is not None:
        raise click.UsageError("give one of --retry ID and --done ID")
    if reason and done_id is None:
        raise click.UsageError("--reason goes with --done ID")
    settings = settings_of(ctx)
    ledger, _ = existing_store(settings)
    if retry_id is not None:
        with ledger.begin() as tx:
            _retry(tx, retry_id)
    if done_id is not None:
        with ledger.begin() as tx:
            _settle(tx, done_id, one_line(reason), settings)
    with ledger.read() as view:
        rows = heard.listed(view, limit=limit, attention=attention)
    if as_json:
        print_json(rows)
        return
    if not rows:
        click.echo("no message needs a person" if attention else "no message was heard")
    for row in rows:
        click.echo(_line(row))


def _retry(tx: Connection, message_id: int) -> None:
    if message_id not in heard.waiting(tx):
        raise Permanent(f"message {message_id} does not wait to be acted on; see: preread messages", code="not-waiting")
    revive(tx, "orders", str(message_id), now=SystemClock().now())


def _settle(tx: Connection, message_id: int, reason: str, settings: Settings) -> None:
    """Later messages about the same patient, order or study do not wait for it any more."""
    if not heard.waits_for_a_person(tx, message_id):
        raise Permanent(
            f"message {message_id} does not wait for a person; see: preread messages --attention",
            code="not-for-a-person",
        )
    now, before = SystemClock().now(), heard.message(tx, message_id)
    words = "; ".join(filter(None, (f"seen to by hand{': ' if reason else ''}{reason}", before.words)))
    heard.settle(tx, message_id, heard.DONE, words, now=now)
    if before.state == heard.WAITING:
        revive(tx, "orders", str(message_id), now=now)  # a job that failed is over, too: it finds nothing to do
    for uid in identity.studies_of_message(tx, message_id):
        Trail.of(settings).by_hand(tx, What.ACCESSED, "messages", About(uid), now=now)
        studies.note(tx, uid, "orders", "seen-to-by-hand", f"message {message_id}: {words}", now=now)


def _line(row: dict[str, Any]) -> str:
    error = f"; failed: {row['error']}" if row["error"] and row["state"] == heard.WAITING else ""
    return (
        f"{row['id']:6}  {row['received_at']:%Y-%m-%d %H:%M:%S} UTC  {row['type']:8} {row['state']:9} {row['words']}{error}"
        f" (from {row['sender']} at {row['address']}, {row['control_id']})"
    )
