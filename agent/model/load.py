"""From the settings to a loaded model. The engine is imported here and only when it is wanted."""

from __future__ import annotations

from agent.errors import Permanent
from agent.model.protocol import Model
from agent.settings import ModelSettings


def load_model(settings: ModelSettings) -> Model:
    """Load the model the settings name.

    Raises:
        Permanent: the engine is not installed, the weights are not a model, the quantization did not take.
        ModelUnavailable: the weights cannot be had at the moment.
    """
    try:
        from agent.model.local import load_local
    except ImportError as error:
        raise Permanent(
            f"the model engine is not installed ({error.name}); install it with: pip install 'cxr-preread[local]'",
            code="engine-missing",
        ) from error
    return load_local(settings.weights, quantization=settings.quantization, device=settings.device)
