"""The calibration of the short answers: does it hold for the model that the settings name?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from agent.doctor.check import Check, finding
from agent.model.reading_protocol import load_protocol
from agent.model.weights import weights_digest
from agent.reading.calibration import calibration_of
from agent.sentence import sentence
from agent.settings import ModelSettings, Settings

_MOST_BYTES = 1 << 30  # of weights that are read through to answer a question


def calibration(settings: Settings) -> Sequence[Check]:
    """Nothing where there is none: then the reports say that probabilities are uncalibrated."""
    wanted = calibration_of(settings)
    if not wanted.name:
        return []
    build = {"prompt_id": load_protocol(settings.model.protocol).id, **_model(settings.model)}
    if odd := wanted.differences(build):
        other = [sentence(f"calibration.other.{k}", wanted=had, found=has) for k, had, has in odd]
        said = (sentence("calibration.not-used", name=wanted.name), *other, sentence("calibration.again"))
        return [finding("calibration", "bad", *said, command="preread evaluate")]
    unknown = set(wanted.fitted_on) - set(build)
    later = (sentence("calibration.later"),) if unknown else ()
    return [finding("calibration", "ok", sentence("calibration.used", name=wanted.name, n=len(wanted.lines)), *later)]


def _model(named: ModelSettings) -> dict[str, str]:
    """What can be known of the build without loading it."""
    if named.backend != "local":
        return {}
    folder = Path(named.weights)
    known: dict[str, str] = {"quantization": named.quantization}
    if folder.is_dir() and sum(f.stat().st_size for f in folder.glob("*.safetensors")) <= _MOST_BYTES:
        known["weights_digest"] = weights_digest(folder)
    return known
