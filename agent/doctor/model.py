"""The model that reads: is it there, may it be used, is there a device for it."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from agent.doctor.check import Check, failed, finding, tried
from agent.errors import PrereadError
from agent.sentence import Sentence, sentence
from agent.settings import Settings


def model(settings: Settings) -> Sequence[Check]:
    """What can be said without loading weights."""
    if settings.model.backend == "recorded":
        return [tried("model", lambda: _recorded(settings))]
    found = _local(settings) if settings.model.backend == "local" else []
    if settings.model.recordings is not None:
        kept = sentence("model.recordings", folder=str(settings.model.recordings))
        found.append(finding("recordings", "note", kept))
    return found


def model_servers(settings: Settings) -> Sequence[Check]:
    """Every server that the settings name."""
    from agent.model.served import survey

    named = settings.model
    if named.backend != "served":
        return []
    try:
        found = survey(named.base_urls, name=named.served_model, api_key_file=named.api_key_file, ca_file=named.ca_file)
    except PrereadError as error:
        return [failed("model servers", error, error.code)]
    return [_server(place, name, trouble) for place, name, trouble in found]


def _server(place: str, name: str, trouble: str) -> Check:
    if trouble:
        return finding(f"model server {place}", "bad", sentence("error", detail=trouble))
    return finding(f"model server {place}", "ok", sentence("model.serves", name=name))


def device_check(wanted: str, available: Sequence[str]) -> Check:
    """Whether the device that the settings ask for is among those of this machine."""
    there = ", ".join(available)
    if wanted in ("auto", "cpu"):
        return finding("devices", "ok", sentence("model.devices", devices=there))
    number = wanted.partition(":")[2] or "0"
    if any(d.split()[0] == f"cuda:{number}" for d in available):
        return finding("devices", "ok", sentence("model.devices", devices=there))
    return finding("devices", "bad", sentence("model.no-device", wanted=wanted, devices=there))


def _recorded(settings: Settings) -> tuple[Sentence, ...]:
    from agent.model.load import load_model

    identity = load_model(settings.model).identity
    where = str(settings.model.recordings)
    return (sentence("model.recorded", name=identity.name, quantization=identity.quantization, folder=where),)


def _local(settings: Settings) -> list[Check]:
    from agent.model.weights import licence_of, looks_like_path

    weights = settings.model.weights
    found = [_weights(weights, settings.model.quantization, a_folder=looks_like_path(weights))]
    licence = licence_of(weights, Path(weights) if looks_like_path(weights) else None)
    known = sentence("model.licence", detail=licence) if licence else sentence("model.licence-unknown")
    found.append(finding("licence of the weights", "note", known))
    return [*found, tried("devices", lambda: _device(settings.model.device))]


def _weights(weights: str, quantization: str, *, a_folder: bool) -> Check:
    if not a_folder:
        return finding("model", "ok", sentence("model.hub", weights=weights, quantization=quantization))
    if (Path(weights) / "config.json").is_file():
        return finding("model", "ok", sentence("model.folder", weights=weights, quantization=quantization))
    return finding("model", "bad", sentence("model.no-folder", weights=weights))


def _device(wanted: str) -> Check:
    if importlib.util.find_spec("torch") is None:
        return finding("devices", "note", sentence("model.devices-unknown"))
    from agent.model.devices import available_devices

    return device_check(wanted, available_devices())
