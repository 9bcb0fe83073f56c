"""`preread qc`: the constancy test."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict

import click
from rich.console import Console

from agent import logs
from agent.clock import Clock, SystemClock
from agent.commands.common import existing_store, print_json, settings_of
from agent.errors import Permanent
from agent.evaluation.qc.door import find_door
from agent.evaluation.qc.films import CATALOGUE
from agent.evaluation.qc.run import ConstancyTest
from agent.evaluation.qc.state import AWAY, absence
from agent.evaluation.qc.table import as_table, failures
from agent.settings import Settings
from agent.store import qc as runs
from agent.store.engine import Ledger
from agent.store.qc import QcRun
from dicom_nodes.scu import NodeError

_STEP_S = 0.25


@click.command()
@click.option(
    "--as", "ae_title", help="Calling AE title; default: that of the first peer that may send from this host."
)
@click.option(
    "--film", "films", type=click.Choice(list(CATALOGUE)), multiple=True, help="Only this film; may be repeated."
)
@click.option(
    "--timeout",
    "timeout_s",
    default=900.0,
    show_default=True,
    type=click.FloatRange(min=0),
    help="Seconds to wait after the last film was sent.",
)
@click.option("--last", is_flag=True, help="Show the run that finished last, by hand or by the schedule; send nothing.")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.pass_context
def qc(
    ctx: click.Context, ae_title: str | None, films: tuple[str, ...], timeout_s: float, last: bool, as_json: bool
) -> None:
    """Send drawn films through the running line, by C-STORE like a modality, and check what comes out: what was found, on
    which side, where, how soon, and that it is the same however the film is stored. Exit status 1 when a check failed.

    The results go to no destination unless the settings say qc.send.
    """
    settings = settings_of(ctx)
    ledger, _ = existing_store(settings)
    run = _last(ledger) if last else _made(settings, ledger, ae_title, films, timeout_s)
    if as_json:
        print_json(asdict(run))
    else:
        console = Console()
        console.print(as_table(run))
        for sentence in failures(run):
            console.print(sentence, markup=False, style="red")
    sys.exit(0 if run.passed else 1)


def _last(ledger: Ledger) -> QcRun:
    with ledger.read() as view:
        run = next(runs.finished(view), None)
    if run is None:
        raise Permanent("the constancy test has never finished here; run it with: preread qc", code="qc-never")
    return run


def _made(settings: Settings, ledger: Ledger, ae_title: str | None, films: tuple[str, ...], timeout_s: float) -> QcRun:
    logs.configure(settings.log.level, "qc")  # a failed check is an error in the log, whoever ran the test
    clock, door = SystemClock(), find_door(settings, ae_title)
    if gone := absence(ledger, clock.now()):
        raise Permanent(gone, code="line-not-running")
    test = ConstancyTest(ledger, clock, settings, lambda: door, patience_s=timeout_s)
    run = test.begin(films)
    try:
        return _carried_out(test, run, ledger, clock)
    except BaseException:
        test.give_up(run.id)
        raise


def _carried_out(test: ConstancyTest, run: QcRun, ledger: Ledger, clock: Clock) -> QcRun:
    alive = clock.now()
    with Console(stderr=True).status("") as status:
        while run.finished_at is None:
            gone = absence(ledger, now := clock.now())
            alive = alive if gone else now
            if now - alive > AWAY:
                return test.fail(run, gone)
            try:
                run = test.advance(run)
            except (NodeError, Permanent) as error:
                return test.fail(run, str(error))
            sent = [film["name"] for film in run.films if "sent_at" in film]
            status.update(f"{len(sent)} of {len(run.films)} films sent; waiting for {sent[-1] if sent else 'the line'}")
            time.sleep(_STEP_S)
    return run
