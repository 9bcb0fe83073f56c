"""What is answered to whoever acts on a study."""

from __future__ import annotations

from agent.web.api.models.base import Answer


class Retried(Answer):
    """How much will be tried again; `not_running`: roles that would do it and have no process at the moment."""

    deliveries: int
    stages: int
    read_again: bool
    not_running: tuple[str, ...]


class Held(Answer):
    """How many deliveries wait for the release."""

    held: int


class Released(Answer):
    """How many deliveries are due now."""

    due: int


class Reread(Answer):
    """Whether it will be read; false when none of its images can be, and it comes back as the result that says so."""

    will_be_read: bool


class Withdrawn(Answer):
    """Whether all who have the result are told now, and not only when the office runs, or not at all because the settings do not
    name them any more."""

    told_now: bool
