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

    Attributes:
        quote: what a peer said in its own words. It may hold patient data: it goes into the ledger and nowhere else.
    """

    def __init__(self, message: str, *, code: str = "") -> None:
        super().__init__(message)
        self.code = code or "unspecified"
        self.quote = ""

    def for_the_ledger(self) -> str:
        """The message with the peer's own words."""
        return f'{self}; it said: "{self.quote}"' if self.quote else str(self)


class Transient(PrereadError):
    """The same work may succeed later: silence, a busy peer, a full disk, a model that is not loaded yet.

    Args:
        blames_work: whether it counts as a failure of the work itself; False for what would have befallen any other.
        wait_s: not to be tried again before so many seconds have passed.
    """

    def __init__(self, message: str, *, code: str = "", blames_work: bool = True, wait_s: float = 0.0) -> None:
        super().__init__(message, code=code)
        self.blames_work, self.wait_s = blames_work, wait_s


class Permanent(PrereadError):
    """The same work will fail again until a person or another program changes something."""


class SettingsError(Permanent):
    """The settings cannot be used; the message names the file, the key and what is allowed there."""


class ModelUnavailable(Transient):
    """The model cannot be loaded, has no memory or has been lost; studies wait for it, nothing else does."""

    def __init__(self, message: str, *, code: str = "", wait_s: float = 30.0) -> None:
        super().__init__(message, code=code, blames_work=False, wait_s=wait_s)


class ModelBroken(ModelUnavailable):
    """The model's process cannot be used any more, a faulty device for example; another has to take its place."""
