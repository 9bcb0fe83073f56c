"""`preread retry`."""

from __future__ import annotations

import click
from sqlalchemy import Connection

from agent.audit.event import About, What
from agent.audit.trail import Trail
from agent.clock import Clock, SystemClock
from agent.commands.common import existing_store, print_json, settings_of
from agent.commands.look import one_study
from agent.imaging.facts import InstanceFacts
from agent.intake.assembly import Assembly
from agent.intake.inspect import inspect
from agent.reading.build import Build
from agent.settings import Settings
from agent.store import overview, processes, results, studies
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
        idle = _who_does_not_run(tx, clock)
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
    when = "as soon as the line runs" if idle else "now"
    click.echo(f"{uid}: {len(deliveries)} deliveries and {len(stages)} stages will be tried again {when}")
    if again:
        click.echo("it will be read again, as a new revision")
    if idle:
        click.echo(
            f"note: {' and '.join(idle)} {'do' if len(idle) > 1 else 'does'} not run, so nothing happens yet: preread serve"
        )


def _who_does_not_run(view: Connection, clock: Clock) -> list[str]:
    """The roles that would do the work and have no process at the moment."""
    running = {r.role for r in processes.all_processes(view) if not processes.does_not_run(r, clock.now())}
    return [role for role in ("read", "office") if role not in running]


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
    if reading is None or reading.outcome == Outcome.READ:
        return False
    queue, build = Queue(ledger, clock, "retry"), Build.of(settings.report)
    ask = bool(settings.worklist.source)
    assembly = Assembly(ledger, queue, clock, settings.intake, settings.gate, build, settings.priors, ask_worklist=ask)
    return assembly.read_again(tx, uid)
