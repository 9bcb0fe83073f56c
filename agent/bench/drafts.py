"""What the studies of a made ledger say: drafts of the commissioning model's grammar about random films, ranked as the program
ranks, without a model."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from agent.commissioning.phantom import Scene, draw, random_scene
from agent.commissioning.replies import Case, draft, reasoning
from agent.commissioning.scene import DEVICES
from agent.commissioning.wording import plain
from agent.reading.labels import label
from agent.reading.triage import Ranked, Rule, load_rules, rank_findings, rank_probabilities
from agent.settings import Triage
from structured_report.content import Laterality, Probability, Region

ROWS, COLUMNS = 2500, 2048
_DRAWN = (128, 105)  # boxes are fractions, whatever the size


@dataclass(frozen=True, slots=True)
class Draft:
    """A reading as the ledger keeps it. `regions` name no image yet; `flagged` is what the short questions alone gave."""

    reply: str
    reasoning: str
    draft: str
    findings: list[dict[str, Any]]
    regions: list[dict[str, Any]]
    probabilities: list[dict[str, Any]]
    flagged: Ranked
    ranked: Ranked


def drafts(count: int, *, seed: int) -> list[Draft]:
    """So many different ones; the same seed makes the same."""
    rng = np.random.default_rng(seed)
    rules = load_rules(None)
    return [_draft(rng, rules) for _ in range(count)]


def _draft(rng: np.random.Generator, rules: tuple[Rule, ...]) -> Draft:
    scene = random_scene(rng, normal_share=0.7)
    case = Case(scene, draw(scene, *_DRAWN).boxes, lateral=True)
    words = plain(draft(case, rng))
    reply = plain(reasoning(case, words, rng))
    findings = label(words)
    probabilities = [Probability(name, _likely(scene, name, rng)) for name in Triage().findings]
    flagged = rank_probabilities(rules, probabilities)
    return Draft(
        reply,
        reply.partition("\n\n**Final")[0],
        words,
        [asdict(f) for f in findings],
        [asdict(r) for r in _regions(case)],
        [asdict(p) for p in probabilities],
        flagged,
        flagged.raised_to(rank_findings(rules, findings)),
    )


def _likely(scene: Scene, concept: str, rng: np.random.Generator) -> float:
    there = partial(rng.beta, 9, 2) if scene.plant(concept) else partial(rng.beta, 1, 40)
    return round(float(there()), 4)


def _regions(case: Case) -> list[Region]:
    return [
        Region(
            b.kind, "", b.x0 * COLUMNS, b.y0 * ROWS, b.x1 * COLUMNS, b.y1 * ROWS, Laterality(b.side) if b.side else None
        )
        for b in case.boxes
        if b.kind not in DEVICES
    ]
