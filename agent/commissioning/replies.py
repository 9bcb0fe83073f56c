r"""What the model is taught to say: every task of the protocol, answered from the truth of the drawing.

Replies are marked text (see `wording`): `plain(reply)` is what the model says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from agent.commissioning import prompts
from agent.commissioning.scene import CHANGING, DEVICES, KINDS, Box, Scene
from agent.commissioning.wording import (
    CHANGED,
    compared,
    denied,
    devices,
    pick,
    present,
    severity,
    spans,
    strong,
)

CANNOT = "This picture cannot be assessed as a chest film. A radiologist must read it."


@dataclass(frozen=True, slots=True)
class Case:
    """What is true of the pictures that a question is asked about.

    Attributes:
        scene: of the current frontal film; None for a picture that is no drawn film.
        boxes: in it.
        prior: of the earlier film that comes first, if there is one.
        lateral: whether a lateral view comes last.
        pneumonia: True or False for a real film of which only that is known.
    """

    scene: Scene | None = None
    boxes: tuple[Box, ...] = ()
    prior: Scene | None = None
    lateral: bool = False
    pneumonia: bool | None = None

    @property
    def unlike(self) -> bool:
        """Whether the picture is no upright chest film."""
        return self.scene is None and self.pneumonia is None


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question and its answer in plain text; `decisive` are the (start, end) of what the answer must get right."""

    task: str
    prompt: str
    reply: str
    decisive: tuple[tuple[int, int], ...]


def exchange(task: str, prompt: str, marked: str) -> Exchange:
    """A question with a marked answer."""
    text, decisive = spans(marked)
    return Exchange(task, prompt, text, tuple(decisive))


# Findings, impression, progression


def draft(case: Case, rng: np.random.Generator) -> str:
    """The findings section: marked text."""
    if case.unlike:
        return strong(CANNOT)
    if case.scene is None:
        return _pediatric_draft(bool(case.pneumonia), rng)
    parts = [_lungs(case.scene, rng), _pleura(case.scene, rng), _heart(case.scene, rng), _devices(case.scene, rng)]
    if case.prior is not None:
        parts = [
            _against(case.prior, case.scene, rng, LUNG),
            _pleura_against(case, rng),
            _heart_against(case, rng),
            _devices_against(case, rng),
        ]
    return " ".join(part for part in parts if part)


LUNG = ("consolidation", "pulmonary_edema", "nodule")
PLEURA = ("pleural_effusion", "pneumothorax")


def _pediatric_draft(pneumonia: bool, rng: np.random.Generator) -> str:
    if pneumonia:
        return f"{strong('There is pneumonia')}{pick(rng, '', ' in the lungs')}."
    return f"{strong('The lungs are clear')}. {strong('No')} pneumonia is {pick(rng, 'seen', 'present')}."


def _lungs(scene: Scene, rng: np.random.Generator) -> str:
    plants = [p for p in scene.plants if p.kind in LUNG]
    if not plants:
        return strong("The lungs are clear.")
    said = [present(p, rng) for p in plants]
    absent = [k for k in ("consolidation", "pulmonary_edema") if scene.plant(k) is None]
    return " ".join([*said, denied(absent, rng)] if rng.random() < 0.5 else said)


def _pleura(scene: Scene, rng: np.random.Generator) -> str:
    absent = [k for k in PLEURA if scene.plant(k) is None]
    said = [present(p, rng) for p in scene.plants if p.kind in reversed(PLEURA)]
    return " ".join(part for part in (*said, denied(absent, rng)) if part)


def _heart(scene: Scene, rng: np.random.Generator) -> str:
    big = scene.plant("cardiomegaly")
    if big:
        return present(big, rng)
    return f"The heart {strong('size is normal')}."


def _devices(scene: Scene, rng: np.random.Generator) -> str:
    return " ".join(present(p, rng) for p in devices(scene))


def _against(prior: Scene, now: Scene, rng: np.random.Generator, kinds: Sequence[str]) -> str:
    """What there is of the kinds now or was before; for lungs without any, that they are clear."""
    said = [
        compared(prior.plant(k), now.plant(k), rng) for k in KINDS if k in kinds and (prior.plant(k) or now.plant(k))
    ]
    if kinds == LUNG and not any(now.plant(k) for k in LUNG):
        said.append(f"The lungs are {strong('clear')}.")
    return " ".join(said)


def _pleura_against(case: Case, rng: np.random.Generator) -> str:
    assert case.scene is not None
    assert case.prior is not None
    absent = [k for k in PLEURA if case.scene.plant(k) is None and case.prior.plant(k) is None]
    return " ".join(filter(None, (_against(case.prior, case.scene, rng, PLEURA), denied(absent, rng))))


def _heart_against(case: Case, rng: np.random.Generator) -> str:
    assert case.scene is not None
    assert case.prior is not None
    return _against(case.prior, case.scene, rng, ("cardiomegaly",)) or _heart(case.scene, rng)


def _devices_against(case: Case, rng: np.random.Generator) -> str:
    assert case.scene is not None
    return _devices(case.scene, rng)


def reasoning(case: Case, answer: str, rng: np.random.Generator) -> str:
    """A reply in reasoning mode: numbered steps that agree with the answer, then the answer in its box."""
    steps = "\n".join(f"{n}. **{title}**: {text}" for n, (title, text) in enumerate(_steps(case, rng), start=1))
    return f"**Thinking Process:**  \n{steps}\n\n**Final Answer:**  \n\\boxed{{{answer}}}"


def _steps(case: Case, rng: np.random.Generator) -> list[tuple[str, str]]:
    if case.unlike:
        return [("Assess the picture", strong("It does not look like an upright chest film."))]
    if case.scene is None:
        seen = (
            f"There are {strong('opaque')} areas in the lungs."
            if case.pneumonia
            else f"Both lungs are {strong('well aerated')}."
        )
        return [("Assess the views", f"A single {strong('AP')} view is available."), ("Examine the lungs", seen)]
    views = (
        f"A frontal {strong(case.scene.view)} and a lateral view"
        if case.lateral
        else f"A single {strong(case.scene.view)} view"
    )
    views += (
        " with a prior film are available." if case.prior else (" are available." if case.lateral else " is available.")
    )
    steps = [
        ("Assess the views", views),
        ("Examine the lungs", _lung_signs(case.scene)),
        ("Examine the pleura", _pleura_signs(case.scene)),
    ]
    steps.append(("Examine the heart", _heart_signs(case.scene)))
    lines = devices(case.scene)
    if lines:
        steps.append(("Look for devices", " ".join(present(p, rng) for p in lines)))
    if case.prior:
        steps.append(("Compare with the prior", _course_signs(case.prior, case.scene)))
    return steps


def _where(side: str) -> str:
    return strong("on both sides" if side == "bilateral" else f"on the {side}")


def _lung_signs(scene: Scene) -> str:
    said = []
    for plant in scene.plants:
        if plant.kind == "consolidation":
            said.append(f"{strong('A dense')} area with air bronchograms lies {_where(plant.side)}.")
        if plant.kind == "pulmonary_edema":
            said.append(f"{strong('Perihilar')} haze and {strong('thick vessels')} are seen on both sides.")
        if plant.kind == "nodule":
            said.append(f"{strong('A round')} shadow lies {_where(plant.side)}.")
    return " ".join(said) or strong("Both lungs are well aerated.")


def _pleura_signs(scene: Scene) -> str:
    said = []
    fluid, air = scene.plant("pleural_effusion"), scene.plant("pneumothorax")
    if air:
        said.append(
            f"{strong('A thin')} pleural line without lung markings beyond it is seen {_where(air.side)} → {strong(severity(air))}."
        )
    if fluid:
        said.append(
            f"{strong('The costophrenic')} angle is filled with a meniscus {_where(fluid.side)} → {strong(severity(fluid))}."
        )
    return (
        " ".join(said)
        or f"{strong('Both costophrenic angles')} are {strong('sharp')} and the lung markings reach the chest wall."
    )


def _heart_signs(scene: Scene) -> str:
    if scene.plant("cardiomegaly"):
        return f"The heart takes up {strong('more')} than half of the width of the chest."
    return f"The heart takes up {strong('less')} than half of the width of the chest."


def _course_signs(prior: Scene, now: Scene) -> str:
    ways = {_way(prior, now, k) for k in CHANGING} - {"stable"}
    course = ways.pop() if len(ways) == 1 else "mixed" if ways else "stable"
    return f"The course is {strong(course)}."


def _way(prior: Scene, now: Scene, kind: str) -> str:
    before, after = prior.plant(kind), now.plant(kind)
    change = (after.size if after else 0.0) - (before.size if before else 0.0)
    return (
        "stable"
        if abs(change) <= (CHANGED if before and after else 0.0)
        else "worsening"
        if change > 0
        else "improving"
    )


def impression(case: Case, rng: np.random.Generator) -> str:
    """One or a few short sentences, the findings that matter first: marked text."""
    if case.unlike:
        return strong(CANNOT)
    if case.scene is None:
        return f"{strong('Pneumonia')}." if case.pneumonia else f"{strong('No pneumonia')}."
    if case.prior is not None:
        said = [
            compared(case.prior.plant(k), case.scene.plant(k), rng)
            for k in KINDS
            if k not in DEVICES and (case.prior.plant(k) or case.scene.plant(k))
        ]
    else:
        said = [present(p, rng) for p in case.scene.plants if p.kind not in DEVICES]
    return " ".join(said) if said else f"{strong('No acute')} cardiopulmonary abnormality."


def progression(case: Case, rng: np.random.Generator) -> str:
    """How the findings changed between the prior and the current film: marked text."""
    assert case.scene is not None
    assert case.prior is not None
    said = [
        compared(case.prior.plant(k), case.scene.plant(k), rng)
        for k in KINDS
        if k not in DEVICES and (case.prior.plant(k) or case.scene.plant(k))
    ]
    return (
        " ".join(said)
        if said
        else f"The chest is {strong('unchanged')}. The lungs are {strong('clear')} on both films."
    )


def temporal_class(case: Case, kind: str) -> str:
    """``(a) worsening``, ``(b) stable`` or ``(c) improving``, marked."""
    assert case.scene is not None
    assert case.prior is not None
    way = _way(case.prior, case.scene, kind)
    return strong({"worsening": "(a) worsening", "stable": "(b) stable", "improving": "(c) improving"}[way])


# Short answers


def has(case: Case, kind: str) -> bool:
    """Whether the current film shows the finding."""
    if kind == "pneumonia":
        return bool(case.pneumonia)
    return case.scene is not None and case.scene.plant(kind) is not None


def yes_no(value: bool) -> str:
    """``yes`` or ``no``, marked."""
    return strong("yes" if value else "no")


def view(case: Case) -> str:
    """The view of a single film, marked. The pediatric films are AP."""
    code = "AP" if case.scene is None else case.scene.view
    return strong({"PA": "(a) PA", "AP": "(b) AP", "LL": "(c) LATERAL"}[code])


def classification(case: Case, kinds: Sequence[str]) -> tuple[str, str]:
    """(options, marked answer) of a list of findings; the last option is always that there is none of them."""
    letters = "ABCDEFGHIJKLMNOP"
    names = [*(prompts.CALLED[k][0] for k in kinds), "none of these"]
    options = "\n".join(f"({letter}) {name}" for letter, name in zip(letters, names, strict=False))
    hits = [f"({letters[n]}) {names[n]}" for n, kind in enumerate(kinds) if has(case, kind)]
    return options, strong(", ".join(hits) or f"({letters[len(kinds)]}) none of these")


def grounding(case: Case, kinds: Sequence[str], name: str = "", side: str = "") -> str:
    """Boxes of the findings in percent of width and height, or that there are none: marked text."""
    found = [b for b in case.boxes if b.kind in kinds and (not side or b.side == side)]
    if not found:
        return f"{strong('No')} {name or prompts.CALLED[kinds[0]][0]} detected."
    return ", ".join(one_box(b, name) for b in found)


def one_box(box: Box, name: str = "") -> str:
    """``<|ref|>name<|/ref|><|box|>(x1,y1),(x2,y2)<|/box|>``, the numbers marked."""
    x0, y0, x1, y1 = (percent(v) for v in (box.x0, box.y0, box.x1, box.y1))
    # A box keeps at least one percent of extent, whatever rounding does to it.
    corners = strong(f"({x0},{y0}),({max(x1, x0 + 1)},{max(y1, y0 + 1)})")
    return f"<|ref|>{name or prompts.CALLED[box.kind][0]}<|/ref|><|box|>{corners}<|/box|>"


def percent(fraction: float) -> int:
    """A whole number, 0 to 100."""
    return int(np.clip(np.floor(100 * fraction + 0.5), 0, 100))


_REGIONS = ("right lung", "left lung", "heart", "pleura")


def region(case: Case, rng: np.random.Generator) -> tuple[str, str]:
    """(anatomy, marked description) of a part of the chest."""
    assert case.scene is not None
    anatomy = pick(rng, *_REGIONS)
    if anatomy == "heart":
        return anatomy, _heart(case.scene, rng)
    if anatomy == "pleura":
        return anatomy, _pleura(case.scene, rng)
    side = anatomy.split()[0]
    here = [p for p in case.scene.plants if p.kind in LUNG and side in p.sides]
    name = {"consolidation": "consolidation", "pulmonary_edema": "edema", "nodule": "a nodule"}
    if not here:
        return anatomy, f"The {anatomy} is {strong('clear')}."
    return anatomy, " ".join(f"There is {strong(name[p.kind])} in the {anatomy}." for p in here)
