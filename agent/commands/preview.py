"""`preread preview`: exactly what a destination gets about a study, or got."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import click
from sqlalchemy import Connection

from agent.commands.common import existing_store, settings_of
from agent.commands.look import one_study
from agent.errors import Permanent
from agent.settings import Settings
from agent.store import overview, results, studies
from agent.store.engine import Ledger
from agent.store.files import FileStore
from agent.store.studies import Revision

KINDS = ("sr", "sc", "gsps", "plain-sr", "ko", "oru", "flag", "retract", "json")
_GOING = ("waiting", "held", "parked", *results.HAS_IT)


@dataclass(frozen=True, slots=True)
class Shown:
    """One document, and what is known of its way to the destination."""

    kind: str
    content: bytes
    standing: str


@click.command()
@click.argument("study")
@click.option("--destination", required=True, help="Its name in the settings.")
@click.option("--kind", type=click.Choice(KINDS), help="Only what is of that kind.")
@click.option("--raw", is_flag=True, help="The very bytes of one document and nothing else.")
@click.pass_context
def preview(ctx: click.Context, study: str, destination: str, kind: str | None, raw: bool) -> None:
    """Show what a destination gets about a STUDY: by Study Instance UID, by the end of it, or by accession number.

    What was delivered, or waits to be, is shown as it lies in the outbox. For a study that is not reported yet, the
    documents are made as the line would make them now; nothing is kept and nothing is sent.
    """
    settings = settings_of(ctx)
    ledger, files = existing_store(settings)
    uid = one_study(ledger, study)
    shown = [d for d in documents_for(ledger, files, settings, uid, destination) if kind in (None, d.kind)]
    if not shown:
        what = f"no {kind}" if kind else "nothing"
        raise Permanent(f"{what} about this study goes to {destination}", code="nothing-to-send")
    if raw:
        _write_raw(shown, destination)
        return
    from structured_report.readable import readable

    for document in shown:
        click.echo(f"{document.kind.upper()} to {destination}, {len(document.content)} bytes: {document.standing}")
        click.echo(readable(document.kind, document.content))


def documents_for(ledger: Ledger, files: FileStore, settings: Settings, uid: str, destination: str) -> list[Shown]:
    """What a destination got, gets, or would get now, in the order in which it is sent. Empty when it gets nothing.

    Raises:
        Permanent: there is no such destination; the study has not been read; or a document cannot be made, and why.
    """
    with ledger.read() as view:
        going = [d for d in overview.deliveries(view, uid) if d["destination"] == destination and d["state"] in _GOING]
        known = [d.name for d in settings.destinations]
        if destination not in known and not going:
            words = f"there is no destination {destination}; the settings name {', '.join(known) or 'none'}"
            raise Permanent(words, code="unknown-destination")
        revision = studies.newest_revision(view, uid)
        if revision is None:
            raise Permanent("the study is not complete yet; see: preread show", code="not-read")
        newest = [d for d in going if d["revision"] == revision.number]
        if not newest and destination in known:
            made = _made_now(view, files, settings, revision, destination)
            if made is not None:
                return made
        newest = newest or [d for d in going if d["revision"] == max(g["revision"] for g in going)]
        if not newest:
            raise Permanent("the study has not been read yet; see: preread show", code="not-read")
        return [_stored(view, files, delivery) for delivery in newest]


def _stored(view: Connection, files: FileStore, delivery: dict[str, Any]) -> Shown:
    """As the outbox sends it: from the same file, and only if that is what was written."""
    row = results.outgoing(view, delivery["id"])
    content = files.verified(row.path, offset=0, digest=row.digest).read_bytes()
    state = f"{row.state} after {row.attempts} attempts, revision {row.revision}"
    return Shown(row.kind, content, f"{state}; {delivery['words']}" if delivery["words"] else state)


def _made_now(
    view: Connection, files: FileStore, settings: Settings, revision: Revision, destination: str
) -> list[Shown] | None:
    """As the report stage would make it, by the same code; None when there is nothing yet to make it from."""
    from agent.reporting.making import Making

    only = tuple(d for d in settings.destinations if d.name == destination)
    making = Making(files, settings.model_copy(update={"destinations": only}))
    material = making.material(view, revision)
    made = making.flag(view, revision) if material is None else making.result(material)
    if made is None or (material is None and not made.documents):
        return None
    mine = [d for d in made.documents if destination in d.destinations]
    if made.missing and not mine:
        code, words = made.missing[0]
        raise Permanent(words, code=code)
    standing = f"not made yet; this is what would be sent now, revision {revision.number}"
    return [Shown(d.kind, d.content, standing) for d in mine]


def _write_raw(shown: list[Shown], destination: str) -> None:
    if len(shown) > 1:
        kinds = ", ".join(d.kind for d in shown)
        raise click.UsageError(f"{destination} gets {len(shown)} documents ({kinds}); say which one with --kind")
    sys.stdout.buffer.write(shown[0].content)
    sys.stdout.buffer.flush()
