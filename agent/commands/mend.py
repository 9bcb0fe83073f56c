"""`preread retry`."""

from __future__ import annotations

import click

from agent.clock import SystemClock
from agent.commands.common import existing_store, settings_of
from agent.commands.look import one_study
from agent.store import overview, results, studies
from agent.work.queue import revive


@click.command()
@click.argument("study")
@click.pass_context
def retry(ctx: click.Context, study: str) -> None:
    """Try a STUDY again: parked and waiting deliveries at once, parked stages from where they stopped, and assembly.

    Nothing that a destination has acknowledged is sent again.
    """
    ledger, _ = existing_store(settings_of(ctx))
    uid, now = one_study(ledger, study), SystemClock().now()
    with ledger.begin() as tx:
        deliveries = results.try_again(tx, uid, now=now)
        for delivery_id, destination in deliveries:
            revive(tx, "deliver", str(delivery_id), lane=destination, now=now)
        stages = overview.parked_jobs(tx, uid)
        for kind, key in stages:
            revive(tx, kind, key, now=now)
        revive(tx, "assemble", uid, now=now)
        studies.note(tx, uid, "retry", "retry", f"by hand: {len(deliveries)} deliveries, {len(stages)} stages", now=now)
    click.echo(f"{uid}: {len(deliveries)} deliveries and {len(stages)} stages will be tried again now")
