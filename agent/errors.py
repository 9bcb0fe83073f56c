"""The error tree of the agent.

Code asks one question of an error: is it worth trying again? :class:`Transient` is retried by the row that failed (a
job or a delivery), :class:`Permanent` is parked where an operator sees it. Foreign exceptions are mapped at the seam
where the foreign library is called, once per library, with ``raise ... from``.
"""

from __future__ import annotations


class PrereadError(Exception):
    """Root of everything this program raises on purpose.

    Args:
        message: what happened, to which study or peer, and what the person can do. No patient data.
        code: a stable, short, kebab-case reason that is stored, counted and shown.
    """

    def __init__(self, message: str, *, code: str = "") -> None:
        super().__init__(message)
        self.code = code or "unspecified"


class Transient(PrereadError):
    """The same work may succeed later: silence, a busy peer, a full disk, a model that is not loaded yet."""


class Permanent(PrereadError):
    """The same work will fail again until a person or another program changes something."""


class SettingsError(Permanent):
    """The settings cannot be used; the message names the file, the key and what is allowed there."""


class ModelUnavailable(Transient):
    """The model cannot be loaded or has been lost; studies wait for it, nothing else does."""
