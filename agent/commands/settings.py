"""`preread settings`."""

from __future__ import annotations

from pathlib import Path

import click

from agent.commands.common import print_json
from agent.in_words import english
from agent.settings import find, load
from agent.settings.remarks import remarks


@click.group()
def settings() -> None:
    """Check and print the settings."""


@settings.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the settings in force as JSON.")
@click.pass_context
def check(ctx: click.Context, file: Path | None, as_json: bool) -> None:
    """Explain every mistake in the settings FILE: the file, the key, what is allowed. Exit status 78 when there is
    one."""
    path = find(file or ctx.find_object(Path))
    values = load(path)
    if as_json:
        print_json(values.model_dump(mode="json"))
        return
    click.echo(f"{path}: no mistakes")
    for remark in remarks(values):
        click.echo(f"note: {english(remark)}")
