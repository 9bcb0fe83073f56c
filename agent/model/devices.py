"""What a model can be put on. Apart from the engine: who only asks this does not wait for transformers to be imported."""

from __future__ import annotations

import torch


def available_devices() -> tuple[str, ...]:
    """Devices a model can be put on, with their names."""
    cards = (
        [f"cuda:{n} ({torch.cuda.get_device_name(n)})" for n in range(torch.cuda.device_count())]
        if torch.cuda.is_available()
        else []
    )
    return (*cards, "cpu")
