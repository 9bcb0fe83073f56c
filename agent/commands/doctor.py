"""`preread doctor`: everything an administrator asks first."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import click

from agent.commands.common import print_json
from agent.doctor import (
    alarms,
    calibration,
    certificates,
    constancy,
    in_force,
    ledger,
    line,
    machine,
    model,
    network,
    signing,
)
from agent.doctor.check import Check, examined
from agent.settings import Settings, read

Look = Callable[[Settings], Sequence[Check]]
HERE: dict[str, Look] = {
    "versions": lambda _: machine.versions(),
    "decoders": lambda _: machine.decoders(),
    "disk": machine.disk,
    "database": ledger.ledger,
    "processes": line.line,
    "model": model.model,
    "calibration": calibration.calibration,
    "constancy test": constancy.constancy,
    "certificates": certificates.certificates,
    "alarms": alarms.alarms,
    "pages": signing.pages,
}
NETWORK: dict[str, Look] = {
    "port": network.node,
    "HL7 port": network.orders,
    "peers": network.peers,
    "services": network.services,
    "destinations": network.destinations,
    "model servers": model.model_servers,
    "OpenID provider": signing.provider,
}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.option("--no-network", is_flag=True, help="Do not talk to peers and destinations.")
@click.pass_context
def doctor(ctx: click.Context, as_json: bool, no_network: bool) -> None:
    """Check versions, disk, database, parked work, processes, model, peers and licences.

    Exit status 1 when something is bad.
    """
    file = read(ctx.find_object(Path))
    settings = file.settings
    looks = HERE | {"settings": lambda _: in_force.in_force(file)} | ({} if no_network else NETWORK)
    checks = [check for what, look in looks.items() for check in examined(what, lambda look=look: look(settings))]  # type: ignore[misc]
    if as_json:
        print_json([asdict(c) for c in checks])
    else:
        for check in checks:
            click.echo(f"{check.state:5} {check.what}: {check.words}")
    sys.exit(1 if any(c.state == "bad" for c in checks) else 0)
