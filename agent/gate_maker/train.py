"""Train the network of the pixel gate: `python -m agent.gate_maker.train --gathered FILE --out FILE`."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from agent.gate_maker.augment import IGNORED, NO_CHEST, batch
from agent.gate_maker.collect import CHEST_KINDS, FRONTAL_KINDS
from agent.imaging.gate_net import HEADS, features

WIDTHS = (32, 48)
DENSE = 64
# Of the chests in a batch, how many are of each kind. The pediatric films are by far the most; an adult should not be
# an exception.
_SHARES = {
    "pediatric": 0.4,
    "adult-film": 0.08,
    "phantom-frontal": 0.14,
    "ct-frontal": 0.14,
    "phantom-lateral": 0.1,
    "ct-lateral": 0.14,
    "demo-frontal": 0.04,
    "demo-lateral": 0.02,
    # Of what is no chest the share is the square root of the number, but for what a hospital really has.
    "tibia": 15.0,
    "ct-abdomen": 30.0,
    "head-radiograph": 15.0,
    "drawn:abdomen": 30.0,
    "drawn:pelvis": 22.0,
    "drawn:spine": 22.0,
    "drawn:limb": 30.0,
    "drawn:hand": 15.0,
    "drawn:foot": 15.0,
}


class Net(nn.Module):  # type: ignore[misc]  # torch is not followed
    """The network of `agent.imaging.gate_net`, with what training adds: batch norms, which are folded in afterwards."""

    def __init__(self) -> None:
        super().__init__()
        inputs = (10, *WIDTHS)
        self.convs = nn.ModuleList(nn.Conv2d(inputs[n], WIDTHS[n], 3, 2, 1, bias=False) for n in (0, 1))
        self.norms = nn.ModuleList(nn.BatchNorm2d(w) for w in WIDTHS)
        self.dense, self.drop = nn.Linear(WIDTHS[-1] * 16, DENSE), nn.Dropout(0.25)
        self.out = nn.Linear(DENSE, sum(HEADS.values()))

    def forward(self, x: Any) -> Any:
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = torch.relu(norm(conv(x)))
        hidden = torch.relu(self.dense(self.drop(x.flatten(1))))
        return torch.split(self.out(self.drop(hidden)), list(HEADS.values()), 1)

    def folded(self) -> dict[str, np.ndarray[Any, Any]]:
        """The weights as `gate_net.forward` wants them, float16."""
        stored: dict[str, Any] = {}
        for n, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True), start=1):
            scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
            stored[f"conv{n}"] = conv.weight * scale[:, None, None, None]
            stored[f"bias{n}"] = norm.bias - norm.running_mean * scale
        stored |= {
            "dense": self.dense.weight,
            "dense_bias": self.dense.bias,
            "out": self.out.weight,
            "out_bias": self.out.bias,
        }
        return {name: v.detach().numpy().astype(np.float16) for name, v in stored.items()}


_BATCH = 256


class Pool:
    """Gathered pictures, drawn so that every kind has its share: half the pictures are no chests."""

    def __init__(self, pictures: NDArray[np.uint8], kinds: NDArray[np.str_]) -> None:
        self._pictures, self._kinds = torch.from_numpy(pictures), kinds
        chest, frontal = np.isin(kinds, CHEST_KINDS), np.isin(kinds, FRONTAL_KINDS)
        self._targets = torch.from_numpy(np.where(frontal, 0, np.where(chest, 1, NO_CHEST)))
        counts = dict(zip(*np.unique(kinds, return_counts=True), strict=True))
        share = {k: _SHARES.get(k, 0.0) or math.sqrt(n) for k, n in counts.items()}
        of_all = {c: sum(s for k, s in share.items() if (k in CHEST_KINDS) == c) for c in (False, True)}
        p = np.array([share[k] / of_all[k in CHEST_KINDS] / counts[k] for k in kinds])
        self._p = p / p.sum()

    def vary(self, rng: np.random.Generator, count: int) -> tuple[Any, NDArray[np.int64], NDArray[np.str_]]:
        """`count` varied pictures: features, targets of shape (count, 4), kinds."""
        seen, targets, kinds = [], [], []
        for _ in range(count // 200):
            chosen = rng.choice(len(self._p), 200, p=self._p)
            b = batch(self._pictures[chosen], self._targets[chosen], rng)
            seen.append(features(b.small).astype(np.float16))
            targets.append(np.stack([b.kind, b.turn, b.polarity, b.whole], 1))
            kinds.append(self._kinds[chosen])
        return np.concatenate(seen), np.concatenate(targets), np.concatenate(kinds)


def fit(seen: NDArray[np.float16], targets: NDArray[np.int64], *, epochs: int, seed: int) -> Net:
    """A network trained on varied pictures."""
    torch.manual_seed(seed)
    net, x, y = Net(), torch.from_numpy(seen), torch.from_numpy(targets)
    optimiser = torch.optim.AdamW(net.parameters(), 1e-3, weight_decay=0.02)
    steps = epochs * (len(x) // _BATCH)
    plan = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=steps, pct_start=0.15)
    for epoch in range(epochs):
        total, began = 0.0, time.monotonic()
        for part in torch.randperm(len(x))[: len(x) // _BATCH * _BATCH].reshape(-1, _BATCH):
            loss = _loss(net(x[part].float()), y[part])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            plan.step()
            total += float(loss)
        click.echo(f"epoch {epoch + 1}: loss {total * _BATCH / len(x):.4f}, {time.monotonic() - began:.0f} s")
    net.eval()
    return net


def _loss(heads: Any, y: Any) -> Any:
    weights = (1.0, 1.0, 1.0, 0.5)
    return sum(
        w * nn.functional.cross_entropy(h, y[:, n], ignore_index=IGNORED)
        for n, (w, h) in enumerate(zip(weights, heads, strict=True))
    )


@click.command()
@click.option("--gathered", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True)
@click.option(
    "--varied",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Keep the varied pictures here, or take them from here.",
)
@click.option("--count", default=90000, show_default=True, help="Varied pictures.")
@click.option("--epochs", default=14, show_default=True)
@click.option("--members", default=2, show_default=True, help="Networks, whose answers are averaged.")
@click.option(
    "--without", multiple=True, help="Leave a kind out of training, to measure on it: an adult film never seen."
)
@click.option("--seed", default=1, show_default=True)
def train(
    gathered: Path,
    out: Path,
    varied: Path | None,
    count: int,
    epochs: int,
    members: int,
    without: tuple[str, ...],
    seed: int,
) -> None:
    """Train on what `agent.gate_maker.collect` gathered and does not hold out."""
    torch.set_num_threads(1)
    if varied is not None and varied.is_file():
        kept = np.load(varied)
        seen, targets, kinds = kept["seen"], kept["targets"], kept["kinds"]
    else:
        stored = np.load(gathered)
        used = ~stored["held_out"]
        seen, targets, kinds = Pool(stored["pictures"][used], stored["kinds"][used]).vary(
            np.random.default_rng(seed), count
        )
        if varied is not None:
            np.savez(varied, seen=seen, targets=targets, kinds=kinds)
    chosen = ~np.isin(kinds, without)
    stored_members: dict[str, Any] = {}
    for member in range(members):
        net = fit(seen[chosen], targets[chosen], epochs=epochs, seed=seed + member)
        stored_members |= {f"{member}/{name}": v for name, v in net.folded().items()}
    with out.open("wb") as file:
        np.savez(file, **stored_members)


if __name__ == "__main__":
    train()
