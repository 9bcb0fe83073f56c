"""`preread serve`."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import NoReturn

import click

from agent.errors import Permanent, PrereadError
from agent.settings import Settings, find, read
from agent.supervisor import EXIT_NOT_NOW, EXIT_REFUSED, log, supervise


@click.command()
@click.option("--role", type=click.Choice(["receive", "read", "office"]), help="Run only this role, in this process.")
@click.option("--supervised", is_flag=True, hidden=True)
@click.pass_context
def serve(ctx: click.Context, role: str | None, supervised: bool) -> None:
    """Run the line. Prints a line with `ready` when associations are accepted; stops cleanly on SIGTERM."""
    path = find(ctx.find_object(Path))
    file = read(path)
    settings = file.settings
    if role is None or (role == "receive" and not supervised):
        _remark(settings)
    if role is None:
        node = settings.node
        sys.exit(
            supervise(
                path, ("receive", "read", "office"), f"{node.ae_title} accepts associations on {node.host}:{node.port}"
            )
        )
    from agent import logs
    from agent.service import run_role

    logs.configure(settings.log.level, role)
    logs.speak_for_the_uncaught()
    try:
        run_role(role, file, supervised=supervised)
    except PrereadError as error:
        click.echo(f"preread {role}: {error} [{error.code}]", err=True)
        _end(EXIT_REFUSED if isinstance(error, Permanent) else EXIT_NOT_NOW)
    _end(0)


def _end(status: int) -> NoReturn:
    """End this process without taking the interpreter apart: with a model engine in it that takes more than a second, in
    which a service manager waits. The role has written down all that it keeps."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # nobody hears it
            stream.flush()
    os._exit(status)


def _remark(settings: Settings) -> None:
    """Say once for the line what is probably not meant, whether its roles are started together or one by one."""
    from agent.in_words import english
    from agent.settings.remarks import remarks

    for remark in remarks(settings):
        log("settings", level="warning", words=english(remark))
