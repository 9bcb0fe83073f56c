"""The model card's own way of asking, for comparison: the whole chat with its pictures through `generate`, one question
at a time. `preread bench read` holds the shared encoding against it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from PIL import Image

from agent.model import chat
from agent.model.local import LocalModel
from agent.model.protocol import Picture


def ask(model: LocalModel, pictures: Sequence[Picture], prompt: str, *, system: str, max_new_tokens: int) -> str:
    """The reply to one question, everything encoded anew. Greedy."""
    images = [Image.fromarray(p).convert("RGB") for p in pictures]
    encoded = model.processor(images=images, size=model.sizes, return_tensors="pt")
    grids = encoded["image_grid_thw"]
    tokens = [int(grid.prod()) // model.processor.merge_size**2 for grid in grids]
    text = chat.opening(system, tokens) + chat.question(prompt)
    ids = model.tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"].to(model.inner.device)
    model.inner.model.rope_deltas = None
    with torch.inference_mode():
        done = model.inner.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            mm_token_type_ids=(ids == model.inner.config.image_token_id).long(),
            pixel_values=encoded["pixel_values"].to(model.inner.device, model.inner.dtype),
            image_grid_thw=grids.to(model.inner.device),
            max_new_tokens=max_new_tokens,
        )
    return str(model.tokenizer.decode(done[0, ids.shape[1] :], skip_special_tokens=True))
