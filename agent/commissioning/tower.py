"""The vision tower on a batch of gray pictures of one size: what the library computes picture by picture."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

from agent.commissioning.network import MEAN, STD


def patches(pictures: torch.Tensor) -> torch.Tensor:
    """Gray patches in the family's order, two by two.

    Args:
        pictures: shape (batch, rows, columns), 0 to 1; rows and columns multiples of 28.

    Returns:
        shape (batch, patches, 196).
    """
    batch, rows, columns = pictures.shape
    cut = pictures.reshape(batch, rows // 28, 2, 14, columns // 28, 2, 14)
    return cut.permute(0, 1, 4, 2, 5, 3, 6).reshape(batch, -1, 196)


def encode(tower: Any, pictures: torch.Tensor) -> torch.Tensor:
    """Visual tokens, shape (batch, cells, hidden), of gray pictures, shape (batch, rows, columns), 0 to 1."""
    hidden = _embedded(tower, patches(pictures))
    cos, sin = _rotation(tower, pictures.shape[1] // 28, pictures.shape[2] // 28)
    for block in tower.blocks:
        hidden = hidden + _attention(block.attn, _norm(block.norm1, hidden), cos, sin)
        x = _norm(block.norm2, hidden)
        mlp = block.mlp
        hidden = hidden + mlp.down_proj(functional.silu(mlp.gate_proj(x)) * mlp.up_proj(x))
    merger = tower.merger
    merged = _norm(merger.ln_q, hidden).reshape(hidden.shape[0], -1, 4 * hidden.shape[2])
    out: torch.Tensor = merger.mlp(merged)
    return out


def _embedded(tower: Any, gray: torch.Tensor) -> torch.Tensor:
    """The patch embedding: the three channels and two frames of a gray picture differ only in mean and scale."""
    weight = tower.patch_embed.proj.weight.sum(2)  # (hidden, channel, 14, 14)
    mean = torch.tensor(MEAN).view(1, 3, 1, 1)
    std = torch.tensor(STD).view(1, 3, 1, 1)
    scaled = weight / std
    bias = -(scaled * mean).sum((1, 2, 3))
    return functional.linear(gray, scaled.sum(1).flatten(1), bias)


def _rotation(tower: Any, high: int, wide: int) -> tuple[torch.Tensor, torch.Tensor]:
    rows = torch.arange(2 * high).view(high, 1, 2, 1).expand(high, wide, 2, 2).reshape(-1)
    columns = torch.arange(2 * wide).view(1, wide, 1, 2).expand(high, wide, 2, 2).reshape(-1)
    frequency = tower.rotary_pos_emb.inv_freq.float()
    angle = torch.cat([rows[:, None] * frequency, columns[:, None] * frequency], -1)
    both = torch.cat([angle, angle], -1)
    return both.cos(), both.sin()


def _attention(attention: Any, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    batch, length, width = x.shape
    query, key, value = attention.qkv(x).view(batch, length, 3, attention.num_heads, -1).permute(2, 0, 3, 1, 4)
    cos, sin = cos.to(query.dtype), sin.to(query.dtype)
    # Written out: on a processor and for so few tokens it takes half the time of the library's fused kernel.
    scores = (_turned(query, cos, sin) * attention.scaling) @ _turned(key, cos, sin).transpose(-1, -2)
    mixed = scores.softmax(-1).to(value.dtype) @ value
    out: torch.Tensor = attention.proj(mixed.transpose(1, 2).reshape(batch, length, width))
    return out


def _turned(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    half = x.shape[-1] // 2
    return x * cos + torch.cat((-x[..., half:], x[..., :half]), -1) * sin


def _norm(norm: Any, x: torch.Tensor) -> torch.Tensor:
    return functional.rms_norm(x, (x.shape[-1],), norm.weight.to(x.dtype), norm.variance_epsilon)
