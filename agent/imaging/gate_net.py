"""The small network of the pixel gate, in numpy alone: what kind of picture, which way up, which polarity, how whole.

The picture is made 64 x 64 pixels and described by where edges of which direction are (a histogram of signed gradients
in 16 x 16 cells) and how bright it is; two convolutions and two dense layers judge that. `agent.gate_maker` trains it;
`gate.md` is its card.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from PIL import Image

from agent.model.protocol import Picture

Values = NDArray[np.float32]
SIDE = 64
HEADS = {"kind": 3, "turn": 4, "polarity": 2, "whole": 2}


@dataclass(frozen=True, slots=True)
class Seen:
    """What the network makes of a picture; probabilities, 0 to 1, that mean little beyond their order.

    Attributes:
        frontal, lateral, no_chest: the kind of picture; they add up to 1.
        upright, upside_down, turned: which way up, should it be a chest; `turned` is by 90 degrees, either way.
        inverted: bright lungs in a dark body, should it be a chest.
        halved: a large part of the chest is outside the picture.
    """

    frontal: float
    lateral: float
    no_chest: float
    upright: float
    upside_down: float
    turned: float
    inverted: float
    halved: float


def see(picture: Picture) -> Seen:
    """Look at a picture, shape (rows, columns), uint8, of any size. Its mirror image gets the same answer."""
    return see_all(shrunk(picture)[None], weights())[0]


def see_all(small: Picture, trained: Sequence[Mapping[str, Values]]) -> list[Seen]:
    """Look at many pictures, shape (n, 64, 64), with several networks: the means over these, and over each picture and
    its mirror image."""
    both = features(np.concatenate([small, small[:, :, ::-1]]))
    seen = [[_softmax(v).reshape(2, len(small), -1).mean(0) for v in forward(one, both)] for one in trained]
    kind, turn, polarity, whole = (np.mean(heads, 0) for heads in zip(*seen, strict=True))
    sides = turn[:, 1] + turn[:, 3]  # a quarter turn one way is, in the mirror, one the other way
    values = np.column_stack([kind, turn[:, 0], turn[:, 2], sides, polarity[:, 1], whole[:, 1]])
    return [Seen(*map(float, row)) for row in values]


def shrunk(picture: Picture) -> Picture:
    """64 rows and columns, whatever the shape was."""
    image = Image.fromarray(np.ascontiguousarray(picture))
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR, reducing_gap=3.0), np.uint8)


def features(small: Picture) -> Values:
    """What the network sees of pictures, shape (n, 64, 64), uint8: shape (n, 10, 16, 16), about -1 to 1.

    Eight directions of gradient, dark to bright, each cell's strength relative to its neighbourhood; the picture with
    its 2nd and 98th percentiles at the ends; and its histogram made flat. So window and gamma matter little.
    """
    linear, ranks = _levels(small)
    smooth = np.pad(linear, ((0, 0), (1, 1), (1, 1)), mode="edge")
    across = smooth[:, 1:-1, 2:] - smooth[:, 1:-1, :-2]
    down = smooth[:, 2:, 1:-1] - smooth[:, :-2, 1:-1]
    strength = np.sqrt(across**2 + down**2) + np.float32(0.01)
    edges = [_cells(_along(across, down, a) / strength) for a in np.arange(8) * np.pi / 4]
    directed = np.stack(edges, 1)
    around = np.pad(directed.sum(1), ((0, 0), (2, 2), (2, 2)), mode="edge")
    nearby = sliding_window_view(around, (5, 5), axis=(1, 2)).mean((3, 4))
    brightness = np.stack([2 * _cells(linear) - 1, 2 * _cells(ranks) - 1], 1)
    return np.concatenate([4 * directed / (nearby + 0.05)[:, None], brightness], 1, dtype=np.float32)


def _along(across: Values, down: Values, angle: float) -> Values:
    """The squared gradient in one direction; none where it goes the other way."""
    part = across * np.float32(np.cos(angle)) + down * np.float32(np.sin(angle))
    return np.asarray(np.maximum(part, 0) ** 2, np.float32)


def _levels(small: Picture) -> tuple[Values, Values]:
    """The picture between its percentiles, and the rank of each pixel; both 0 to 1."""
    n, total = len(small), SIDE * SIDE
    flat = small.reshape(n, -1).astype(np.intp)
    of = 256 * np.arange(n)[:, None]
    histogram = np.bincount((flat + of).ravel(), minlength=256 * n).reshape(n, 256)
    below = histogram.cumsum(1)
    low, high = ((below < q * total).sum(1)[:, None].astype(np.float32) for q in (0.02, 0.98))
    linear = np.clip((flat.astype(np.float32) - low) / np.maximum(high - low, np.float32(1)), 0, 1)
    ranks = np.take_along_axis(((below - histogram / 2) / total).astype(np.float32), flat, 1)
    return linear.reshape(small.shape), ranks.reshape(small.shape)


def _cells(x: Values) -> Values:
    """Means over cells of 4 x 4 pixels."""
    return np.asarray(x.reshape(len(x), SIDE // 4, 4, SIDE // 4, 4).mean((2, 4)))


def forward(trained: Mapping[str, Values], x: Values) -> tuple[Values, Values, Values, Values]:
    """Logits of kind, turn, polarity and wholeness, shapes (n, 3), (n, 4), (n, 2), (n, 2), for features of shape
    (n, 10, 16, 16)."""
    for n in (1, 2):
        x = _convolved(x, trained[f"conv{n}"], trained[f"bias{n}"])
    flat = np.maximum(x.reshape(len(x), -1) @ trained["dense"].T + trained["dense_bias"], 0)
    logits = flat @ trained["out"].T + trained["out_bias"]
    kind, turn, polarity, whole = np.split(logits, np.cumsum(list(HEADS.values()))[:-1], axis=1)
    return kind, turn, polarity, whole


def _convolved(x: Values, kernel: Values, bias: Values) -> Values:
    """3 x 3 convolution to half the rows and columns, then the positive part."""
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = sliding_window_view(padded, (3, 3), axis=(2, 3))[:, :, ::2, ::2]
    out = np.tensordot(windows, kernel, axes=((1, 4, 5), (1, 2, 3))) + bias
    return np.asarray(np.maximum(out, 0).transpose(0, 3, 1, 2))


def _softmax(logits: Values) -> Values:
    raised = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(raised / raised.sum(1, keepdims=True))


@cache
def weights() -> Sequence[Mapping[str, Values]]:
    """The trained networks."""
    with resources.as_file(resources.files("agent.imaging") / "gate.npz") as path:
        return load_weights(path)


def load_weights(path: Path) -> Sequence[Mapping[str, Values]]:
    """Networks in a file: arrays called ``0/conv1``, by network and layer."""
    members: dict[str, dict[str, Values]] = {}
    with np.load(path) as stored:
        for name in stored.files:
            member, _, layer = name.partition("/")
            members.setdefault(member, {})[layer] = stored[name].astype(np.float32)
    return tuple(members.values())
