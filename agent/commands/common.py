"""What several commands share: the settings, the ledger, JSON and the time."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from agent.errors import Permanent, PrereadError
from agent.settings import Settings, load
from agent.store.engine import Ledger
from agent.store.files import FileStore


def settings_of(ctx: click.Context) -> Settings:
    """The settings named with --settings, or the default ones. Raises `SettingsError`."""
    path = ctx.find_object(Path)
    return load(path)


def existing_store(settings: Settings) -> tuple[Ledger, FileStore]:
    """The ledger and the files of a site that has run before; looking must not create them.

    Raises:
        Permanent: nothing has run here yet, or a program of another version.
    """
    ledger = Ledger(settings.database_url)
    if not ledger.is_there():
        ledger.close()
        raise Permanent(
            f"there is no ledger at {ledger.name} yet; start the line with: preread serve", code="no-ledger"
        )
    try:
        ledger.must_be_of_this_program()
    except PrereadError:
        ledger.close()
        raise
    return ledger, FileStore(settings.storage.root, int(settings.storage.reserve_gb * 1e9), ledger.place.file)


def print_json(value: Any) -> None:
    """A value as indented JSON; moments as ISO 8601."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=_plain))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Path | frozenset | set | tuple):
        return str(value) if isinstance(value, Path) else sorted(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def count(number: int, name: str) -> str:
    """For example "1 delivery" or "2 deliveries"."""
    plural = f"{name[:-1]}ies" if name.endswith("y") else f"{name}s"
    return f"{number} {name if number == 1 else plural}"


def ago(moment: datetime, now: datetime) -> str:
    """How long ago, in the largest unit that fits."""
    seconds = max(0, int((now - moment).total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"
