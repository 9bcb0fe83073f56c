"""`preread doctor`: everything an administrator asks first."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

import click

from agent.commands.common import print_json
from agent.doctor.looks import looked, looks_at
from agent.settings import read


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.option("--no-network", is_flag=True, help="Do not talk to peers and destinations.")
@click.pass_context
def doctor(ctx: click.Context, as_json: bool, no_network: bool) -> None:
    """Check versions, disk, database, parked work, processes, model, peers and licences.

    Exit status 1 when something is bad.
    """
    file = read(ctx.find_object(Path))
    looks = looks_at(file, network=not no_network)
    checks = [check for found in looked(file.settings, looks) for check in found]
    if as_json:
        print_json([asdict(c) for c in checks])
    else:
        for check in checks:
            click.echo(f"{check.state:5} {check.what}: {check.words}")
    sys.exit(1 if any(c.state == "bad" for c in checks) else 0)
