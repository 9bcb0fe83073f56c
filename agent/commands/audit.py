"""`preread audit verify` and `preread audit list`."""

from __future__ import annotations

import sys

import click

from agent.clock import SystemClock
from agent.commands.common import existing_store, print_json, settings_of
from agent.store import audit as trail
from agent.store import audit_checks


@click.group()
def audit() -> None:
    """The audit trail: who did what, in the messages of DICOM PS3.15 A.5."""


@audit.command()
@click.pass_context
def verify(ctx: click.Context) -> None:
    """Prove that no message was changed or taken out. Exit status 1 when one was.

    What was cut off at the end shows by an earlier proof. Whoever can write the ledger could change that too: note the last link that
    is printed, with its number, outside of this machine.
    """
    settings = settings_of(ctx)
    ledger, _ = existing_store(settings)
    with ledger.read() as view:
        found = audit_checks.proved(view, "", now=SystemClock().now())
        sent = trail.forwarded(view)
    with ledger.begin() as tx:
        audit_checks.keep(tx, found)
    ledger.close()
    if found.broken:
        click.echo(f"bad: the chain breaks at {found.broken}", err=True)
        sys.exit(1)
    click.echo(f"{found.up_to} messages, whole; the last link is {found.head}")
    if settings.audit.syslog is not None:
        click.echo(f"the syslog server has been sent {sent} of them")


@audit.command("list")
@click.option(
    "--after", type=click.IntRange(0), default=0, show_default=True, help="Only what came after that message."
)
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.pass_context
def list_messages(ctx: click.Context, after: int, limit: int, as_json: bool) -> None:
    """Show the messages, oldest first, as they are sent to a syslog server."""
    ledger, _ = existing_store(settings_of(ctx))
    with ledger.read() as view:
        rows = trail.rows(view, after=after, most=limit)
    ledger.close()
    if as_json:
        print_json([{"id": r.id, "at": r.at, "message": r.message, "link": r.link} for r in rows])
        return
    for row in rows:
        click.echo(f"{row.id} {row.at:%Y-%m-%d %H:%M:%S} {row.message}")
