"""`preread match` and `preread messages`: which order a study belongs to, and what was heard."""

from __future__ import annotations

from typing import Any

import click

from agent.clock import SystemClock
from agent.commands.common import existing_store, print_json, settings_of
from agent.commands.look import one_study
from agent.mending import heard as mending
from agent.mending import matching
from agent.mending.hand import Hand, one_line
from agent.mending.matching import PATIENTS, Choice
from agent.orders.weigh import ORDER
from agent.store import heard


@click.command()
@click.argument("study")
@click.option(
    "--order", "order_id", type=click.IntRange(min=1), help="The order it belongs to: its number in preread show."
)
@click.option("--none", "without_order", is_flag=True, help="It belongs to none of the orders that are known by now.")
@click.option(
    "--patient",
    type=click.Choice(list(PATIENTS)),
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
    ledger, files = existing_store(settings)
    uid = one_study(ledger, study)
    hand = Hand.of(settings, ledger, files, SystemClock())
    done = matching.match(hand, uid, Choice(order_id, without_order, patient or ""), one_line(reason))
    decision = done.decision
    if as_json:
        holds = {"order": decision.order_id, "without_order": decision.without_order, "patient": decision.patient}
        print_json({"study": uid, **holds, "not_running": list(done.not_running)})
        return
    when = "as soon as the office runs (preread serve)" if "office" in done.not_running else "now"
    click.echo(f"{uid}: what holds now is {done.words}; it is weighed anew {when} (preread show)")


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
    ledger, files = existing_store(settings)
    hand = Hand.of(settings, ledger, files, SystemClock())
    if retry_id is not None:
        mending.act_again(hand, retry_id)
    if done_id is not None:
        mending.settle(hand, done_id, one_line(reason))
    with ledger.read() as view:
        rows = heard.listed(view, limit=limit, attention=attention)
    if as_json:
        print_json(rows)
        return
    if not rows:
        click.echo("no message needs a person" if attention else "no message was heard")
    for row in rows:
        click.echo(_line(row))


def _line(row: dict[str, Any]) -> str:
    error = f"; failed: {row['error']}" if row["error"] and row["state"] == heard.WAITING else ""
    return (
        f"{row['id']:6}  {row['received_at']:%Y-%m-%d %H:%M:%S} UTC  {row['type']:8} {row['state']:9} {row['words']}{error}"
        f" (from {row['sender']} at {row['address']}, {row['control_id']})"
    )
