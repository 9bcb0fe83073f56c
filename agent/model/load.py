"""From the settings to a loaded model. An engine is imported here and only when it is wanted."""

from __future__ import annotations

from agent.errors import Permanent
from agent.model.protocol import Model
from agent.model.reading_protocol import load_protocol
from agent.model.weights import find_weights
from agent.settings import ModelSettings


def load_model(settings: ModelSettings) -> Model:
    """Load the model the settings name.

    Raises:
        Permanent: the engine is not installed, the weights are not a model, the quantization did not take, there are no
            recordings.
        ModelUnavailable: the weights cannot be had at the moment, or no server answers.
    """
    protocol = load_protocol(settings.protocol).id
    if settings.backend == "recorded":
        from agent.model.recorded import RecordedModel

        assert settings.recordings is not None, "the settings see to it"
        return RecordedModel(settings.recordings, protocol=protocol)
    model = _served(settings) if settings.backend == "served" else _local(settings)
    if settings.recordings is None:
        return model
    from agent.model.recorded import RecordingModel

    try:
        return RecordingModel(model, settings.recordings, protocol=protocol)
    except Permanent:
        model.close()
        raise


def described(settings: ModelSettings) -> str:
    """Which model the settings name, for people who wait for it."""
    if settings.backend == "served":
        return f"{settings.served_model or 'the model'} at {', '.join(settings.base_urls)}"
    return f"recordings in {settings.recordings}" if settings.backend == "recorded" else settings.weights


def _served(settings: ModelSettings) -> Model:
    from agent.model.served import load_served

    return load_served(
        settings.base_urls,
        name=settings.served_model,
        api_key_file=settings.api_key_file,
        ca_file=settings.ca_file,
        for_commissioning=settings.served_for_commissioning,
    )


def _local(settings: ModelSettings) -> Model:
    try:
        # Before the engine, which takes seconds to import: weights may be missing.
        folder = find_weights(settings.weights, settings.revision)
        from agent.model.local import load_local
    except ImportError as error:
        raise Permanent(
            f"the model engine is not installed ({error.name}); install it with: pip install 'cxr-preread[local]'",
            code="engine-missing",
        ) from error
    return load_local(settings.weights, quantization=settings.quantization, device=settings.device, folder=folder)
