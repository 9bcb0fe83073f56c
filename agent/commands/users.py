"""`preread users`: who may use the pages. The first administrator is made here."""

from __future__ import annotations

import click

from agent.audit.trail import Trail
from agent.clock import SystemClock
from agent.commands.common import existing_store, print_json, settings_of
from agent.service import open_store
from agent.store import accounts
from agent.store.accounts import Account
from agent.web.rights import Role
from agent.web.signing.people import People

_ROLE = click.Choice([r.value for r in Role])


@click.group()
def users() -> None:
    """Who may use the pages."""


@users.command()
@click.argument("name")
@click.option("--role", type=_ROLE, required=True)
@click.option("--full-name", default="", help="As the pages show it.")
@click.pass_context
def add(ctx: click.Context, name: str, role: str, full_name: str) -> None:
    """Add an account and print its first password, which must be changed at the first sign-in."""
    settings = settings_of(ctx)
    ledger, _ = open_store(settings)
    password = People(ledger, Trail.of(settings), SystemClock()).add(name, Role(role), full_name)
    click.echo(f"{name.strip().lower()} ({role}); the first password, shown only now: {password}")


@users.command("list")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.pass_context
def list_people(ctx: click.Context, as_json: bool) -> None:
    """Show every account."""
    ledger, _ = existing_store(settings_of(ctx))
    with ledger.read() as view:
        everybody = accounts.every(view)
    if as_json:
        print_json([_as_json(a) for a in everybody])
        return
    if not everybody:
        click.echo("nobody can sign in yet; the first: preread users add NAME --role administrator")
    for a in everybody:
        click.echo(f"{a.name:24} {a.role:14} {_words(a)}".rstrip())


@users.command()
@click.argument("name")
@click.argument("role", type=_ROLE)
@click.pass_context
def role(ctx: click.Context, name: str, role: str) -> None:
    """Give an account another role; it counts from the person's next click on."""
    _people(ctx).set_role(name, Role(role))
    click.echo(f"{name} is {role} now")


@users.command()
@click.argument("name")
@click.pass_context
def disable(ctx: click.Context, name: str) -> None:
    """Let somebody in no longer, and sign them out everywhere."""
    _people(ctx).disable(name)
    click.echo(f"{name} is disabled and signed out")


@users.command()
@click.argument("name")
@click.pass_context
def enable(ctx: click.Context, name: str) -> None:
    """Let somebody in again who was disabled, or is locked out after wrong passwords."""
    _people(ctx).enable(name)
    click.echo(f"{name} may sign in")


@users.command("reset-password")
@click.argument("name")
@click.pass_context
def reset_password(ctx: click.Context, name: str) -> None:
    """Print a new first password, which must be changed at the next sign-in, and sign the person out everywhere."""
    password = _people(ctx).reset_password(name)
    click.echo(f"{name}; the new first password, shown only now: {password}")


@users.command("remove-sessions")
@click.argument("name")
@click.pass_context
def remove_sessions(ctx: click.Context, name: str) -> None:
    """Sign somebody out everywhere."""
    _people(ctx).sign_out(name)
    click.echo(f"{name} is signed out everywhere")


def _people(ctx: click.Context) -> People:
    settings = settings_of(ctx)
    ledger, _ = existing_store(settings)
    ledger.create()
    return People(ledger, Trail.of(settings), SystemClock())


def _words(account: Account) -> str:
    said = ["disabled"] if account.disabled else []
    if account.locked_until is not None and account.locked_until > SystemClock().now():
        said.append(f"locked until {account.locked_until:%Y-%m-%d %H:%M} UTC")
    if account.must_change:
        said.append("has to choose a password")
    if account.subject is not None:
        said.append("through the OpenID provider")
    if account.signed_in_at is None:
        said.append("has never signed in")
    return ", ".join(said)


def _as_json(account: Account) -> dict[str, object]:
    keys = ("name", "full_name", "role", "disabled", "locked_until", "must_change", "subject", "signed_in_at")
    return {key: getattr(account, key) for key in keys}
