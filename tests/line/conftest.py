"""A line of stages with a RIS at its end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.demo.ris import DemoRis
from agent.model.load import load_model
from agent.model.protocol import Model
from agent.settings import Settings
from tests.support.node import Node
from tests.support.stages import Line


@pytest.fixture(scope="session")
def model(checkpoint: Path) -> Model:
    return load_model(Settings(model={"weights": str(checkpoint), "quantization": "none", "device": "cpu"}).model)


@pytest.fixture
def ris(tmp_path: Path) -> Iterator[DemoRis]:
    with DemoRis(tmp_path / "ris") as made:
        yield made


@pytest.fixture
def line(tmp_path: Path, model: Model, ris: DemoRis) -> Iterator[Line]:
    made = Line(Node(tmp_path / "node", quiet_time_s=0.0), model, ris.port)
    yield made
    made.node.stop()
