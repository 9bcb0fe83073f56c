"""The model that reads: is it there, may it be used, is there a device for it."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from agent.doctor.check import Check, tried
from agent.errors import PrereadError
from agent.settings import Settings


def model(settings: Settings) -> Sequence[Check]:
    """What can be said without loading weights."""
    if settings.model.backend == "recorded":
        return [tried("model", lambda: _recorded(settings))]
    found = _local(settings) if settings.model.backend == "local" else []
    if settings.model.recordings is not None:
        found.append(Check("recordings", "note", f"every reply is kept in {settings.model.recordings}"))
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
        return [Check("model servers", "bad", str(error))]
    return [Check(f"model server {place}", "bad" if trouble else "ok", words) for place, words, trouble in found]


def device_check(wanted: str, available: Sequence[str]) -> Check:
    """Whether the device that the settings ask for is among those of this machine."""
    there = ", ".join(available)
    if wanted in ("auto", "cpu"):
        return Check("devices", "ok", there)
    number = wanted.partition(":")[2] or "0"
    if any(d.split()[0] == f"cuda:{number}" for d in available):
        return Check("devices", "ok", there)
    words = f'model.device is "{wanted}", and this machine has {there}; look at the driver (nvidia-smi), or set "auto" or "cpu"'
    return Check("devices", "bad", words)


def _recorded(settings: Settings) -> str:
    from agent.model.load import load_model

    identity = load_model(settings.model).identity
    return f"replies of {identity.name}, {identity.quantization}, from {settings.model.recordings}"


def _local(settings: Settings) -> list[Check]:
    from agent.model.weights import licence_of, looks_like_path

    weights = settings.model.weights
    found = [_weights(weights, settings.model.quantization, a_folder=looks_like_path(weights))]
    licence = licence_of(weights, Path(weights) if looks_like_path(weights) else None)
    found.append(
        Check("licence of the weights", "note", licence or "not known to this program; see where the weights come from")
    )
    return [*found, tried("devices", lambda: _device(settings.model.device))]


def _weights(weights: str, quantization: str, *, a_folder: bool) -> Check:
    if not a_folder:
        return Check("model", "ok", f"{weights} from the hub or its cache, {quantization}")
    if (Path(weights) / "config.json").is_file():
        return Check("model", "ok", f"{weights}, {quantization}")
    return Check("model", "bad", f"{weights} is not a model folder: it has no config.json")


def _device(wanted: str) -> Check:
    if importlib.util.find_spec("torch") is None:
        return Check("devices", "note", "not known: torch is not installed here")
    from agent.model.devices import available_devices

    return device_check(wanted, available_devices())
