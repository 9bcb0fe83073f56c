"""What every page and interface is given."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from agent.clock import Clock
from agent.settings import Settings
from agent.settings.live import LiveSettings
from agent.store.engine import Ledger
from agent.store.files import FileStore


@dataclass(frozen=True, slots=True)
class WebContext:
    """The site that is shown.

    Attributes:
        settings: with which the office has started.
        path: the settings file; None where there is none to be changed.
        live: what has been taken up since; None: nothing is.
    """

    settings: Settings
    ledger: Ledger
    files: FileStore
    clock: Clock
    path: Path | None = None
    live: LiveSettings | None = None

    @property
    def current(self) -> Settings:
        """The settings in force now: peers and destinations may be others than at the start."""
        return self.settings if self.live is None else self.live.settings
