"""`preread certs`."""

from __future__ import annotations

from pathlib import Path

import click

from agent import authority
from agent.clock import SystemClock
from agent.settings.values import check_host


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME=HOST[,HOST...]...")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=Path("tls"), show_default=True)
@click.option("--days", type=click.IntRange(1, 825), default=365, show_default=True, help="How long they are valid.")
def certs(names: tuple[str, ...], out: Path, days: int) -> None:
    """Make certificates for a pilot: an authority in the folder OUT, if there is none, and one certificate for each NAME.

    A NAME names the files; the HOSTs are what the certificate stands for, host names or addresses, as the settings have
    them. For example: preread certs preread=ai1.hospital,10.0.0.9 pacs=10.0.0.5

    The key of the authority makes whoever has it anybody: keep ca.key off the machines that only need their own.
    """
    wanted = [_name(text) for text in names]
    if twice := sorted({name for name, _ in wanted if [n for n, _ in wanted].count(name) > 1}):
        words = f"{twice[0]} is given twice, and one certificate would take the other's place; give all of its hosts at once: "
        raise click.BadParameter(f"{words}{twice[0]}=HOST,HOST", param_hint="NAME=HOST")
    now = SystemClock().now()
    click.echo(f"{authority.authority_in(out, now=now)}: whom to trust; every node gets a copy")
    for name, hosts in wanted:
        made = authority.issue(out, name, hosts, days=days, now=now)
        click.echo(f"{made.certificate}, {made.key}: {', '.join(hosts)}, until {made.not_after:%Y-%m-%d}")


def _name(text: str) -> tuple[str, list[str]]:
    name, _, hosts = text.partition("=")
    found = [h.strip() for h in hosts.split(",") if h.strip()]
    if not name or not found or Path(name).name != name or name == authority.AUTHORITY:
        raise click.BadParameter(f"{text!r} is not NAME=HOST, for example pacs=10.0.0.5", param_hint="NAME=HOST")
    try:
        return name, [check_host(h) for h in found]
    except ValueError as error:
        raise click.BadParameter(f"{text!r}: {error}", param_hint="NAME=HOST") from error
