"""`preread tokens`: which programs may call the JSON interface, and as what."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta

import click
from sqlalchemy.exc import IntegrityError

from agent.clock import SystemClock
from agent.commands.common import existing_store, print_json, settings_of
from agent.errors import Permanent
from agent.mending.hand import one_line
from agent.service import open_store
from agent.store import tokens as store
from agent.web.rights import Role
from agent.web.signing.tokens import new_token

LONGEST_DAYS = 1830


@click.group()
def tokens() -> None:
    """Which programs may call the JSON interface, and as what."""


@tokens.command()
@click.argument("name")
@click.option("--role", type=click.Choice([r.value for r in Role]), required=True)
@click.option("--days", type=click.IntRange(1, LONGEST_DAYS), default=365, show_default=True, help="It ends by itself.")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.pass_context
def add(ctx: click.Context, name: str, role: str, days: int, as_json: bool) -> None:
    """Make a token for the program NAME and print it. It is shown now and never again."""
    name = one_line(name)
    if len(name) > 64:
        raise click.UsageError("a name has at most 64 characters")
    ledger, _ = open_store(settings_of(ctx))
    token, now = new_token(), SystemClock().now()
    until = now + timedelta(days=days)
    try:
        with ledger.begin() as tx:
            store.add(tx, token, name, role, made_by="", expires_at=until, now=now)
    except IntegrityError as error:
        raise Permanent(
            f"there is, or was, a token {name}; give this one another name, see: preread tokens list", code="name-taken"
        ) from error
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
    ledger, _ = existing_store(settings_of(ctx))
    with ledger.begin() as tx:
        done = store.revoke(tx, one_line(name), now=SystemClock().now())
    if not done:
        raise Permanent(f"there is no token {name} that counts; see: preread tokens list", code="no-such-token")
    click.echo(f"{name}: revoked")
