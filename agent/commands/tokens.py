"""`preread tokens`: which programs may call the JSON interface, and as what."""

from __future__ import annotations

from dataclasses import asdict

import click

from agent.audit.trail import Trail
from agent.clock import SystemClock
from agent.commands.common import existing_store, print_json, settings_of
from agent.service import open_store
from agent.store import tokens as store
from agent.web.rights import Role
from agent.web.signing.programs import LONGEST_DAYS, USUAL_DAYS, Programs


@click.group()
def tokens() -> None:
    """Which programs may call the JSON interface, and as what."""


@tokens.command()
@click.argument("name")
@click.option("--role", type=click.Choice([r.value for r in Role]), required=True)
@click.option(
    "--days", type=click.IntRange(1, LONGEST_DAYS), default=USUAL_DAYS, show_default=True, help="It ends by itself."
)
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.pass_context
def add(ctx: click.Context, name: str, role: str, days: int, as_json: bool) -> None:
    """Make a token for the program NAME and print it. It is shown now and never again."""
    settings = settings_of(ctx)
    ledger, _ = open_store(settings)
    token, until = Programs(ledger, Trail.of(settings), SystemClock()).add(name, Role(role), days)
    if as_json:
        print_json({"name": name, "role": role, "expires_at": until, "token": token})
        return
    click.echo(f"{name} ({role}), until {until:%Y-%m-%d}; the token, shown only now: {token}")


@tokens.command("list")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.pass_context
def list_tokens(ctx: click.Context, as_json: bool) -> None:
    """Show every token that was ever made, and which of them still count."""
    ledger, _ = existing_store(settings_of(ctx))
    with ledger.read() as view:
        every = store.every(view)
    now = SystemClock().now()
    if as_json:
        print_json([{**asdict(t), "counts": t.counts(now)} for t in every])
        return
    for t in every:
        used = f"last used {t.seen_at:%Y-%m-%d %H:%M} UTC" if t.seen_at else "never used"
        if t.revoked_at:
            state = f"revoked {t.revoked_at:%Y-%m-%d}"
        else:
            state = f"{'until' if t.counts(now) else 'ended'} {t.expires_at:%Y-%m-%d}"
        click.echo(f"{t.name:24} {t.role:14} {state}; {used}")
    if not every:
        click.echo("no tokens")


@tokens.command()
@click.argument("name")
@click.pass_context
def revoke(ctx: click.Context, name: str) -> None:
    """Take a token back: it opens nothing from now on."""
    settings = settings_of(ctx)
    ledger, _ = existing_store(settings)
    Programs(ledger, Trail.of(settings), SystemClock()).revoke(name)
    click.echo(f"{name}: revoked")
