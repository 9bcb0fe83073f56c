"""`preread reload`."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import asdict

import click

from agent.audit.trail import Trail
from agent.clock import SystemClock
from agent.commands.common import existing_store, print_json
from agent.errors import Permanent
from agent.in_words import english
from agent.settings import find, read
from agent.settings.remarks import same_titles
from agent.store import processes, reloads
from agent.store.engine import Ledger
from agent.store.reloads import REFUSED, InForce

_LOOK_S = 0.2


@click.command()
@click.option(
    "--timeout",
    "timeout_s",
    default=20.0,
    show_default=True,
    type=click.FloatRange(min=0),
    help="Seconds to wait for the processes.",
)
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.pass_context
def reload(ctx: click.Context, timeout_s: float, as_json: bool) -> None:
    """Take up the peers and destinations of the settings file while the line runs: no association and no delivery is ended by
    it. Everything else in the file is taken up when the line is started again, and is named here.

    Exit status 1 when a process refused the file or did not answer.
    """
    path = find(ctx.obj)
    settings, clock = read(path).settings, SystemClock()  # what is wrong is said here, and the line is not asked
    ledger, _ = existing_store(settings)
    with ledger.begin() as tx:
        request = reloads.ask(tx, f"uid {os.getuid()}", now=clock.now())
        Trail.of(settings).configuration_changed(tx, "settings-reload", now=clock.now())
    answers = _answers(ledger, request, timeout_s)
    running = _running(ledger)
    if not running:
        raise Permanent(
            "no process of the line runs; the settings are taken up when it starts", code="line-not-running"
        )
    silent = [role for role in running if role not in {a.role for a in answers}]
    if as_json:
        print_json({"request": request, "answers": [asdict(a) for a in answers], "silent": silent})
    else:
        _say(answers, silent)
        for remark in same_titles(settings.peers):
            click.echo(f"note: {english(remark)}")
    sys.exit(1 if silent or any(a.outcome == REFUSED for a in answers) else 0)


def _running(ledger: Ledger) -> list[str]:
    with ledger.read() as view:
        now = SystemClock().now()
        return [r.role for r in processes.all_processes(view) if not processes.does_not_run(r, now)]


def _answers(ledger: Ledger, request: int, timeout_s: float) -> list[InForce]:
    """What the roles say to that request, when all that run have said it or the time is over."""
    until = time.monotonic() + timeout_s
    while True:
        with ledger.read() as view:
            given = [a for a in reloads.in_force(view) if a.request_id >= request]
        if {a.role for a in given} >= set(_running(ledger)) or time.monotonic() > until:
            return given
        time.sleep(_LOOK_S)


def _say(answers: list[InForce], silent: list[str]) -> None:
    for answer in answers:
        if answer.outcome == REFUSED:
            click.echo(f"{answer.role}: REFUSED, the settings before stay in force: {answer.words}", err=True)
            continue
        rest = f"; start it again for: {', '.join(answer.restart)}" if answer.restart else ""
        click.echo(f"{answer.role}: peers and destinations of the file are in force{rest}")
    for role in silent:
        click.echo(f"{role}: has not answered; is its model loading? preread doctor says more", err=True)
