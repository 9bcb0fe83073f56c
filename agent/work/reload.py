"""Taking up changed settings while a role runs: asked for in the ledger, so that it does not matter on which host, or under
which service manager, the role runs."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from agent.clock import Clock
from agent.errors import PrereadError, SettingsError
from agent.settings import Settings, SettingsFile, read
from agent.settings.live import LIVE, LiveSettings, differing, with_live
from agent.store import reloads
from agent.store.engine import Ledger
from agent.store.reloads import REFUSED, STARTED, TAKEN_UP, InForce


class Reload:
    """Looks whether somebody has asked; settings that are wrong change nothing, and are said loudly.

    Args:
        take_up: makes the role work with these peers and destinations; what goes on meanwhile is not ended. May raise
            `PrereadError`, and then has changed nothing.
    """

    def __init__(
        self,
        ledger: Ledger,
        clock: Clock,
        role: str,
        started_with: SettingsFile,
        live: LiveSettings,
        take_up: Callable[[Settings], None],
    ) -> None:
        self._ledger, self._clock, self._role = ledger, clock, role
        self._path, self._digest = started_with.path, started_with.digest
        self._live, self._take_up, self._answered = live, take_up, 0
        self._log = structlog.get_logger()

    def begin(self) -> None:
        """Say with which settings the role has started, and take up what was asked for since they were read: to load a model takes
        its time."""
        with self._ledger.begin() as tx:
            row = InForce(self._role, 0, self._clock.now(), STARTED, self._digest, [])
            reloads.answer(tx, row)
        self.look()

    def look(self) -> None:
        """Do what was asked for, if anything was. A ledger that cannot be used now is looked at the next time."""
        try:
            with self._ledger.read() as view:
                asked = reloads.newest(view)
            if asked > self._answered:
                self._reload(asked)
        except PrereadError as error:
            self._log.warning("settings not looked at", reason=error.code)

    def _reload(self, asked: int) -> None:
        running, restart, outcome, words = self._live.settings, list[str](), TAKEN_UP, ""
        try:
            file = read(self._path)
            wanted = with_live(running, file.settings)
            restart = [name for name in differing(running, file.settings) if name not in LIVE]
            if differing(running, wanted):
                self._take_up(wanted)
                self._live.put(wanted)
            self._digest = file.digest
        except PrereadError as error:
            outcome, words = REFUSED, str(error) if isinstance(error, SettingsError) else f"{error.code}: {error}"
            self._log.error("settings not taken up; those before stay in force", reason=error.code)
        else:
            self._log.info("settings taken up", count=len(restart))
        row = InForce(self._role, asked, self._clock.now(), outcome, self._digest, restart, words)
        with self._ledger.begin() as tx:
            reloads.answer(tx, row)
        self._answered = asked
