"""`preread doctor`: everything an administrator asks first."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from agent.commands.common import existing_store, print_json, settings_of
from agent.errors import PrereadError
from agent.settings import Settings
from agent.store.processes import ProcessState
from agent.version import VERSION

LIBRARIES = (
    "pydicom", "pynetdicom", "highdicom", "hl7apy", "httpx2", "SQLAlchemy", "APScheduler", "numpy", "pillow", "pylibjpeg",
    "pylibjpeg-openjpeg", "pyjpegls", "python-gdcm", "torch", "transformers", "bitsandbytes",
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
    checks = [
        *_versions(),
        *_decoders(),
        *_storage(settings),
        *_processes(settings),
        *_model(settings),
        *_constancy(settings),
    ]
    if not no_network:
        checks += [*_node(settings), *_peers(settings), *_destinations(settings), *_model_servers(settings)]
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
    """Looking creates nothing: a doctor that is called as root must not leave folders that the service cannot write."""
    root = settings.storage.root
    place = next(p for p in (root, *root.parents) if p.exists())
    if not place.is_dir():
        return [Check("disk", "bad", f"storage.root {root}: {place} is not a folder")]
    free, reserve = shutil.disk_usage(place).free / 1e9, settings.storage.reserve_gb
    words = f"{root}: {free:.1f} GB free, reserve {reserve:.1f} GB"
    if not os.access(place, os.W_OK | os.X_OK):
        disk = Check("disk", "bad", f"{words}; {place} cannot be written by this user")
    elif free < reserve:
        disk = Check("disk", "bad", f"{words}: images are answered A700")
    else:
        disk = Check("disk", "ok", words)
    return [disk, *_ledger(settings)]


def _ledger(settings: Settings) -> list[Check]:
    from agent.store import overview

    try:
        ledger, files = existing_store(settings)
        with ledger.read() as view:
            waiting = overview.unfinished_deliveries(view)
            unknown = overview.waiting_destinations(view) - {d.name for d in settings.destinations}
    except PrereadError as error:
        return [Check("database", "note" if error.code == "no-ledger" else "bad", str(error))]
    found = [Check("database", "ok", f"{settings.database_url}: {waiting} deliveries wait")]
    found += [
        Check("database", "bad", f"deliveries wait for {n}, which the settings do not name") for n in sorted(unknown)
    ]
    refused = files.quarantined_bytes() / 1e9
    if refused > 0:
        found.append(Check("quarantine", "note", f"{refused:.2f} GB of refused images; see: preread refusals"))
    return found


def _constancy(settings: Settings) -> list[Check]:
    from agent.clock import SystemClock
    from agent.evaluation.qc.door import find_door
    from agent.evaluation.qc.state import standing

    found = []
    try:
        ledger, _ = existing_store(settings)
        with ledger.read() as view:
            found.append(Check("constancy test", *standing(view, settings.qc, SystemClock().now())))
    except PrereadError:
        pass  # said under storage
    if settings.qc.daily_at:
        found.append(_tried("sender of the constancy test", lambda: f"as {find_door(settings).ae_title}", ""))
    return found


def _processes(settings: Settings) -> list[Check]:
    from agent.clock import SystemClock
    from agent.commands.look import SILENT_AFTER_S

    roles = _roles(settings)
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


def _roles(settings: Settings) -> Sequence[ProcessState]:
    from agent.store import processes

    try:
        ledger, _ = existing_store(settings)
        with ledger.read() as view:
            return processes.all_processes(view)
    except PrereadError:
        return ()  # said under storage


def _model(settings: Settings) -> list[Check]:
    if settings.model.backend == "recorded":
        return [_tried("model", lambda: _recorded(settings), "")]
    found = _local_model(settings) if settings.model.backend == "local" else []
    if settings.model.recordings is not None:
        found.append(Check("recordings", "note", f"every reply is kept in {settings.model.recordings}"))
    return found


def _recorded(settings: Settings) -> str:
    from agent.model.load import load_model

    identity = load_model(settings.model).identity
    return f"replies of {identity.name}, {identity.quantization}, from {settings.model.recordings}"


def _model_servers(settings: Settings) -> list[Check]:
    from agent.model.served import survey

    model = settings.model
    if model.backend != "served":
        return []
    try:
        found = survey(model.base_urls, name=model.served_model, api_key_file=model.api_key_file, ca_file=model.ca_file)
    except PrereadError as error:
        return [Check("model servers", "bad", str(error))]
    return [Check(f"model server {place}", "bad" if trouble else "ok", words) for place, words, trouble in found]


def _local_model(settings: Settings) -> list[Check]:
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
    """Whether somebody listens on the node's port, and whether that is this program: it rejects us by our own AE title,
    which is no peer's, and a C-ECHO as one of the peers would have to come from their address."""
    node = settings.node
    with socket.socket(socket.AF_INET6 if ":" in node.host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((node.host, node.port))
        except OSError as error:
            words = f"in use ({error.strerror})"
            if any(r.role == "receive" and r.state == "ready" for r in _roles(settings)):
                return [Check("port", "ok", f"{words} by the receiver of this line")]
            return [Check("port", "bad", f"{words}, and not by the receiver of this line")]
    return [Check("port", "note", f"nothing listens on {node.host}:{node.port}; the line does not run")]


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
