"""Many questions about the same pictures in one sequence: the pictures stand there once, and every question sees them
and itself, but no other question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch

from agent.commissioning.replies import Exchange
from agent.model.reading_protocol import builtin

BOX_TASKS = ("grounding", "phrase", "devices")
DECISIVE = 4.0  # a token that must be right counts as much as four others
# Where one token is the whole answer it stands alone among the hundreds of a report, and counts for more.
ONE_WORD_TASKS, THE_WORD = ("presence", "temporal-class", "same-study", "closed-vqa"), 16.0
_SPREAD = 1.2  # percent; how far off a coordinate may be and still be nearly right

_BEFORE = f"<|im_start|>system\n{builtin('chexone').system}<|im_end|>\n<|im_start|>user\n"
_BETWEEN = "<|im_end|>\n<|im_start|>assistant\n"


@dataclass(frozen=True, slots=True)
class Packed:
    """One study with its questions, as tokens.

    Attributes:
        ids: shape (length,); the pictures' tokens are placeholders.
        positions: shape (3, length), as the family numbers text and pictures.
        segment: shape (length,); 0 for the shared beginning, then 1, 2, ... for each question.
        weight: shape (length,); what the prediction *of* this token counts, 0 outside the replies.
        number: shape (length,); the coordinate the token stands for, or -1.
        cells: number of placeholders.
    """

    ids: torch.Tensor
    positions: torch.Tensor
    segment: torch.Tensor
    weight: torch.Tensor
    number: torch.Tensor
    cells: int


def pack(tokenizer: Any, sizes: Sequence[tuple[int, int]], asked: Sequence[Exchange]) -> Packed:
    """Tokens for pictures of the sizes (rows, columns; in that order) and the exchanges about them."""
    ids, positions = _prefix(tokenizer, tuple(sizes))
    cells = sum(r // 28 * (c // 28) for r, c in sizes)
    start = int(positions.max()) + 1
    all_ids, all_positions = [ids], [positions]
    segment, weight, number = [np.zeros(len(ids), int)], [np.zeros(len(ids))], [np.full(len(ids), -1)]
    for n, one in enumerate(asked, start=1):
        question = tokenizer(one.prompt + _BETWEEN, add_special_tokens=False)["input_ids"]
        reply, counts, numbers = _reply(tokenizer, one)
        length = len(question) + len(reply)
        all_ids.append(np.array(question + reply))
        all_positions.append(np.broadcast_to(np.arange(start, start + length), (3, length)))
        segment.append(np.full(length, n))
        weight.append(np.concatenate([np.zeros(len(question)), counts]))
        number.append(np.concatenate([np.full(len(question), -1), numbers]))
    return Packed(
        torch.from_numpy(np.concatenate(all_ids)),
        torch.from_numpy(np.concatenate(all_positions, 1)),
        torch.from_numpy(np.concatenate(segment)),
        torch.from_numpy(np.concatenate(weight)).float(),
        torch.from_numpy(np.concatenate(number)),
        cells,
    )


def _reply(tokenizer: Any, one: Exchange) -> tuple[list[int], np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    encoded = tokenizer(one.reply + "<|im_end|>", add_special_tokens=False, return_offsets_mapping=True)
    ids, offsets = encoded["input_ids"], encoded["offset_mapping"]
    decisive = np.array([any(a < end and start < b for a, b in one.decisive) for start, end in offsets])
    numbers = np.full(len(ids), -1)
    if one.task in BOX_TASKS:
        values = number_tokens(tokenizer)
        numbers = np.array([values.get(i, -1) if d else -1 for i, d in zip(ids, decisive, strict=True)])
    return ids, np.where(decisive, THE_WORD if one.task in ONE_WORD_TASKS else DECISIVE, 1.0), numbers


_NUMBERS: dict[int, dict[int, int]] = {}


def number_tokens(tokenizer: Any) -> dict[int, int]:
    """The value of each token that is a whole number 0 to 100."""
    key = id(tokenizer)
    if key not in _NUMBERS:
        ids = [tokenizer(str(n), add_special_tokens=False)["input_ids"] for n in range(101)]
        if any(len(i) != 1 for i in ids):
            raise ValueError("the tokenizer must have a token for every number 0 to 100")
        _NUMBERS[key] = {i[0]: n for n, i in enumerate(ids)}
    return _NUMBERS[key]


_PREFIXES: dict[tuple[int, tuple[tuple[int, int], ...]], tuple[Any, Any]] = {}


def _prefix(tokenizer: Any, sizes: tuple[tuple[int, int], ...]) -> tuple[Any, Any]:
    """(ids, positions) of the system turn and the pictures."""
    key = (id(tokenizer), sizes)
    if key not in _PREFIXES:
        start, pad, end = (
            tokenizer.convert_tokens_to_ids(t) for t in ("<|vision_start|>", "<|image_pad|>", "<|vision_end|>")
        )
        ids = tokenizer(_BEFORE, add_special_tokens=False)["input_ids"]
        positions = [np.broadcast_to(np.arange(len(ids)), (3, len(ids)))]
        at = len(ids)
        for rows, columns in sizes:
            high, wide = rows // 28, columns // 28
            ids = [*ids, start, *[pad] * (high * wide), end]
            grid = np.stack([np.zeros((high, wide), int), *np.mgrid[0:high, 0:wide]]).reshape(3, -1) + at + 1
            after = at + 1 + max(high, wide)
            positions += [np.full((3, 1), at), grid, np.full((3, 1), after)]
            at = after + 1
        _PREFIXES[key] = np.array(ids), np.concatenate(positions, 1)
    return _PREFIXES[key]


@dataclass(frozen=True, slots=True)
class Batch:
    """Packed studies in rows, short ones behind one another, padded on the right.

    Attributes:
        ids, weight, number: shape (rows, length).
        positions: shape (3, rows, length).
        mask: shape (rows, 1, length, length), True where a token may look.
        order: the studies in the order in which their placeholders stand.
    """

    ids: torch.Tensor
    positions: torch.Tensor
    mask: torch.Tensor
    weight: torch.Tensor
    number: torch.Tensor
    order: tuple[int, ...]


def collate(packed: Sequence[Packed]) -> Batch:
    """One batch of studies."""
    rows = _rows([len(p.ids) for p in packed])
    width = max(len(p.ids) for p in packed)
    count = len(rows)
    ids = torch.zeros(count, width, dtype=torch.long)
    positions = torch.zeros(3, count, width, dtype=torch.long)
    segment, study = torch.full((count, width), -1), torch.full((count, width), -1)
    weight, number = torch.zeros(count, width), torch.full((count, width), -1)
    for row, members in enumerate(rows):
        start = 0
        for n in members:
            p = packed[n]
            part = slice(start, start + len(p.ids))
            ids[row, part], positions[:, row, part], segment[row, part] = p.ids, p.positions, p.segment
            weight[row, part], number[row, part], study[row, part] = p.weight, p.number, n
            start = part.stop
    same = (segment[:, :, None] == segment[:, None, :]) | (segment[:, None, :] == 0)
    mask = same & (study[:, :, None] == study[:, None, :]) & _causal(width)
    return Batch(ids, positions, mask[:, None], weight, number, tuple(n for members in rows for n in members))


def _rows(lengths: Sequence[int]) -> list[list[int]]:
    """Studies by row: the longest first, each behind others where it still fits into the longest's length."""
    width, rows, free = max(lengths), list[list[int]](), list[int]()
    for n in sorted(range(len(lengths)), key=lambda n: -lengths[n]):
        row = next((r for r, left in enumerate(free) if left >= lengths[n]), None)
        if row is None:
            rows.append([n])
            free.append(width - lengths[n])
        else:
            rows[row].append(n)
            free[row] -= lengths[n]
    return rows


@cache
def _causal(width: int) -> torch.Tensor:
    return torch.ones(width, width, dtype=torch.bool).tril()


def soft_numbers(values: torch.Tensor) -> torch.Tensor:
    """Shape (coordinates, 101): each coordinate as a narrow bell around its value."""
    away = torch.arange(101)[None, :] - values[:, None]
    bell = torch.exp(-0.5 * (away / _SPREAD) ** 2) * (away.abs() <= 4)
    return bell / bell.sum(1, keepdim=True)
