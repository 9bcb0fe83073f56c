"""Where the trained commissioning model lies. Imports no engine."""

from __future__ import annotations

from importlib import resources
from pathlib import Path


def weights_folder() -> Path:
    """The folder that `model.weights` may name: a checkpoint for commissioning, not for patients."""
    return Path(str(resources.files("agent.commissioning") / "weights"))
