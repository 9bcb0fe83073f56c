"""The full size (Qwen2.5-VL-3B, random weights) through the real loader in nf4, on a processor: some 8 GB of disk and
minutes of time. `make bench` runs it; `make test` does not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from agent.bench.read import full_size
from agent.model.local import load_local
from agent.model.reading_protocol import builtin
from tests.support.films import picture

PROTOCOL = builtin("chexone")


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_full_size_loads_in_nf4_with_its_vision_tower_untouched_and_reads(checkpoint: Path, tmp_path: Path) -> None:
    folder = full_size(Path(os.environ.get("FULL_SIZE", tmp_path)), checkpoint)
    model = load_local(str(folder), quantization="nf4", device="cpu")
    kinds = {
        name: type(layer).__name__ for name, layer in model.inner.named_modules() if "Linear" in type(layer).__name__
    }
    tower = {kind for name, kind in kinds.items() if name.startswith("model.visual")}
    language = [kind for name, kind in kinds.items() if name.startswith("model.language_model")]
    assert tower == {"Linear"}
    assert set(language) == {"Linear4bit"}
    assert len(language) == 36 * 7
    assert kinds["lm_head"] == "Linear"
    assert {p.dtype for n, p in model.inner.named_parameters() if n.startswith("model.visual")} == {torch.bfloat16}
    session = model.open_study([picture("left-effusion", rows=448, columns=364)], system=PROTOCOL.system)
    prompt = PROTOCOL.prompt(PROTOCOL.task("presence"), finding="pneumothorax")
    (choice,) = session.choose([prompt], pictures=[0], choices=[["yes"], ["no"]], deadline_s=3000)
    assert choice.shares is not None
    assert sum(choice.shares) == pytest.approx(1.0)
    answer = session.ask(prompt, pictures=[0], max_new_tokens=2, deadline_s=3000)
    assert answer.tokens <= 2
