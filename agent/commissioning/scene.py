"""What a drawn film shows: the planted findings, the patient they are planted in, and the view."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from structured_report.vocabulary import vocabulary

LUNG_FINDINGS = ("pneumothorax", "pleural_effusion", "consolidation", "pulmonary_edema", "nodule")
FINDINGS = ("pneumothorax", "pleural_effusion", "consolidation", "pulmonary_edema", "cardiomegaly", "nodule")
DEVICES = ("endotracheal_tube", "central_line", "chest_tube", "feeding_tube")
KINDS = FINDINGS + DEVICES
SIDED = ("pneumothorax", "pleural_effusion", "consolidation", "nodule", "central_line", "chest_tube")
VIEWS = ("PA", "AP", "LL")
# Every finding on every side it can have.
CLASSES = tuple((k, s) for k in KINDS for s in (("right", "left") if k in SIDED or k == "pulmonary_edema" else ("",)))


@dataclass(frozen=True, slots=True)
class Plant:
    """One planted finding.

    Attributes:
        kind: a key of `structured_report/vocabulary.toml`, one of `KINDS`.
        side: the patient's ``left``, ``right`` or ``bilateral``; empty for a finding that has no side.
        size: 0 (just visible to a person) to 1 (as large as it gets).
    """

    kind: str
    side: str
    size: float

    def __post_init__(self) -> None:
        if self.kind not in KINDS or self.kind not in vocabulary():
            raise ValueError(f"{self.kind!r} is not one of {', '.join(KINDS)}")
        allowed = (
            ("left", "right", "bilateral") if self.kind in SIDED else ("bilateral",) * (self.kind == "pulmonary_edema")
        )
        if self.side not in (allowed or ("",)):
            raise ValueError(f"{self.kind} cannot have the side {self.side!r}")
        if not 0 <= self.size <= 1:
            raise ValueError(f"size {self.size} is not within 0 to 1")

    @property
    def sides(self) -> tuple[str, ...]:
        """The sides it is drawn on: right before left, as reports name them."""
        return ("right", "left") if self.side == "bilateral" else (self.side,)


@dataclass(frozen=True, slots=True)
class Box:
    """Where one planted finding lies: fractions 0 to 1 of the picture's width and height, origin top left, x0 < x1 and
    y0 < y1. `side` is the side of this box; a bilateral finding has two boxes."""

    kind: str
    side: str
    x0: float
    y0: float
    x1: float
    y1: float


@dataclass(frozen=True, slots=True)
class Scene:
    """One film to draw.

    Attributes:
        seed: varies what differs from film to film: position, exposure, noise.
        plants: what is planted, at most one of a kind.
        view: ``PA``, ``AP`` or ``LL`` (left lateral).
        patient: varies what stays with the patient: build, size, and where a finding sits. None: the same as `seed`.
    """

    seed: int
    plants: tuple[Plant, ...] = ()
    view: str = "PA"
    patient: int | None = None

    def __post_init__(self) -> None:
        if self.view not in VIEWS:
            raise ValueError(f"{self.view!r} is not one of {', '.join(VIEWS)}")
        kinds = [p.kind for p in self.plants]
        if len(set(kinds)) != len(kinds):
            raise ValueError("a kind is planted at most once; both sides are one bilateral plant")

    def film_rng(self, what: str) -> np.random.Generator:
        """Randomness of this film, for one named purpose."""
        return _rng(self.seed, what)

    def patient_rng(self, what: str) -> np.random.Generator:
        """Randomness that every film of this patient shares, for one named purpose."""
        return _rng(self.seed if self.patient is None else self.patient, what)

    def lateral(self) -> Scene:
        """The left lateral of the same study."""
        return replace(self, view="LL", patient=self.seed if self.patient is None else self.patient)

    def plant(self, kind: str) -> Plant | None:
        """The plant of a kind, if there is one."""
        return next((p for p in self.plants if p.kind == kind), None)


def _rng(seed: int, what: str) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(what.encode())])


# The combinations films come with, and how often: (weight, always, sometimes with probability).
_Pattern = tuple[float, tuple[str, ...], dict[str, float]]
_PATTERNS: tuple[_Pattern, ...] = (
    (2.2, ("pneumothorax",), {"chest_tube": 0.35, "endotracheal_tube": 0.12, "central_line": 0.12, "nodule": 0.08}),
    (1.6, ("pleural_effusion",), {"cardiomegaly": 0.2, "central_line": 0.15, "nodule": 0.12, "chest_tube": 0.12}),
    (1.4, ("cardiomegaly", "pulmonary_edema"), {"pleural_effusion": 0.55, "central_line": 0.2, "endotracheal_tube": 0.15}),
    (2.0, ("consolidation",), {"pleural_effusion": 0.25, "endotracheal_tube": 0.15, "feeding_tube": 0.15, "central_line": 0.15}),
    (1.8, ("nodule",), {"cardiomegaly": 0.12, "pleural_effusion": 0.1, "central_line": 0.08}),
    (1.1, ("cardiomegaly",), {"pleural_effusion": 0.2, "central_line": 0.1}),
    (
        1.6,
        ("endotracheal_tube",),
        {
            "central_line": 0.6, "feeding_tube": 0.6, "pulmonary_edema": 0.25, "consolidation": 0.3,
            "pleural_effusion": 0.25, "pneumothorax": 0.2, "chest_tube": 0.15, "cardiomegaly": 0.2,
        },
    ),
    (0.9, ("central_line",), {"feeding_tube": 0.3}),
    (0.7, ("feeding_tube",), {"central_line": 0.2, "pleural_effusion": 0.2}),
    (0.6, ("chest_tube",), {"pleural_effusion": 0.35, "pneumothorax": 0.35}),
    (0.5, ("pulmonary_edema",), {"pleural_effusion": 0.4, "endotracheal_tube": 0.3}),
)  # fmt: skip
NORMAL_SHARE = 0.4
# Of films with findings: how many show findings that rarely go together, lest one be taken to exclude the other.
ANY_TOGETHER = 0.2


def random_scene(
    rng: np.random.Generator, *, view: str | None = None, normal_share: float = NORMAL_SHARE, patient: int | None = None
) -> Scene:
    """A film as they come: about `normal_share` of them normal, the others with findings that go together.

    Args:
        view: ``PA``, ``AP`` or ``LL``; None draws a frontal one, AP more often for the bedridden.
        patient: draws the films of one patient; None is a patient of its own.
    """
    plants = () if rng.random() < normal_share else _random_plants(rng)
    if view is None:
        bedside = any(p.kind in DEVICES for p in plants)
        view = "AP" if rng.random() < (0.75 if bedside else 0.35) else "PA"
    return Scene(int(rng.integers(1 << 62)), plants, view, patient)


def _random_plants(rng: np.random.Generator) -> tuple[Plant, ...]:
    if rng.random() < ANY_TOGETHER:
        return ordered(_sided(rng, [str(k) for k in rng.permutation(KINDS)[: int(rng.integers(2, 4))]]))
    weights = np.array([w for w, _, _ in _PATTERNS])
    _, always, sometimes = _PATTERNS[int(rng.choice(len(_PATTERNS), p=weights / weights.sum()))]
    kinds = [*always, *(kind for kind, p in sometimes.items() if rng.random() < p)]
    return ordered(_sided(rng, kinds))


def ordered(plants: Iterable[Plant]) -> tuple[Plant, ...]:
    """In the order of `KINDS`."""
    return tuple(sorted(plants, key=lambda p: KINDS.index(p.kind)))


def _sided(rng: np.random.Generator, kinds: Sequence[str]) -> list[Plant]:
    """Sides that go together: a chest tube lies where the air or the fluid is, and fluid does not hide in a
    pneumothorax."""
    side = {kind: str(rng.choice(["left", "right"])) for kind in kinds}
    both = {"pleural_effusion": 0.25, "consolidation": 0.12, "pneumothorax": 0.03}
    if "pulmonary_edema" in kinds or ("cardiomegaly" in kinds and "pneumothorax" not in kinds):
        both["pleural_effusion"] = 0.6
    if "pneumothorax" in kinds:
        both["consolidation"] = both["pleural_effusion"] = 0.0
    for kind in kinds:
        if rng.random() < both.get(kind, 0.0):
            side[kind] = "bilateral"
    if "pneumothorax" in kinds:
        away = {"left": "right", "right": "left"}.get(side["pneumothorax"])
        for kind in ("pleural_effusion", "consolidation"):
            if kind in side and away:
                side[kind] = away
    elif {"pleural_effusion", "consolidation"} <= side.keys() and "bilateral" not in side.values():
        side["pleural_effusion"] = side["consolidation"]
    for cause in ("pleural_effusion", "pneumothorax"):
        if "chest_tube" in side and cause in side:
            side["chest_tube"] = side[cause] if side[cause] != "bilateral" else side["chest_tube"]
    side |= {kind: "bilateral" for kind in kinds if kind == "pulmonary_edema"}
    return [
        Plant(k, side[k] if k in SIDED or k == "pulmonary_edema" else "", round(float(rng.uniform(0.1, 1)), 3))
        for k in kinds
    ]


def random_pair(rng: np.random.Generator, *, changes: str | None = None) -> tuple[Scene, Scene, str]:
    """(prior, current, course) of one patient; course is ``worsening``, ``stable`` or ``improving`` for every finding
    that can change."""
    course = changes or str(rng.choice(["worsening", "stable", "improving"]))
    current = random_scene(rng, normal_share=0.1)
    patient = int(rng.integers(1 << 62))
    before, now = [], []
    for plant in current.plants:
        older, newer = _two_sizes(rng, plant, course)
        before += [older] if older else []
        now += [newer] if newer else []
    prior = Scene(int(rng.integers(1 << 62)), tuple(before), current.view, patient)
    return prior, Scene(current.seed, tuple(now), current.view, patient), course


CHANGING = ("pneumothorax", "pleural_effusion", "consolidation", "pulmonary_edema")


def _two_sizes(rng: np.random.Generator, plant: Plant, course: str) -> tuple[Plant | None, Plant | None]:
    """Before and now. A change is at least 0.3 of the scale, so that a person sees it; new and resolved ones occur."""
    if plant.kind not in CHANGING:
        return plant, plant
    if course == "stable":
        return plant, replace(plant, size=round(float(np.clip(plant.size + rng.uniform(-0.03, 0.03), 0.1, 1)), 3))
    small = float(rng.uniform(0.1, 0.65))
    large = replace(plant, size=round(float(rng.uniform(small + 0.3, 1)), 3))
    little = None if rng.random() < 0.2 else replace(plant, size=round(small, 3))
    return (little, large) if course == "worsening" else (large, little)
