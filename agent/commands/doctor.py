"""`preread doctor`: everything an administrator asks first."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import socket
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from agent.commands.common import print_json, settings_of
from agent.errors import PrereadError
from agent.settings import Settings
from agent.version import VERSION

LIBRARIES = (
    "pydicom", "pynetdicom", "highdicom", "hl7apy", "SQLAlchemy", "APScheduler", "numpy", "pillow", "pylibjpeg", "pylibjpeg-openjpeg",
    "pyjpegls", "python-gdcm", "torch", "transformers", "bitsandbytes",
)  # fmt: skip
ENGINE = {"torch", "transformers", "bitsandbytes"}


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the examination: `state` is ``ok``, ``note`` or ``bad``."""

    what: str
    state: str
    words: str


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.option("--no-network", is_flag=True, help="Do not talk to peers and destinations.")
@click.pass_context
def doctor(ctx: click.Context, as_json: bool, no_network: bool) -> None:
    """Check versions, model, disk, database, peers and licences. Exit status 1 when something is bad."""
    settings = settings_of(ctx)
    checks = [*_versions(), *_decoders(), *_storage(settings), *_processes(settings), *_model(settings)]
    if not no_network:
        checks += [*_node(settings), *_peers(settings), *_destinations(settings)]
    if as_json:
        print_json([asdict(c) for c in checks])
    else:
        for check in checks:
            click.echo(f"{check.state:5} {check.what}: {check.words}")
    sys.exit(1 if any(c.state == "bad" for c in checks) else 0)


def _versions() -> list[Check]:
    found = [Check("preread", "ok", f"{VERSION} on Python {platform.python_version()}, {platform.platform()}")]
    for name in LIBRARIES:
        try:
            found.append(Check(name, "ok", importlib.metadata.version(name)))
        except importlib.metadata.PackageNotFoundError:
            hint = "; only the read role needs it: pip install 'cxr-preread[local]'" if name in ENGINE else ""
            found.append(Check(name, "note" if name in ENGINE else "bad", f"is not installed{hint}"))
    return found


def _decoders() -> list[Check]:
    from agent.imaging.decode import missing_decoders

    missing = missing_decoders()
    if missing:
        return [Check("decoders", "bad", "no decoder for transfer syntax " + ", ".join(missing))]
    return [Check("decoders", "ok", "every accepted transfer syntax can be decoded")]


def _storage(settings: Settings) -> list[Check]:
    from agent.service import open_store
    from agent.store import overview

    try:
        ledger, files = open_store(settings)
        with ledger.read() as view:
            waiting = overview.unfinished_deliveries(view)
    except PrereadError as error:
        return [Check("storage", "bad", str(error))]
    free = files.free_bytes() / 1e9
    words = f"{settings.storage.root}: {free:.1f} GB free, reserve {settings.storage.reserve_gb:.1f} GB"
    disk = (
        Check("disk", "ok", words) if files.has_room() else Check("disk", "bad", f"{words}: images are answered A700")
    )
    return [disk, Check("database", "ok", f"{settings.database_url}: {waiting} deliveries wait")]


def _processes(settings: Settings) -> list[Check]:
    from agent.clock import SystemClock
    from agent.commands.look import SILENT_AFTER_S
    from agent.service import open_store
    from agent.store import processes

    try:
        ledger, _ = open_store(settings)
        with ledger.read() as view:
            roles = processes.all_processes(view)
    except PrereadError:
        return []  # said under storage
    found = [] if roles else [Check("processes", "note", "the line has not run here yet: preread serve")]
    for role in roles:
        age = (SystemClock().now() - role.beat_at).total_seconds()
        if role.state == "stopped":
            found.append(Check(f"process {role.role}", "note", "is stopped"))
        elif age > SILENT_AFTER_S:
            found.append(Check(f"process {role.role}", "bad", f"gave its last sign of life {age:.0f} s ago"))
        else:
            state = "bad" if role.state == "failed" else "ok"
            found.append(Check(f"process {role.role}", state, f"{role.state} {role.words}".strip()))
    return found


def _model(settings: Settings) -> list[Check]:
    from agent.model.weights import licence_of, looks_like_path

    weights = settings.model.weights
    found = []
    if looks_like_path(weights):
        whole = (Path(weights) / "config.json").is_file()
        words = (
            f"{weights}, {settings.model.quantization}"
            if whole
            else f"{weights} is not a model folder: it has no config.json"
        )
        found.append(Check("model", "ok" if whole else "bad", words))
    else:
        found.append(Check("model", "ok", f"{weights} from the hub or its cache, {settings.model.quantization}"))
    licence = licence_of(weights, Path(weights) if looks_like_path(weights) else None)
    found.append(
        Check("licence of the weights", "note", licence or "not known to this program; see where the weights come from")
    )
    if importlib.util.find_spec("torch") is not None:
        from agent.model.local import available_devices

        found.append(Check("devices", "ok", ", ".join(available_devices())))
    return found


def _node(settings: Settings) -> list[Check]:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.node.host, settings.node.port))
        except OSError as error:
            from agent.commands.network import own_node

            return [
                _tried(
                    "port", lambda: _echo(settings, own_node(settings)), f"in use ({error.strerror}); C-ECHO to it: "
                )
            ]
    return [
        Check("port", "note", f"nothing listens on {settings.node.host}:{settings.node.port}; the line does not run")
    ]


def _echo(settings: Settings, peer: object) -> str:
    from dicom_nodes import scu
    from dicom_nodes.roles import Peer

    assert isinstance(peer, Peer)
    answer = scu.echo(peer, own_ae_title=settings.node.ae_title, timeout_s=5.0)
    return f"{peer.ae_title} answered {answer.status:04X}"


def _peers(settings: Settings) -> list[Check]:
    return [
        _tried(f"peer {p.name}", lambda p=p: _echo(settings, p.peer()), "")  # type: ignore[misc]
        for p in settings.peers
        if "receive" in p.may or "query" in p.may
    ]


def _destinations(settings: Settings) -> list[Check]:
    from agent.delivery.build import build_destinations

    return [
        _tried(f"destination {name}", lambda d=d: d.probe().words, "")  # type: ignore[misc]
        for name, d in build_destinations(settings).items()
    ]


def _tried(what: str, attempt: Callable[[], str], prefix: str) -> Check:
    from dicom_nodes.scu import NodeError

    try:
        return Check(what, "ok", prefix + attempt())
    except (PrereadError, NodeError) as error:
        return Check(what, "bad", f"{prefix}{error}")
