"""What of the settings is taken up while the line runs, and what at its next start only."""

from __future__ import annotations

import threading

from agent.errors import SettingsError
from agent.settings.settings import Settings

LIVE = ("peers", "destinations")


class LiveSettings:
    """The settings in force: those of the start, with the peers and destinations that were taken up since."""

    def __init__(self, settings: Settings) -> None:
        self._lock, self._settings = threading.Lock(), settings

    @property
    def settings(self) -> Settings:
        with self._lock:
            return self._settings

    def put(self, settings: Settings) -> None:
        """From now on these."""
        with self._lock:
            self._settings = settings


def differing(one: Settings, other: Settings) -> list[str]:
    """Names of the sections in which the two differ."""
    return [name for name in Settings.model_fields if getattr(one, name) != getattr(other, name)]


def with_live(running: Settings, new: Settings) -> Settings:
    """The running settings with what may change while they are in force.

    Raises:
        SettingsError: the new peers and destinations do not go together with what stays as it is until the next start.
    """
    made = running.model_copy(update={name: getattr(new, name) for name in LIVE})
    try:
        made.must_be_consistent()
    except ValueError as error:
        words = f"{error}; it does not go together with what is changed by a start only: start the line again"
        raise SettingsError(words, code="settings-need-start") from error
    return made
