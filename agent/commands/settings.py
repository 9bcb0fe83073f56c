"""`preread settings`."""

from __future__ import annotations

from pathlib import Path

import click

from agent.commands.common import print_json
from agent.model.weights import licence_of
from agent.settings import Settings, find, load


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
        click.echo(f"note: {remark}")


def remarks(values: Settings) -> list[str]:
    """What is allowed and probably not meant."""
    found = []
    if not any("send" in p.may for p in values.peers):
        found.append('no [[peers]] entry may "send": every association will be rejected')
    if not values.destinations:
        found.append("no [[destinations]]: results will be kept here and sent nowhere")
    if values.intake.quiet_time_s < 1:
        found.append("intake.quiet_time_s is under 1 second: a study may be read before its last image has come")
    if any(u.lower().startswith("http:") for u in values.model.base_urls):
        found.append(
            "model.base_urls: pictures of patients go to a server unencrypted; https hides them from the network"
        )
    if values.model.recordings is not None and values.model.backend != "recorded":
        found.append("model.recordings: the words of every question are kept there, indications of patients among them")
    if values.web.enabled and not values.web.is_local and values.web.token_file is None:
        found.append("web.host: others can call, so /metrics answers nobody until web.token_file is named")
    if values.database.may_be_overheard:
        found.append(
            "database.url: names of patients go to another host, and nothing proves which; add ?sslmode=verify-full (and "
            "sslrootcert=FILE for the hospital's own authority)"
        )
    if values.model.backend == "local" and (licence := licence_of(values.model.weights)):
        found.append(f"licence of the weights {values.model.weights}: {licence}")
    return found
