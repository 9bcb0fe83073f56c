"""The first lesson: the vision tower alone learns where things are, with heads that are thrown away afterwards.

Every visual token says which findings cover it and where their boxes end; pooled queries say what is there at all.
Vision passes are cheap, and what a token says here the language model later only has to repeat.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from agent.commissioning.corpus import Film
from agent.commissioning.network import HIDDEN, STD
from agent.commissioning.scene import CLASSES, SIDED, VIEWS
from agent.commissioning.tower import encode, patches


class Heads(nn.Module):  # type: ignore[misc]
    """What is asked of the tower in this lesson only."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.Linear(HIDDEN, 5 * len(CLASSES))
        self.queries = nn.Parameter(0.02 * torch.randn(len(CLASSES) + 1, HIDDEN))
        self.norm = nn.LayerNorm(HIDDEN)
        self.attention = nn.MultiheadAttention(HIDDEN, 8, batch_first=True)
        self.body = nn.Sequential(
            nn.LayerNorm(HIDDEN),
            nn.Linear(HIDDEN, 2 * HIDDEN),
            nn.GELU(),
            nn.Linear(2 * HIDDEN, HIDDEN),
            nn.LayerNorm(HIDDEN),
        )
        self.of_class = nn.Linear(HIDDEN, 6)  # present, box, size
        self.of_film = nn.Linear(HIDDEN, len(VIEWS) + 2)  # view, unlike, pneumonia

    def forward(self, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """(cells: (batch, cells, classes, 5), classes: (batch, classes, 6), film: (batch, 5))."""
        cells = self.cell(tokens).unflatten(-1, (len(CLASSES), 5))
        keys = self.norm(tokens)
        queries = self.queries.expand(len(tokens), -1, -1)
        pooled = self.attention(queries, keys, keys, need_weights=False)[0]
        pooled = self.body(pooled + queries)
        return cells, self.of_class(pooled[:, :-1]), self.of_film(pooled[:, -1])


@torch.no_grad()  # type: ignore[untyped-decorator]
def whiten(tower: Any, pictures: torch.Tensor) -> None:
    """Start the patch embedding so that every kind of detail in a patch is equally strong in its token.

    Brightness and slope make up nearly all of a patch's variance: from a random start a thin line is a thousandth of
    the token, and the tower needs thousands of films to notice it.

    Args:
        pictures: some films, shape (batch, rows, columns), 0 to 1.
    """
    gray = patches(pictures).flatten(0, 1)
    gray = gray - gray.mean(0)
    variance, component = torch.linalg.eigh(gray.T @ gray / len(gray))
    weight = tower.patch_embed.proj.weight
    chosen = component[:, -weight.shape[0] :] / (variance[-weight.shape[0] :] + NOISE).sqrt()
    turned = torch.linalg.qr(torch.randn(weight.shape[0], weight.shape[0]))[0] @ chosen.T
    std = torch.tensor(STD).view(1, 3, 1, 1, 1)
    weight.copy_(turned.view(-1, 1, 1, 14, 14) * std / 6)


NOISE = 1.5e-4  # variance of a pixel that is nothing but noise


def targets(films: list[Film], size: tuple[int, int]) -> dict[str, torch.Tensor]:
    """What is known of the films: cover (batch, cells, classes), there, box, size (batch, classes ...), and of the
    whole film; -1 where nothing is known."""
    high, wide = size[0] // 28, size[1] // 28
    count = len(films)
    cover = np.zeros((count, high, wide, len(CLASSES)), np.float32)
    there = np.zeros((count, len(CLASSES)), np.float32)
    box = np.zeros((count, len(CLASSES), 4), np.float32)
    extent = np.zeros((count, len(CLASSES)), np.float32)
    view = np.full(count, -1)
    unlike, pneumonia = np.zeros(count, np.float32), np.full(count, -1.0, np.float32)
    known = np.array([f.source != "pediatric" and (f.scene is None or f.scene.view != "LL") for f in films])
    for n, film in enumerate(films):
        unlike[n] = film.source == "unlike"
        if film.source == "pediatric":
            pneumonia[n] = film.pneumonia
        if film.scene:
            view[n] = VIEWS.index(film.scene.view)
        if film.cover is not None:
            cover[n] = film.cover / np.float32(255)
        for b in film.boxes:
            k = CLASSES.index((b.kind, b.side))
            plant = film.scene.plant(b.kind) if film.scene else None
            there[n, k], box[n, k], extent[n, k] = 1, (b.x0, b.y0, b.x1, b.y1), plant.size if plant else 0
    return {
        "cover": torch.from_numpy(cover.reshape(count, high * wide, -1)), "there": torch.from_numpy(there), "box": torch.from_numpy(box),
        "extent": torch.from_numpy(extent), "view": torch.from_numpy(view), "unlike": torch.from_numpy(unlike),
        "pneumonia": torch.from_numpy(pneumonia), "known": torch.from_numpy(known),
    }  # fmt: skip


def film_losses(tower: Any, heads: Heads, films: list[Film], pictures: torch.Tensor) -> dict[str, torch.Tensor]:
    """What a batch of films of one size costs, by name; the sum is what is trained."""
    with torch.autocast("cpu", torch.bfloat16):
        tokens = encode(tower, pictures)
    return losses(tokens, heads, targets(films, (pictures.shape[1], pictures.shape[2])))


def losses(tokens: torch.Tensor, heads: Heads, t: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """What the answers of the heads to visual tokens cost, by name."""
    with torch.autocast("cpu", torch.bfloat16):
        cells, classes, film = heads(tokens)
    cells, classes, film = cells.float(), classes.float(), film.float()
    known = t["known"]
    there = t["there"] > 0
    weight = 1 + 5 * t["there"]
    present = functional.binary_cross_entropy_with_logits(classes[..., 0], t["there"], reduction="none") * weight
    mask = functional.binary_cross_entropy_with_logits(cells[..., 0], t["cover"], reduction="none")
    aim = t["box"][:, None].expand(-1, cells.shape[1], -1, -1)
    edges = functional.smooth_l1_loss(cells[..., 1:].sigmoid(), aim, reduction="none", beta=0.02).mean(-1)
    box = functional.smooth_l1_loss(classes[..., 1:5].sigmoid(), t["box"], reduction="none", beta=0.02).mean(-1)
    extent = functional.smooth_l1_loss(classes[..., 5].sigmoid(), t["extent"], reduction="none", beta=0.1)
    children = t["pneumonia"] >= 0
    return {
        "present": (present[known].mean() if known.any() else present.sum() * 0) * 4,
        "sides": _sides(classes[known][..., 0], t["there"][known]),
        "mask": (_evenly(mask[known], t["cover"][known]) + _evenly(mask[known], 1 - t["cover"][known])) * 2.5,
        "edges": _evenly(edges, (t["cover"] > 0.3).float()) * 8,
        "box": box[there].mean() * 8 if there.any() else box.sum() * 0,
        "extent": extent[there].mean() * 2 if there.any() else extent.sum() * 0,
        "view": functional.cross_entropy(film[:, : len(VIEWS)], t["view"], ignore_index=-1) * 0.5
        if (t["view"] >= 0).any()
        else film.sum() * 0,
        "unlike": functional.binary_cross_entropy_with_logits(film[:, -2], t["unlike"]),
        "pneumonia": functional.binary_cross_entropy_with_logits(film[children, -1], t["pneumonia"][children])
        if children.any()
        else film.sum() * 0,
    }


def _sides(present: torch.Tensor, there: torch.Tensor) -> torch.Tensor:
    """What it costs not to know on which sides a finding lies that is there. Among all films this hardly counts, since
    most show no such finding; and a thin line is the same on both sides but for its first third."""
    pairs = torch.tensor([[CLASSES.index((kind, side)) for side in ("right", "left")] for kind in SIDED])
    wanted = there[:, pairs]
    shown = wanted.sum(-1) > 0
    if not shown.any():
        return present.sum() * 0
    return functional.binary_cross_entropy_with_logits(present[:, pairs][shown], wanted[shown]) * 4


def _evenly(cost: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """The weighted mean of each class, and of those the mean: a nodule covers a cell or two and counts as much as a
    lung full of fluid. A class that is hardly there counts less."""
    return ((cost * weight).sum((0, 1)) / (weight.sum((0, 1)) + 3)).mean()
