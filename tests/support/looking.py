"""A model that looks. It knows how the patients of the constancy test look without a finding, from either side, takes the one
that is most like the picture, and says what differs: where it is darker there is air, where it is brighter fluid, a dense
area or a large heart, on the side and at the place where it sees it. It is told nothing about the film."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from agent.commissioning.phantom import draw
from agent.evaluation.qc.films import CATALOGUE
from agent.model.protocol import Answer, Choice, ModelIdentity, Picture
from structured_report.vocabulary import vocabulary

Grid = NDArray[np.float64]
_ROWS, _COLUMNS = 80, 64
_UNLIKE = 14.0  # mean difference in grey levels from everything that is known
_WORDS = {
    "pneumothorax": "There is a {side} pneumothorax.",
    "pleural_effusion": "There is a {side} pleural effusion.",
    "consolidation": "There is consolidation in the {side} lung.",
    "cardiomegaly": "The heart is enlarged.",
}
_NORMAL = "The lungs are clear. There is no pneumothorax or pleural effusion. The heart size is normal."


@dataclass(frozen=True)
class Sight:
    """One thing that is seen; the box in fractions of the picture."""

    concept: str
    side: str
    box: tuple[float, float, float, float]


@cache
def _patients() -> tuple[tuple[float, Grid], ...]:
    """(height to width, grid) of each patient without a finding, as they are and mirrored."""
    known = []
    for seed, view, rows, columns in sorted(
        {(f.scene.seed, f.scene.view, f.style.rows, f.style.columns) for f in CATALOGUE.values()}
    ):
        healthy = replace(next(f.scene for f in CATALOGUE.values() if f.scene.seed == seed), plants=(), view=view)
        grid = _grid((draw(healthy, rows // 2, columns // 2).density * 255).astype(np.uint8))
        known += [(rows / columns, grid), (rows / columns, grid[:, ::-1])]
    return tuple(known)


def _grid(picture: Picture) -> Grid:
    return np.asarray(Image.fromarray(picture).resize((_COLUMNS, _ROWS), Image.Resampling.BOX), np.float64)


def see(picture: Picture) -> Sight | str | None:
    """What is seen; None for a normal film, words for a picture that is like no chest."""
    grid, shape = _grid(picture), picture.shape[0] / picture.shape[1]
    near = [known for ratio, known in _patients() if abs(ratio - shape) < 0.02]
    if not near:
        return "This picture cannot be assessed."
    differences = min((grid - known for known in near), key=lambda d: float(np.abs(d).mean()))
    if float(np.abs(differences).mean()) > _UNLIKE:
        return "This picture cannot be assessed."
    dark, bright = differences < -10, differences > 30
    if dark.sum() > 100:
        return _sight("pneumothorax", dark)
    if bright.sum() < 60:
        return None
    box = _box(bright)
    if box[0] < 0.45 and box[2] > 0.6:
        return Sight("cardiomegaly", "", box)
    return _sight("pleural_effusion" if box[3] > 0.75 else "consolidation", bright)


def _sight(concept: str, where: NDArray[np.bool_]) -> Sight:
    box = _box(where)
    # The patient's right is on the picture's left.
    return Sight(concept, "right" if box[0] + box[2] < 1 else "left", box)


def _box(where: NDArray[np.bool_]) -> tuple[float, float, float, float]:
    across, down = np.flatnonzero(where.sum(0) > 2), np.flatnonzero(where.sum(1) > 2)
    return across[0] / _COLUMNS, down[0] / _ROWS, (across[-1] + 1) / _COLUMNS, (down[-1] + 1) / _ROWS


class LookingModel:
    """The seam."""

    identity = ModelIdentity("looking", "0" * 64, "none", "cpu", "", "numpy", for_commissioning=True)

    def open_study(self, pictures: Sequence[Picture], *, system: str) -> LookingSession:
        return LookingSession(pictures)

    def close(self) -> None:
        """There is nothing to free."""


class LookingSession:
    """Answers from what is seen in the first picture."""

    def __init__(self, pictures: Sequence[Picture]) -> None:
        self._seen = see(pictures[0])

    def ask(
        self,
        prompt: str,
        *,
        pictures: Sequence[int],
        max_new_tokens: int,
        deadline_s: float,
        between_tokens: Callable[[], None] | None = None,
    ) -> Answer:
        if between_tokens is not None:
            between_tokens()
        text = self._boxes(prompt) if prompt.startswith("Locate") else self._draft()
        if "\\boxed" in prompt:
            text = f"I compare both sides.\n\n**Final Answer:**\n\\boxed{{{text}}}"
        return Answer(text, len(text.split()), True, 0.0)

    def _draft(self) -> str:
        if self._seen is None or isinstance(self._seen, str):
            return self._seen or _NORMAL
        return _WORDS[self._seen.concept].format(side=self._seen.side)

    def _boxes(self, prompt: str) -> str:
        if not isinstance(self._seen, Sight) or not _asked(prompt, self._seen.concept):
            return "No such finding detected."
        x0, y0, x1, y1 = (round(100 * v) for v in self._seen.box)
        return f"<|ref|>it<|/ref|><|box|>({x0},{y0}),({x1},{y1})<|/box|>"

    def choose(
        self, prompts: Sequence[str], *, pictures: Sequence[int], choices: Sequence[Sequence[str]], deadline_s: float
    ) -> tuple[Choice, ...]:
        there = [isinstance(self._seen, Sight) and _asked(p, self._seen.concept) for p in prompts]
        return tuple(Choice((0.95, 0.05) if yes else (0.05, 0.95), 0 if yes else 1) for yes in there)

    def close(self) -> None:
        """There is nothing to free."""


def _asked(prompt: str, concept: str) -> bool:
    return vocabulary()[concept].words[0] in prompt
