"""`preread evaluate` with the model that looks, as a process of its own: ``python -m tests.support.evaluating SECONDS
ARGUMENTS...``, where every study takes the model at least so long."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from agent import cli
from agent.commands import evaluate
from agent.model.protocol import Picture
from tests.support.looking import LookingModel, LookingSession


class SlowModel(LookingModel):
    """Takes its time."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def open_study(self, pictures: Sequence[Picture], *, system: str) -> LookingSession:
        time.sleep(self._seconds)
        return super().open_study(pictures, system=system)


if __name__ == "__main__":
    seconds = float(sys.argv.pop(1))
    evaluate.load_model = lambda _settings: SlowModel(seconds)
    cli.main()
