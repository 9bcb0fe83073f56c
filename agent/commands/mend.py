"""`preread retry`, `withdraw` and `reread`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import click
from sqlalchemy import Connection

from agent.audit.event import About, What
from agent.audit.trail import Trail
from agent.clock import Clock, SystemClock
from agent.commands.common import count, existing_store, idle_roles, one_line, print_json, settings_of
from agent.commands.look import one_study
from agent.imaging.facts import InstanceFacts
from agent.intake.assembly import assembly_of
from agent.intake.inspect import inspect
from agent.settings import Settings
from agent.store import overview, results, studies
from agent.store.engine import Ledger
from agent.store.files import FileStore
from agent.work.queue import Queue, revive
from structured_report.content import Outcome


@click.command()
@click.argument("study")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.pass_context
def retry(ctx: click.Context, study: str, as_json: bool) -> None:
    """Try a STUDY again: parked and waiting deliveries at once, parked stages from where they stopped, and assembly. A
    study that was abstained from is read again, as a new revision.

    Nothing that a destination has acknowledged is sent again.
    """
    settings, clock = settings_of(ctx), SystemClock()
    ledger, files = existing_store(settings)
    uid, now = one_study(ledger, study), clock.now()
    with ledger.begin() as tx:
        _decode_again(tx, uid, settings, files)
        again = _read_again_if_abstained(tx, uid, settings, ledger, clock)
        deliveries = results.try_again(tx, uid, now=now)
        for delivery_id, destination in deliveries:
            revive(tx, "deliver", str(delivery_id), lane=destination, now=now)
        stages = overview.parked_jobs(tx, uid)
        for kind, key, lane in stages:
            revive(tx, kind, key, lane=lane, now=now)
        revive(tx, "assemble", uid, now=now)
        Trail.of(settings).by_hand(tx, What.ACCESSED, "retry", About(uid), now=now)
        studies.note(tx, uid, "retry", "retry", f"by hand: {len(deliveries)} deliveries, {len(stages)} stages", now=now)
        idle = idle_roles(tx, uid, now)
    done = {
        "study": uid,
        "deliveries": len(deliveries),
        "stages": len(stages),
        "read_again": again,
        "not_running": idle,
    }
    if as_json:
        print_json(done)
        return
    when = "as soon as the office runs" if "office" in idle else "now"
    click.echo(
        f"{uid}: {count(len(deliveries), 'delivery')} and {count(len(stages), 'stage')} will be tried again {when}"
    )
    if again:
        click.echo("it will be read again, as a new revision")
    if idle:
        who = f"{' and '.join(idle)} {'do' if len(idle) > 1 else 'does'} not run"
        click.echo(f"note: {who}, so what is theirs to do waits: preread serve")


@click.command()
@click.argument("study")
@click.option("--reason", required=True, help="Why, in your words. Everybody who has the result is told.")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.pass_context
def withdraw(ctx: click.Context, study: str, reason: str, as_json: bool) -> None:
    """Take back the result of a STUDY: the RIS is told that it was wrong, the archive gets a report that supersedes it and
    says why, and what waits never leaves.

    It stays withdrawn, whatever images come later, until: preread reread
    """
    settings, clock = settings_of(ctx), SystemClock()
    ledger, _ = existing_store(settings)
    uid = one_study(ledger, study)
    assembly = assembly_of(settings, ledger, Queue(ledger, clock, "withdraw"), clock)
    with ledger.begin() as tx:
        assembly.withdraw(tx, uid, one_line(reason))
        Trail.of(settings).by_hand(tx, What.ACCESSED, "withdraw", About(uid), now=clock.now())
        idle = [role for role in idle_roles(tx, uid, clock.now()) if role == "office"]  # it alone tells others
    if as_json:
        print_json({"study": uid, "withdrawn": True, "not_running": idle})
        return
    click.echo(f"{uid}: withdrawn; whoever has a result of it is told {'as soon as the line runs' if idle else 'now'}")
    if idle:
        click.echo("note: office does not run, so nobody is told yet: preread serve")


@click.command()
@click.argument("study", required=False)
@click.option(
    "--since",
    type=click.DateTime(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]),
    help="Every study that arrived since then, local time of this machine, but not what is withdrawn.",
)
@click.option("--reason", default="", help="Why, in your words; kept in the history of the study.")
@click.option("--yes", is_flag=True, help="Do not ask. Without it, --since only counts and asks.")
@click.option("--json", "as_json", is_flag=True, help="For scripts; with --since it counts, unless --yes is given.")
@click.pass_context
def reread(
    ctx: click.Context, study: str | None, since: datetime | None, reason: str, yes: bool, as_json: bool
) -> None:
    """Read a STUDY anew: the same images, the model of today, as a new revision that supersedes the one before. A withdrawn
    study comes back by this, and by nothing else."""
    if (study is None) == (since is None):
        raise click.UsageError("name a STUDY, or --since DATE, and not both")
    settings, clock = settings_of(ctx), SystemClock()
    ledger, _ = existing_store(settings)
    if study is not None:
        wanted = [one_study(ledger, study)]
    else:
        assert since is not None
        with ledger.read() as view:
            wanted = overview.read_since(view, since.astimezone())
        if not yes and (as_json or not click.confirm(f"{len(wanted)} studies would be read anew. Do it?")):
            if as_json:
                print_json({"studies": wanted, "read_again": [], "back_unread": [], "not_read": []})
            return
    became = _read_anew(wanted, settings, ledger, clock, one_line(reason))
    if as_json:
        print_json({"studies": wanted, **became})
    else:
        _say_what_is_read(became)
    if study is not None and became["not_read"]:
        raise click.exceptions.Exit(1)


def _read_anew(
    wanted: Sequence[str], settings: Settings, ledger: Ledger, clock: Clock, reason: str
) -> dict[str, list[str]]:
    """The studies that will be read, those that come back as not analysed after they had been withdrawn, and those of which
    nothing can be said anew; each in a transaction of its own."""
    assembly = assembly_of(settings, ledger, Queue(ledger, clock, "reread"), clock)
    became: dict[str, list[str]] = {"read_again": [], "back_unread": [], "not_read": []}
    for uid in wanted:
        with ledger.begin() as tx:
            done = assembly.read_again(tx, uid)
            if done:
                Trail.of(settings).by_hand(tx, What.ACCESSED, "reread", About(uid), now=clock.now())
                studies.note(tx, uid, "reread", "reread", reason or "by hand", now=clock.now())
            became["not_read" if not done else "back_unread" if _has_reading(tx, uid) else "read_again"].append(uid)
    return became


def _has_reading(view: Connection, uid: str) -> bool:
    """Whether the newest revision is finished: assembly itself has said that there is nothing to read."""
    newest = studies.newest_revision(view, uid)
    return newest is not None and results.reading_of(view, newest.id) is not None


def _say_what_is_read(became: dict[str, list[str]]) -> None:
    again, back = became["read_again"], became["back_unread"]
    if again or not back:
        click.echo(
            f"{len(again)} {'study' if len(again) == 1 else 'studies'} will be read anew, each as a new revision"
        )
    for uid in back:
        click.echo(f"{uid}: not withdrawn any more; none of its images can be read, and that is reported anew")
    for uid in became["not_read"]:
        click.echo(
            f"{uid}: cannot be read: it was never assembled, its images disagree, or none of them is readable", err=True
        )


def _decode_again(tx: Connection, uid: str, settings: Settings, files: FileStore) -> None:
    """Which character set is meant where none is declared may have been said in the settings since."""
    for image in studies.images_of(tx, uid):
        path = files.path(image.path)
        if InstanceFacts.from_json(image.facts).undecodable and path.is_file():
            undeclared = settings.intake.undeclared_character_set
            facts = inspect(path, image.data_set_offset, image.transfer_syntax_uid, undeclared=undeclared)
            studies.set_facts(tx, image.instance_id, facts.to_json())


def _read_again_if_abstained(tx: Connection, uid: str, settings: Settings, ledger: Ledger, clock: Clock) -> bool:
    """What was decided from the pixels or by the model may end differently now; what the headers decided would not."""
    newest = studies.newest_revision(tx, uid)
    reading = None if newest is None else results.reading_of(tx, newest.id)
    if reading is None or reading.outcome in (Outcome.READ, Outcome.WITHDRAWN):
        return False
    return assembly_of(settings, ledger, Queue(ledger, clock, "retry"), clock).read_again(tx, uid)
