"""What every page and interface is given."""

from __future__ import annotations

from dataclasses import dataclass

from agent.clock import Clock
from agent.settings import Settings
from agent.store.engine import Ledger
from agent.store.files import FileStore


@dataclass(frozen=True, slots=True)
class WebContext:
    """The site that is shown."""

    settings: Settings
    ledger: Ledger
    files: FileStore
    clock: Clock
