"""`preread users`: who may use the pages. The first administrator is made here."""

from __future__ import annotations

import click
from sqlalchemy.exc import IntegrityError

from agent.clock import SystemClock
from agent.commands.common import existing_store, print_json, settings_of
from agent.errors import Permanent
from agent.service import open_store
from agent.store import accounts
from agent.web.rights import Role
from agent.web.signing.passwords import hashed, new_password


@click.group()
def users() -> None:
    """Who may use the pages."""


@users.command()
@click.argument("name")
@click.option("--role", type=click.Choice([r.value for r in Role]), required=True)
@click.option("--full-name", default="")
@click.pass_context
def add(ctx: click.Context, name: str, role: str, full_name: str) -> None:
    """Add an account and print its first password, which must be changed at the first sign-in."""
    ledger, _ = open_store(settings_of(ctx))
    password, now = new_password(), SystemClock().now()
    try:
        with ledger.begin() as tx:
            accounts.add(tx, name, role, hashed(password), full_name=full_name, must_change=True, now=now)
    except IntegrityError as error:
        raise Permanent(f"there is an account {name} already; see: preread users list", code="name-taken") from error
    click.echo(f"{name} ({role}); the first password, shown only now: {password}")


@users.command("list")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.pass_context
def list_people(ctx: click.Context, as_json: bool) -> None:
    """Show every account."""
    ledger, _ = existing_store(settings_of(ctx))
    with ledger.read() as view:
        everybody = accounts.every(view)
    if as_json:
        print_json(
            [
                {"name": a.name, "role": a.role, "disabled": a.disabled, "signed_in_at": a.signed_in_at}
                for a in everybody
            ]
        )
        return
    for a in everybody:
        click.echo(f"{a.name:24} {a.role}{'  disabled' if a.disabled else ''}")
