"""Everything that is examined, in its order: by the command, and from the system page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from agent.doctor import (
    alarms,
    audit,
    calibration,
    certificates,
    constancy,
    in_force,
    ledger,
    line,
    machine,
    model,
    network,
    secrets,
    signing,
)
from agent.doctor.check import Check, examined
from agent.settings import Settings, SettingsFile

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
    "secrets": secrets.secrets,
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
    "syslog server": audit.syslog,
}


def looks_at(file: SettingsFile, *, network: bool = True) -> dict[str, Look]:
    """What is looked at with the settings of that file."""
    settings: dict[str, Look] = {"settings": lambda _: in_force.in_force(file), "remarks": in_force.remarked}
    return HERE | settings | (NETWORK if network else {})


def looked(settings: Settings, looks: Mapping[str, Look]) -> Iterator[list[Check]]:
    """What each of them found, one after the other."""
    for what, look in looks.items():
        yield examined(what, lambda look=look: look(settings))  # type: ignore[misc]
