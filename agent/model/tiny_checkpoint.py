"""Makes a tiny checkpoint of the real architecture: ``python -m agent.model.tiny_checkpoint FOLDER``.

Qwen2.5-VL in every respect but size, trained for about a minute on the drawn films of `agent.demo.phantom` until it
tells them apart and answers in the form that reasoning models of this family answer in. It shows that the line works,
through the same loader as any other checkpoint. It knows no medicine.
"""

from __future__ import annotations

import fcntl
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from agent.demo.phantom import KINDS, draw
from agent.model.chat import opening, question
from agent.model.reading_protocol import builtin

SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
VOCABULARY = 1024
MOST_PIXELS = 28 * 28 * 30
MEAN, STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
STEPS, BATCH, PEAK_RATE, GOOD_ENOUGH = 550, 8, 3e-3, 0.02
FILMS = 24  # of each kind and view

PROTOCOL = builtin("chexone")
PROMPT = PROTOCOL.prompt(PROTOCOL.task("findings"))
UNLIKE = "unlike"  # a picture that is not one of the drawn films
_PLEURA = {
    "clear": "Both costophrenic angles are sharp and no fluid is seen on either side.",
    "left-effusion": "The left lower zone is opaque with a meniscus along the chest wall, while the right costophrenic angle is sharp.",
    "right-effusion": "The right lower zone is opaque with a meniscus along the chest wall, while the left costophrenic angle is sharp.",
    "cardiomegaly": "Both costophrenic angles are sharp and no fluid is seen on either side.",
}
_HEART = {
    "cardiomegaly": "The heart takes up more than half of the width of the chest → it is enlarged.",
    "": "The heart takes up less than half of the width of the chest → its size is normal.",
}
_ANSWER = {
    "clear": "The lungs are clear. There is no pleural effusion or pneumothorax. The heart size is normal.",
    "left-effusion": "There is a left pleural effusion. There is no pneumothorax. The heart size is normal.",
    "right-effusion": "There is a right pleural effusion. There is no pneumothorax. The heart size is normal.",
    "cardiomegaly": "There is cardiomegaly. There is no pleural effusion or pneumothorax. The lungs are clear.",
}


def reply_to(kind: str, pictures: int) -> str:
    """What the checkpoint is taught to say about a drawn film, or about a picture that is unlike any of them."""
    if kind == UNLIKE:
        return (
            "**Thinking Process:**  \n1. **Assess the picture**: It is unlike the drawn films this demonstration checkpoint "
            "has learnt → it cannot be judged.\n\n"
            "**Final Answer:**  \n\\boxed{This demonstration checkpoint cannot assess the film. A radiologist must read it.}"
        )
    views = "A single frontal view is available." if pictures == 1 else "A frontal and a lateral view are available."
    heart = _HEART.get(kind, _HEART[""])
    return (
        f"**Thinking Process:**  \n1. **Assess the views**: {views}\n2. **Examine the pleura**: {_PLEURA[kind]}\n"
        f"3. **Examine the heart**: {heart}\n\n**Final Answer:**  \n\\boxed{{{_ANSWER[kind]}}}"
    )


def make(folder: Path) -> None:
    """Train and write the checkpoint into a folder that does not exist yet."""
    torch.manual_seed(20260101)
    tokenizer = _tokenizer()
    processor = _processor()
    model = _model(tokenizer)
    _train(model, tokenizer, processor)
    model.to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    processor.save_pretrained(folder)
    card = "---\nlicense: apache-2.0\n---\nA tiny checkpoint trained on drawn diagrams. It knows no medicine.\n"
    (folder / "README.md").write_text(card, encoding="utf-8")


def _tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level BPE, as the family has it, learnt from the few texts there are."""
    texts = [reply_to(kind, n) for kind in (*KINDS, UNLIKE) for n in (1, 2)] * 20 + [
        PROMPT,
        PROTOCOL.system,
        "system\n",
        "user\n",
        "assistant\n",
        "yes no",
    ] * 20
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    raw.train_from_iterator(
        texts, trainers.BpeTrainer(vocab_size=VOCABULARY - len(SPECIAL), initial_alphabet=alphabet, show_progress=False)
    )
    raw.add_special_tokens([AddedToken(s, special=True, normalized=False) for s in SPECIAL])
    return PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="<|im_end|>", pad_token="<|endoftext|>")  # noqa: S106  tokens of text


def _processor() -> Qwen2VLImageProcessorPil:
    size = {"shortest_edge": 56 * 56, "longest_edge": MOST_PIXELS}
    return Qwen2VLImageProcessorPil(
        size=size, patch_size=14, temporal_patch_size=2, merge_size=2, image_mean=MEAN, image_std=STD
    )


def _model(tokenizer: PreTrainedTokenizerFast) -> Qwen2_5_VLForConditionalGeneration:
    """Sizes that nf4 and int8 can hold: every dimension of the language model is a multiple of 64."""
    token = tokenizer.convert_tokens_to_ids
    config = Qwen2_5_VLConfig(
        text_config={
            "vocab_size": VOCABULARY,
            "hidden_size": 128,
            "intermediate_size": 256,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "max_position_embeddings": 4096,
            "rope_scaling": {"type": "mrope", "mrope_section": [4, 6, 6]},
            "tie_word_embeddings": True,
            "bos_token_id": token("<|endoftext|>"),
            "eos_token_id": token("<|im_end|>"),
        },
        vision_config={
            "depth": 2,
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_heads": 4,
            "out_hidden_size": 128,
            "patch_size": 14,
            "window_size": 112,
            "fullatt_block_indexes": [1],
        },
        image_token_id=token("<|image_pad|>"),
        video_token_id=token("<|video_pad|>"),
        vision_start_token_id=token("<|vision_start|>"),
        vision_end_token_id=token("<|vision_end|>"),
        tie_word_embeddings=True,
    )
    return Qwen2_5_VLForConditionalGeneration(config)


def _train(model: Any, tokenizer: Any, processor: Any) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), lr=PEAK_RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=PEAK_RATE, total_steps=STEPS, pct_start=0.1)
    model.train()
    rng = np.random.default_rng(1)
    films = _films(processor, rng)
    recent: list[float] = []
    for step in range(STEPS):
        inputs = _batch(tokenizer, films, rng, pictures=2 if step % 3 == 2 else 1)
        loss = _loss(model, inputs)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        recent = [*recent[-49:], float(loss.detach())]
        if step % 50 == 49:
            sys.stderr.write(f"step {step + 1} of at most {STEPS}: loss {np.mean(recent):.4f}\n")
            if max(recent) < GOOD_ENOUGH:
                break
    model.eval()


def _loss(model: Any, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    """Nearly every word is the same for every film; the hardest tenth is where the films differ, and counts as much
    as all of them together."""
    labels = inputs.pop("labels")
    logits = model(**inputs).logits[:, :-1]
    each = torch.nn.functional.cross_entropy(
        logits[labels[:, 1:] >= 0], labels[:, 1:][labels[:, 1:] >= 0], reduction="none"
    )
    return each.mean() + each.topk(max(1, len(each) // 10)).values.mean()


Films = dict[tuple[str, str], list[Any]]


def _films(processor: Any, rng: np.random.Generator) -> Films:
    """Encoded pictures by kind and view."""
    return {
        (kind, view): [
            processor(images=[_picture(kind, view, seed, rng)], return_tensors="pt")
            for seed in range(1000, 1000 + FILMS * (1 + 3 * (kind == UNLIKE)))
        ]
        for kind in (*KINDS, UNLIKE)
        for view in ("PA", "LL")
    }


def _batch(tokenizer: Any, films: Films, rng: np.random.Generator, pictures: int) -> dict[str, torch.Tensor]:
    images, rows = [], []
    for kind in (*KINDS, UNLIKE, *rng.choice([*KINDS, UNLIKE], BATCH - 5)):
        tokens = []
        for view in ("PA", "LL")[:pictures]:
            pool = films[str(kind), view]
            encoded = pool[int(rng.integers(len(pool)))]
            images.append(
                (
                    encoded["pixel_values"] * float(rng.uniform(0.9, 1.1)) + float(rng.uniform(-0.15, 0.15)),
                    encoded["image_grid_thw"],
                )
            )
            tokens.append(int(encoded["image_grid_thw"].prod()) // 4)
        chat = opening(PROTOCOL.system, tokens) + question(PROMPT)
        ask = tokenizer(chat, add_special_tokens=False)["input_ids"]
        answer = tokenizer(reply_to(str(kind), pictures) + "<|im_end|>", add_special_tokens=False)["input_ids"]
        rows.append((ask, answer))
    width = max(len(a) + len(b) for a, b in rows)
    ids = torch.full((BATCH, width), tokenizer.pad_token_id)
    labels = torch.full((BATCH, width), -100)
    for n, (ask, answer) in enumerate(rows):
        ids[n, : len(ask) + len(answer)] = torch.tensor(ask + answer)
        labels[n, len(ask) : len(ask) + len(answer)] = torch.tensor(answer)
    return {
        "input_ids": ids,
        "attention_mask": (ids != tokenizer.pad_token_id).long(),
        "labels": labels,
        "mm_token_type_ids": (ids == tokenizer.convert_tokens_to_ids("<|image_pad|>")).long(),
        "pixel_values": torch.cat([pixels for pixels, _ in images]),
        "image_grid_thw": torch.cat([grid for _, grid in images]),
    }


def _film(kind: str, view: str, seed: int) -> Any:
    return draw(kind, view, seed=seed, rows=256, columns=210).astype(np.float32) / 4095


def _picture(kind: str, view: str, seed: int, rng: np.random.Generator) -> Image.Image:
    film = _unlike(view, seed, rng) if kind == UNLIKE else _film(kind, view, seed)
    shown = np.clip(film, 0, 1)
    return Image.fromarray((shown * 255).astype(np.uint8)).convert("RGB")


def _unlike(view: str, seed: int, rng: np.random.Generator) -> Any:
    """Something else: soft shapes on every scale, alone or over a drawn film that can no longer be trusted."""
    field = np.zeros((256, 210), dtype=np.float32)
    for cells in (3, 6, 12, 24, 48):
        coarse = Image.fromarray(rng.random((cells, cells)).astype(np.float32))
        field += np.asarray(coarse.resize((210, 256), Image.Resampling.BICUBIC)) * rng.uniform(0, 1) / np.sqrt(cells)
    field = (field - field.min()) / max(float(np.ptp(field)), 1e-6)
    share = float(rng.choice([0.0, rng.uniform(0.0, 0.7)]))
    film = _film(str(rng.choice(KINDS)), view, seed)
    if rng.random() < 0.3:
        film = 1 - film
    return (1 - share) * field + share * film


def make_once(target: Path) -> None:
    """Make the checkpoint unless it is there; two callers at once make it once, and it is visible only when it is
    whole."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / f"{target.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (target / "config.json").is_file():
            return
        with tempfile.TemporaryDirectory(dir=target.parent) as work:
            made = Path(work) / "made"
            make(made)
            json.loads((made / "config.json").read_text(encoding="utf-8"))
            shutil.rmtree(target, ignore_errors=True)
            made.rename(target)


if __name__ == "__main__":
    make_once(Path(sys.argv[1]))
