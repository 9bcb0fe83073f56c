"""`preread purge`."""

from __future__ import annotations

import click

from agent.audit.trail import Trail
from agent.clock import SystemClock
from agent.commands.common import existing_store, settings_of
from agent.commands.look import one_study
from agent.keeping.forget import Forgetter, purge_study


@click.command()
@click.argument("study")
@click.option(
    "--even-unfinished", is_flag=True, help="Also when it has not been read, or results of it have not been delivered."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_context
def purge(ctx: click.Context, study: str, even_unfinished: bool, yes: bool) -> None:
    """Take a STUDY out of this node for good: images, readings, documents, messages and history, for a request under data
    protection law.

    What was delivered is not taken back (preread withdraw), and stays where it is. The audit trail says that the study was here and was
    deleted. Backups forget it the next time they are brought up to date.
    """
    settings, clock = settings_of(ctx), SystemClock()
    ledger, files = existing_store(settings)
    uid = one_study(ledger, study)
    if not yes:
        click.confirm(f"delete everything about {uid}? This cannot be undone", abort=True)
    trail = Trail.of(settings)
    forgetter = Forgetter(ledger, files, clock, settings.keeping, trail)
    count = purge_study(ledger, forgetter, trail, uid, even_unfinished=even_unfinished, now=clock.now())
    ledger.close()
    click.echo(f"{uid}: deleted, with {count} files")
