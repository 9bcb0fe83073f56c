"""`preread echo` and `preread send`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from agent.commands.common import print_json, settings_of
from agent.errors import Permanent
from agent.settings import Settings
from dicom_nodes import scu
from dicom_nodes.roles import Peer, check_ae_title
from dicom_nodes.scu import NoAcceptedContext, NodeError


def _ae_title(_ctx: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    """An AE title that no node can have is refused here, not by whoever is called."""
    try:
        return None if value is None else check_ae_title(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@click.command()
@click.argument("peer")
@click.option(
    "--as",
    "ae_title",
    callback=_ae_title,
    help="Calling AE title; default: our own. To this node: that of a peer that may send.",
)
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.pass_context
def echo(ctx: click.Context, peer: str, ae_title: str | None, as_json: bool) -> None:
    """C-ECHO the PEER of that name in the settings; "self", with --as, is this node."""
    settings = settings_of(ctx)
    other = own_node(settings) if peer == "self" else settings.peer(peer)
    try:
        answer = scu.echo(other, own_ae_title=ae_title or settings.node.ae_title, timeout_s=settings.delivery.timeout_s)
    except NodeError as error:
        words = _no_echo(other) if isinstance(error, NoAcceptedContext) else str(error)
        if as_json:
            print_json({"peer": peer, "ok": False, "words": words})
            sys.exit(1)
        raise Permanent(f"{peer}: {words}", code="no-echo") from error
    if as_json:
        print_json({"peer": peer, "ok": True, "status": f"{answer.status:04X}", "seconds": answer.seconds})
    else:
        click.echo(
            f"{peer}: {other.ae_title} at {other.host}:{other.port} answered {answer.status:04X} in {answer.seconds * 1000:.0f} ms"
        )


def _no_echo(peer: Peer) -> str:
    return (
        f"{peer.ae_title} at {peer.host}:{peer.port} is there and accepts our associations, but offers no C-ECHO; "
        "preread doctor asks it what it takes"
    )


def own_node(settings: Settings) -> Peer:
    """This node as a peer of itself; a node that listens everywhere is reached by loopback."""
    host = "127.0.0.1" if settings.node.host in ("0.0.0.0", "::", "") else settings.node.host  # noqa: S104  compared, not bound
    return Peer(name="self", ae_title=settings.node.ae_title, host=host, port=settings.node.port, may=frozenset())


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--to", "peer", default="self", show_default=True, help="A peer of the settings, or this node.")
@click.option(
    "--as",
    "ae_title",
    callback=_ae_title,
    help="Calling AE title; default: our own. To this node: that of a peer that may send from here.",
)
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.pass_context
def send(ctx: click.Context, paths: tuple[Path, ...], peer: str, ae_title: str | None, as_json: bool) -> None:
    """Send DICOM files, and all files in folders, by C-STORE, as they are."""
    settings = settings_of(ctx)
    files = [f for p in paths for f in (sorted(x for x in p.rglob("*") if x.is_file()) if p.is_dir() else [p])]
    if peer == "self" and ae_title is None:
        raise Permanent(
            "this node takes images from its peers only: say as which one to send, with --as AE_TITLE, "
            "or to which peer, with --to NAME",
            code="no-sender",
        )
    other = own_node(settings) if peer == "self" else settings.peer(peer)
    if not files:
        raise Permanent(f"there is nothing to send: no files in {', '.join(map(str, paths))}", code="nothing-to-send")
    try:
        results = scu.store(
            other, files, own_ae_title=ae_title or settings.node.ae_title, timeout_s=settings.delivery.timeout_s
        )
    except NodeError as error:
        raise Permanent(f"{peer}: {error}", code="not-sent") from error
    failed = [r for r in results if not r.accepted]
    if as_json:
        print_json(
            [
                {"file": str(r.file), "status": r.status_text, "comment": r.comment, "accepted": r.accepted}
                for r in results
            ]
        )
    else:
        for result in results:
            click.echo(f"{result.file}: {result.status_text} {result.comment}".rstrip())
        click.echo(f"{len(results) - len(failed)} of {len(results)} files were accepted")
    sys.exit(1 if failed else 0)
