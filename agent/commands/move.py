"""`preread move`: the ledger to a PostgreSQL server."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from sqlalchemy import URL

from agent.audit.trail import Trail
from agent.clock import SystemClock
from agent.commands.common import settings_of
from agent.errors import Permanent
from agent.keeping.moving import move as move_ledger
from agent.store.engine import Ledger


@click.command()
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.pass_context
def move(ctx: click.Context, file: Path | None) -> None:
    """Copy the ledger in FILE to the PostgreSQL server that the settings name; the line must not run.

    FILE is preread.db in storage.root where none is named. The server's database must have no ledger, or an empty one of this
    version. All of it arrives, or nothing does; the file stays as it is. Images and documents stay in storage.root.
    """
    settings = settings_of(ctx)
    target = Ledger(settings.database_url)
    if not target.place.is_shared:
        raise Permanent(
            "database.url names no PostgreSQL server; name there the one that the ledger is to be moved to",
            code="no-server",
        )
    root = settings.storage.root
    source = Ledger(str(URL.create("sqlite", database=str(file or root / "preread.db"))))
    done = move_ledger(source, target, root, Trail.of(settings), now=SystemClock().now())
    source.close()
    target.close()
    click.echo(f"{done.rows} rows are at {target.name} now, and were counted there; {source.name} was not changed")
    click.echo(
        "next: preread serve; then move that file away, with its -wal and -shm files: it goes on holding patient data"
    )
    if done.proof.broken:
        click.echo(f"bad: the chain of the audit trail breaks at {done.proof.broken}, as it did before", err=True)
        sys.exit(1)
    click.echo(f"audit trail: {done.proof.up_to} messages, whole; the last link is {done.proof.head}")
