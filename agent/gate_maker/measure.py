"""Measure the gate: `python -m agent.gate_maker.measure --gathered FILE --weights FILE`.

Everything is judged as the line judges it, thresholds included, on what training never saw: patients, seeds and kinds
that are held out, and every chest upside down, on both sides, inverted, and cut in half.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import click
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from agent.gate_maker.augment import batch
from agent.gate_maker.collect import CHEST_KINDS, LATERAL_KINDS
from agent.imaging.gate_net import Seen, Values, load_weights, see_all
from agent.imaging.quality import judge_seen

Gray = NDArray[np.uint8]
VARIED = 400  # variants of the one adult film
CHANGES: dict[str, tuple[str, Callable[[Gray], Gray]]] = {
    "upright": ("", lambda p: p),
    "upside down": ("upside-down", lambda p: p[::-1, ::-1]),
    "on its left side": ("turned", lambda p: p.swapaxes(0, 1)[::-1]),
    "on its right side": ("turned", lambda p: p.swapaxes(0, 1)[:, ::-1]),
    "inverted": ("inverted", lambda p: 255 - p),
    "upper half": ("cut-off", lambda p: p[: p.shape[0] // 2]),
    "lower half": ("cut-off", lambda p: p[p.shape[0] // 2 :]),
    "right half": ("cut-off", lambda p: p[:, : p.shape[1] // 2]),
}


def changed(picture: Gray, change: Callable[[Gray], Gray]) -> Gray:
    """As the network sees it: 64 x 64."""
    image = Image.fromarray(np.ascontiguousarray(change(picture)))
    return np.asarray(image.resize((64, 64), Image.Resampling.BILINEAR, reducing_gap=3.0), np.uint8)


def verdicts(pictures: list[Gray], role: str, trained: Sequence[Mapping[str, Values]]) -> list[str]:
    """The code of the problem with each picture, 64 x 64; empty for none. ``wrong-view`` where that is all."""
    out = []
    for start in range(0, len(pictures), 256):
        for seen in see_all(np.stack(pictures[start : start + 256]), trained):
            out.append(_code(seen, role))
    return out


def _code(seen: Seen, role: str) -> str:
    quality = judge_seen(seen, role)
    if quality.problem is not None:
        return quality.problem[0]
    return "wrong-view" if quality.wrong_view is not None else ""


def of_chests(pictures: dict[str, list[Gray]], trained: Sequence[Mapping[str, Values]]) -> Iterator[tuple[str, ...]]:
    """Rows: kind, how it lies, number, share judged right, share declined for another reason."""
    for kind, these in pictures.items():
        role = "lateral" if kind in LATERAL_KINDS else "frontal"
        for name, (wanted, change) in CHANGES.items():
            found = verdicts([changed(p, change) for p in these], role, trained)
            accepted = [c in ("", "wrong-view") if wanted == "" else c == wanted for c in found]
            others = ", ".join(f"{c or 'read'} {found.count(c)}" for c in sorted(set(found) - {wanted}))
            yield kind, name, str(len(found)), f"{np.mean(accepted):.2%}", others


def of_others(pictures: dict[str, list[Gray]], trained: Sequence[Mapping[str, Values]]) -> Iterator[tuple[str, ...]]:
    """Rows: kind, number, share refused for any reason, share refused as no chest."""
    for kind, these in sorted(pictures.items()):
        found = verdicts([changed(p, lambda q: q) for p in these], "frontal", trained)
        refused = [c not in ("", "wrong-view") for c in found]
        yield kind, str(len(found)), f"{np.mean(refused):.2%}", f"{np.mean([c == 'not-a-chest' for c in found]):.2%}"


def varied(picture: Gray) -> list[Gray]:
    """Variants of one film as films vary: placed, bent, windowed, collimated, marked and noisy, upright and whole."""
    many = torch.from_numpy(np.repeat(picture[None], VARIED, 0))
    frontal = torch.zeros(VARIED, dtype=torch.long)
    return list(batch(many, frontal, np.random.default_rng(5), disturb=False, strength=0.6).small)


@click.command()
@click.option("--gathered", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True)
@click.option("--weights", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True)
@click.option("--also", multiple=True, help="A kind that was left out of training: measured whole.")
def measure(gathered: Path, weights: Path, also: tuple[str, ...]) -> None:
    """Print the tables of docs/gate.md."""
    torch.set_num_threads(1)
    stored, trained = np.load(gathered), load_weights(weights)
    kinds, pictures = stored["kinds"], stored["pictures"]
    used = stored["held_out"] | np.isin(kinds, also)
    by_kind = {str(k): list(pictures[used & (kinds == k)]) for k in np.unique(kinds[used])}
    by_kind["adult-film"] = varied(pictures[kinds == "adult-film"][0])
    chests = {k: by_kind[k] for k in CHEST_KINDS if k in by_kind}
    others = {k: v for k, v in by_kind.items() if k not in CHEST_KINDS}
    click.echo("| chests | as | number | judged right | else |\n|---|---|---|---|---|")
    for row in of_chests(chests, trained):
        click.echo(f"| {' | '.join(row)} |")
    click.echo("\n| no chests | number | refused | as no chest |\n|---|---|---|---|")
    for row in of_others(others, trained):
        click.echo(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    measure()
