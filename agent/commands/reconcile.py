"""`preread reconcile`."""

from __future__ import annotations

import sys
from datetime import datetime

import click

from agent.clock import SystemClock
from agent.commands.common import existing_store, settings_of
from agent.errors import Transient
from agent.keeping.reconcile import Differences, Reconciliation
from dicom_nodes.scu import NodeError

_DAY = click.DateTime(["%Y-%m-%d", "%Y%m%d"])
_SHOWN = 20


@click.command()
@click.argument("peer")
@click.option("--since", type=_DAY, required=True, help="The first day of study to compare.")
@click.option("--until", type=_DAY, help="The last day; default today.")
@click.option("--fetch", is_flag=True, help="Have the PACS send the studies that are not here (C-MOVE).")
@click.option("--dry-run", is_flag=True, help="Say what differs, and change nothing.")
@click.pass_context
def reconcile(
    ctx: click.Context, peer: str, since: datetime, until: datetime | None, fetch: bool, dry_run: bool
) -> None:
    """Ask PEER what it has of some days of study, and mend what differs.

    Reports that wait and are there already are not sent again; reports that were delivered and are not there any more are.
    Studies with films that are not here are listed; with --fetch they are sent for, except where the PACS has a report of this
    program's, made before a ledger was lost. Exit status 1 when some are still missing.
    """
    settings, clock = settings_of(ctx), SystemClock()
    last = until or datetime.now()  # noqa: DTZ005  a day of study is the site's own
    if last < since:
        raise click.BadParameter("is before --since", param_hint="--until")
    ledger, _ = existing_store(settings)
    asked = Reconciliation(settings, ledger, clock, settings.peer(peer))
    try:
        found = asked.differences(since.date(), last.date())
    except NodeError as error:
        raise Transient(f"{error}; nothing was changed", code="peer-unreachable") from error
    click.echo(
        f"{peer}: {found.compared[0]} studies with films and {found.compared[1]} reports compared: "
        f"{len(found.absent)} studies are not here, {len(found.forgotten)} are not and have a report all the same, "
        f"{len(found.gone)} reports are gone, "
        f"{len(found.there)} that wait are there already"
    )
    if not dry_run:
        asked.settle(found)
    missing = _fetched(asked, found) if fetch and not dry_run else len(found.absent)
    if missing and not fetch:
        _list(found)
    ledger.close()
    sys.exit(1 if missing else 0)


def _list(found: Differences) -> None:
    for study in found.absent[:_SHOWN]:
        click.echo(f"not here: {study.study_instance_uid} of {study.study_date}, {'/'.join(study.modalities) or '?'}")
    if len(found.absent) > _SHOWN:
        click.echo(f"not here: {len(found.absent) - _SHOWN} more")
    click.echo("have them sent with --fetch, which needs the line to run")


def _fetched(asked: Reconciliation, found: Differences) -> int:
    """How many could not be fetched."""
    failed = 0
    for study in found.absent:
        if why := asked.fetch(study):
            failed += 1
            click.echo(f"bad: {study.study_instance_uid}: {why}", err=True)
        else:
            click.echo(f"sent for: {study.study_instance_uid}")
    return failed
