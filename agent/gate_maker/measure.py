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
from agent.imaging.quality import judge, judge_seen
from agent.imaging.views import FRONTAL, LATERAL

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
    """Rows: kind, number, and for each change the share judged right: read when upright and whole; declined with the
    right code when turned or inverted; declined at all when cut in half."""
    for kind, these in pictures.items():
        role = LATERAL if kind in LATERAL_KINDS else FRONTAL
        right = []
        for wanted, change in CHANGES.values():
            found = verdicts([changed(p, change) for p in these], role, trained)
            read = [c in ("", "wrong-view") for c in found]
            right.append(
                1 - np.mean(read)
                if wanted == "cut-off"
                else np.mean(read if not wanted else [c == wanted for c in found])
            )
        yield kind, str(len(these)), *(f"{share:.2%}" for share in right)


def of_others(pictures: dict[str, list[Gray]], trained: Sequence[Mapping[str, Values]]) -> Iterator[tuple[str, ...]]:
    """Rows: kind, number, share refused for any reason when it is called frontal, and when it is called lateral."""
    for kind, these in sorted(pictures.items()):
        small = [changed(p, lambda q: q) for p in these]
        refused = [[c not in ("", "wrong-view") for c in verdicts(small, role, trained)] for role in (FRONTAL, LATERAL)]
        yield kind, str(len(small)), *(f"{np.mean(r):.2%}" for r in refused)


def exposures(folder: Path) -> str:
    """How many of the films in a folder, at their full size, are declined for exposure or clipping."""
    found = [judge(np.asarray(Image.open(path).convert("L")), FRONTAL) for path in sorted(folder.rglob("*.jp*g"))]
    codes = ["" if q.problem is None else q.problem[0] for q in found]
    remarked = sum(any("black or white" in remark for remark in q.remarks) for q in found)
    return f"{len(codes)} films: exposure {codes.count('exposure')}, clipped {codes.count('clipped')}, remarked on {remarked}"


def varied(picture: Gray) -> list[Gray]:
    """Variants of one film as films vary: placed, bent, windowed, collimated, marked and noisy, upright and whole."""
    many = torch.from_numpy(np.repeat(picture[None], VARIED, 0))
    frontal = torch.zeros(VARIED, dtype=torch.long)
    return list(batch(many, frontal, np.random.default_rng(5), disturb=False, strength=0.6).small)


@click.command()
@click.option("--gathered", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True)
@click.option("--weights", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True)
@click.option("--also", multiple=True, help="A kind that was left out of training: measured whole.")
@click.option(
    "--pediatric", type=click.Path(exists=True, file_okay=False, path_type=Path), help="For exposure and clipping."
)
def measure(gathered: Path, weights: Path, also: tuple[str, ...], pediatric: Path | None) -> None:
    """Print the tables of docs/gate.md."""
    torch.set_num_threads(1)
    stored, trained = np.load(gathered), load_weights(weights)
    kinds, pictures = stored["kinds"], stored["pictures"]
    used = stored["held_out"] | np.isin(kinds, also)
    by_kind = {str(k): list(pictures[used & (kinds == k)]) for k in np.unique(kinds[used])}
    by_kind["adult-film"] = varied(pictures[kinds == "adult-film"][0])
    chests = {k: by_kind[k] for k in CHEST_KINDS if k in by_kind}
    others = {k: v for k, v in by_kind.items() if k not in CHEST_KINDS}
    click.echo(f"| chests | number | {' | '.join(CHANGES)} |\n|{'---|' * (len(CHANGES) + 2)}")
    for row in of_chests(chests, trained):
        click.echo(f"| {' | '.join(row)} |")
    click.echo("\n| no chests | number | refused as frontal | refused as lateral |\n|---|---|---|---|")
    for row in of_others(others, trained):
        click.echo(f"| {' | '.join(row)} |")
    if pediatric is not None:
        click.echo(f"\n{exposures(pediatric)}")


if __name__ == "__main__":
    measure()
