"""Many questions over one encoding of a study's pictures are answered as each would be on its own, from scratch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from PIL import Image

from agent.model import chat
from agent.model.local import LocalModel
from agent.model.protocol import Picture
from agent.model.reading_protocol import builtin
from tests.support.films import picture
from tests.support.site import PATIENCE_S

pytestmark = [pytest.mark.model, pytest.mark.xdist_group("model")]
PROTOCOL = builtin("chexone")
SELECTIONS = {1: ([0],), 2: ([0, 1], [1]), 3: ([0, 1, 2], [2, 0], [])}


def pictures() -> list[Picture]:
    """Three of different shapes."""
    films = [("left-effusion", "PA", 256, 210), ("left-effusion", "LL", 210, 256), ("cardiomegaly", "PA", 240, 240)]
    return [picture(kind, view, seed=3, rows=r, columns=c) for kind, view, r, c in films]


def from_scratch(model: LocalModel, shown: list[Picture], prompt: str, most: int) -> list[int]:
    """What `generate` of transformers answers to the whole chat, pictures and all."""
    inner, tokenizer, processor = model.inner, model.tokenizer, model.processor
    inputs: dict[str, Any] = {}
    tokens = []
    if shown:
        images = [Image.fromarray(p).convert("RGB") for p in shown]
        encoded = processor(images=images, size=model.sizes, return_tensors="pt")
        inputs = {"pixel_values": encoded["pixel_values"].to(inner.dtype), "image_grid_thw": encoded["image_grid_thw"]}
        tokens = [int(g.prod()) // 4 for g in encoded["image_grid_thw"]]
    text = chat.opening(PROTOCOL.system, tokens) + chat.question(prompt)
    ids = tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
    image = inner.config.image_token_id
    inner.model.rope_deltas = None
    with torch.inference_mode():
        done = inner.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            mm_token_type_ids=(ids == image).long(),
            max_new_tokens=most,
            **inputs,
        )
    new = done[0, ids.shape[1] :].tolist()
    end = inner.generation_config.eos_token_id
    return new[: new.index(end)] if end in new else new


@pytest.mark.parametrize("quantization", ["none", "nf4", "int8"])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_an_answer_is_token_for_token_that_of_asking_from_scratch(
    load: Callable[[str], LocalModel], quantization: str, count: int
) -> None:
    model = load(quantization)
    shown = pictures()[:count]
    session = model.open_study(shown, system=PROTOCOL.system)
    prompts = [PROTOCOL.prompt(PROTOCOL.task(t)) for t in ("findings", "impression", "view")]
    for selection in SELECTIONS[count]:
        for prompt in prompts:
            wanted = from_scratch(model, [shown[n] for n in selection], prompt, 40)
            answer = session.ask(prompt, pictures=selection, max_new_tokens=40, deadline_s=PATIENCE_S)
            assert answer.text == model.tokenizer.decode(wanted, skip_special_tokens=True)


@pytest.mark.parametrize("quantization", ["none", "nf4", "int8"])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_questions_asked_together_begin_as_each_would_alone(
    load: Callable[[str], LocalModel], quantization: str, count: int
) -> None:
    model = load(quantization)
    shown = pictures()[:count]
    session = model.open_study(shown, system=PROTOCOL.system)
    presence, selection = PROTOCOL.task("presence"), list(range(count))
    alike = [
        PROTOCOL.prompt(presence, finding=f) for f in ("pneumothorax", "pleural effusion", "mass", "enlarged heart")
    ]
    findings = PROTOCOL.prompt(PROTOCOL.task("findings"))
    for prompts in (alike, [*alike, findings], [findings], [findings, findings]):
        with torch.inference_mode():
            rows = session._last_logits(
                session._prefix(selection), [session._ids(chat.question(p))[0] for p in prompts]
            )
        for row, prompt in zip(rows, prompts, strict=True):
            (first, *_) = from_scratch(model, shown, prompt, 1)
            assert int(row.argmax()) == first
    # What was asked together leaves nothing behind.
    answer = session.ask(findings, pictures=selection, max_new_tokens=20, deadline_s=PATIENCE_S)
    wanted = from_scratch(model, shown, findings, 20)
    assert answer.text == model.tokenizer.decode(wanted, skip_special_tokens=True)
