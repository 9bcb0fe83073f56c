"""Probabilities that were never calibrated for this model must not be called calibrated."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from agent.doctor.calibration import calibration
from agent.model.reading_protocol import load_protocol
from agent.model.weights import weights_digest
from agent.reading.desk import make_desk
from agent.settings import Settings
from agent.store.files import FileStore
from tests.support.looking import LookingModel

OWN = {"weights_digest": "0" * 64, "quantization": "none", "prompt_id": load_protocol("chexone").id}


def settings_with(folder: Path, fitted_on: dict[str, str] | None, **model: Any) -> Settings:
    file = folder / "calibration.json"
    value: dict[str, Any] = {"name": "evaluate x", "findings": {"nodule": [1.0, 0.0]}}
    file.write_text(json.dumps(value if fitted_on is None else value | {"fitted_on": fitted_on}), encoding="utf-8")
    return Settings(triage={"calibration": file}, model=model)


def in_force(settings: Settings) -> tuple[str, list[str]]:
    """The calibration that the line uses, and what the log says of it."""
    with capture_logs() as log:
        desk = make_desk(settings, FileStore(Path("/"), 0), LookingModel())
    return desk.calibration.name, [e["words"] for e in log if e["event"] == "calibration not used"]


@pytest.mark.parametrize("fitted_on", [None, {}, OWN, {"quantization": "none"}, OWN | {"model_name": "another name"}])
def test_a_calibration_of_this_build_or_of_no_named_one_is_used(
    tmp_path: Path, fitted_on: dict[str, str] | None
) -> None:
    assert in_force(settings_with(tmp_path, fitted_on)) == ("evaluate x", [])


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("weights_digest", "1" * 64, "weights 111111111111..., not 000000000000..."),
        ("quantization", "nf4", "quantization nf4, not none"),
        ("prompt_id", "other@1", "protocol other@1, not chexone"),
    ],
)
def test_a_calibration_of_another_build_is_not_used_and_the_log_says_so_once(
    tmp_path: Path, key: str, value: str, words: str
) -> None:
    name, said = in_force(settings_with(tmp_path, OWN | {key: value}))
    assert name == ""
    assert len(said) == 1
    assert words in said[0]


def test_the_doctor_says_that_a_calibration_is_not_in_force(tmp_path: Path) -> None:
    weights = tmp_path / "weights"
    weights.mkdir()
    (weights / "model.safetensors").write_bytes(b"x")
    own = OWN | {"weights_digest": weights_digest(weights), "quantization": "none"}
    model = {"weights": str(weights), "quantization": "none"}
    (good,) = calibration(settings_with(tmp_path, own, **model))
    assert (good.state, good.words) == ("ok", "evaluate x, 1 finding")
    for key in own:
        (wrong,) = calibration(settings_with(tmp_path, own | {key: "other"}, **model))
        assert wrong.state == "bad"
        assert "is not used, and probabilities are uncalibrated" in wrong.words
    assert calibration(Settings(model=model)) == []


def test_the_doctor_does_not_vouch_for_weights_that_it_has_not_seen(tmp_path: Path) -> None:
    (check,) = calibration(settings_with(tmp_path, OWN, weights="somebody/model", quantization="none"))
    assert check.state == "ok"
    assert "log of the read process" in check.words


def test_a_served_model_is_known_by_what_its_server_says(tmp_path: Path) -> None:
    model = LookingModel()
    model.identity = replace(model.identity, weights_digest="served:" + "0" * 64)
    desk = make_desk(settings_with(tmp_path, OWN), FileStore(Path("/"), 0), model)
    assert desk.calibration.name == ""
