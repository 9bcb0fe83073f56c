"""Which faults a campaign injects, in which order: decided by its seed alone, so that it can go on where it was broken off."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

# What is done to the site in a round.
KILL, NETWORK, DISK, DATABASE, ANSWERS, REFUSAL, MODEL, CLOCK = (
    "kill", "network", "disk", "database", "answers", "refusal", "model", "clock",
)  # fmt: skip
KINDS = (KILL, NETWORK, DISK, DATABASE, ANSWERS, REFUSAL, MODEL, CLOCK)

# How the site runs meanwhile. ALONE: each role under a service manager. SUPERVISED: `preread serve`. READING: each on its
# own, with the commissioning model and chest films. STEPPED: each on its own, with a clock that can be set.
ALONE, SUPERVISED, READING, STEPPED = "alone", "supervised", "reading", "stepped"

SEGMENT = 60  # rounds that one site lives through


@dataclass(frozen=True, slots=True)
class Round:
    """One fault. `number` counts from 1; `seed` decides everything that chance decides in it."""

    number: int
    kind: str
    mode: str
    seed: str

    def chance(self) -> random.Random:
        return random.Random(self.seed)


def plan(counts: Mapping[str, int], seed: int) -> list[list[Round]]:
    """The segments of a campaign, each for one site. `counts`: rounds of each kind."""
    chance = random.Random(f"{seed}")
    kinds = [kind for kind in KINDS for _ in range(counts.get(kind, 0))]
    chance.shuffle(kinds)
    by_mode: dict[str, list[str]] = {ALONE: [], SUPERVISED: [], STEPPED: [], READING: []}
    for kind in kinds:
        by_mode[_mode(kind, chance)].append(kind)
    segments, number = [], 0
    for mode, ones in by_mode.items():
        for start in range(0, len(ones), SEGMENT):
            segment = []
            for kind in ones[start : start + SEGMENT]:
                number += 1
                segment.append(Round(number, kind, mode, f"{seed}-{number}-{kind}"))
            segments.append(segment)
    return segments


def _mode(kind: str, chance: random.Random) -> str:
    if kind == MODEL:
        return READING
    if kind == CLOCK:
        return STEPPED
    if kind == KILL:
        return chance.choices([ALONE, SUPERVISED, READING], [80, 15, 5])[0]
    if kind == NETWORK:
        return chance.choices([ALONE, SUPERVISED], [90, 10])[0]
    return ALONE
