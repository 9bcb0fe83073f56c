"""`preread backup` and `preread restore`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from agent.audit.trail import Trail
from agent.clock import SystemClock
from agent.commands.common import existing_store, settings_of
from agent.keeping.backup import back_up
from agent.keeping.backup import restore as bring_back
from agent.store.engine import Ledger
from agent.store.files import FileStore

_SHOWN = 10


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.pass_context
def backup(ctx: click.Context, folder: Path) -> None:
    """Back up the ledger, the images and the documents to a FOLDER, while the line runs.

    The folder of an earlier backup is brought up to date: files that are in it already are not copied again. It holds patient
    data, like storage.root itself. Settings and certificates are not in it.
    """
    settings = settings_of(ctx)
    ledger, files = existing_store(settings)
    done = back_up(ledger, files, folder, now=SystemClock().now())
    ledger.close()
    click.echo(f"{folder}: {done.files} files, {done.copied} of them copied now, {done.forgotten} forgotten")
    _complain(done.missing, "is named by the ledger and is not there")


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.pass_context
def restore(ctx: click.Context, folder: Path) -> None:
    """Bring back what a backup in FOLDER holds, to a storage.root that has no ledger; the line must not run.

    What waited to be sent when the backup was made may have been sent since. It is sent again as it was, under the same
    identifiers, by which receivers know it. Films that came since are not here: preread reconcile finds them.
    """
    settings = settings_of(ctx)
    files = FileStore(settings.storage.root, int(settings.storage.reserve_gb * 1e9))
    ledger = Ledger(settings.database_url)
    done = bring_back(folder, ledger, files, Trail.of(settings), now=SystemClock().now())
    ledger.close()
    click.echo(f"restored the backup of {done.made_at:%Y-%m-%d %H:%M} UTC: {done.files} files")
    if done.in_doubt:
        click.echo(f"{done.in_doubt} deliveries may have been made since, and are made again")
    click.echo("next: preread serve, then for each PACS: preread reconcile PEER --since DATE")
    _complain(done.damaged, "is missing from the backup, or damaged")


def _complain(paths: tuple[str, ...], words: str) -> None:
    for path in paths[:_SHOWN]:
        click.echo(f"bad: {path} {words}", err=True)
    if len(paths) > _SHOWN:
        click.echo(f"bad: and {len(paths) - _SHOWN} more", err=True)
    if paths:
        sys.exit(1)
