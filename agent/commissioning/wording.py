"""Sentences about findings: several natural wordings of each, with the side always said where there is one.

A sentence names one finding, or denies some; it compares with a prior only in the functions that are given one. What
the model must get right (a side, a size, a denial) is marked, so that training can count it for more.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from agent.commissioning.scene import DEVICES, Plant, Scene

_OPEN, _CLOSE = "\ue000", "\ue001"
CHANGED = 0.15  # of the scale of sizes: what a comparison calls a change


def strong(words: str) -> str:
    """Mark words as decisive."""
    return f"{_OPEN}{words}{_CLOSE}"


def plain(marked: str) -> str:
    """The text without marks."""
    return marked.replace(_OPEN, "").replace(_CLOSE, "")


def spans(marked: str) -> tuple[str, list[tuple[int, int]]]:
    """The text without marks, and the (start, end) of what was marked in it."""
    text, found, start = "", [], 0
    for character in marked:
        if character == _OPEN:
            start = len(text)
        elif character == _CLOSE:
            found.append((start, len(text)))
        else:
            text += character
    return text, found


def severity(plant: Plant) -> str:
    """The size in the word that goes with the finding."""
    grade = 0 if plant.size < 0.37 else 1 if plant.size < 0.7 else 2
    heavy = plant.kind in ("pulmonary_edema", "cardiomegaly")
    return (("mild", "moderate", "severe") if heavy else ("small", "moderate", "large"))[grade]


def pick(rng: np.random.Generator, *choices: str) -> str:
    """One of the wordings."""
    return choices[int(rng.integers(len(choices)))]


def article(words: str) -> str:
    """``a`` or ``an`` before the words."""
    return f"{'an' if plain(words)[0] in 'aeiou' else 'a'} {words}"


def present(plant: Plant, rng: np.random.Generator) -> str:
    """One sentence that says that the finding is there, on its side."""
    side, size, both = plant.side, severity(plant), plant.side == "bilateral"
    say = {
        "pneumothorax": lambda: _sided(rng, "pneumothorax", "pneumothoraces", side, size),
        "pleural_effusion": lambda: _sided(rng, "pleural effusion", "pleural effusions", side, size),
        "consolidation": lambda: pick(
            rng,
            f"There is consolidation in {strong('both lungs' if both else f'the {side} lung')}.",
            f"There is {strong(side)} lung consolidation.",
        ),
        "pulmonary_edema": lambda: pick(rng, f"There is {strong(size)} bilateral pulmonary edema.", f"{strong(size.capitalize())} bilateral pulmonary edema is present."),
        "cardiomegaly": lambda: pick(rng, f"There is {strong(size)} cardiomegaly.", f"{strong('The heart is enlarged')}."),
        "nodule": lambda: pick(
            rng,
            f"There are nodules in {strong('both lungs')}." if both else f"There is a {strong(size)} nodule in the {strong(side)} lung.",
            f"Bilateral lung nodules are {strong('seen')}." if both else f"A {strong(size)} {strong(side)} lung nodule is seen.",
        ),
        "endotracheal_tube": lambda: f"An {strong('endotracheal')} tube is in place.",
        "central_line": lambda: f"A {strong(f'{side} central')} venous catheter is in place.",
        "chest_tube": lambda: f"A {strong(f'{side} chest')} tube is in place.",
        "feeding_tube": lambda: f"A {strong('feeding')} tube is in place.",
    }  # fmt: skip
    if both and plant.kind in ("central_line", "chest_tube"):
        noun = {"central_line": "central venous catheters", "chest_tube": "chest tubes"}[plant.kind]
        return f"{strong('Bilateral')} {noun} are in place."
    return say[plant.kind]()


def _sided(rng: np.random.Generator, one: str, many: str, side: str, size: str) -> str:
    if side == "bilateral":
        return pick(rng, f"There are {strong(size)} {strong(side)} {many}.", f"{strong(size.capitalize())} {strong(side)} {many} are present.")
    return pick(
        rng,
        f"There is a {strong(size)} {strong(side)} {one}.",
        f"A {strong(size)} {strong(side)} {one} is present.",
    )


NAMES = {
    "pneumothorax": "pneumothorax",
    "pleural_effusion": "pleural effusion",
    "consolidation": "consolidation",
    "pulmonary_edema": "pulmonary edema",
    "nodule": "nodule",
    "cardiomegaly": "cardiomegaly",
}


def denied(kinds: Sequence[str], rng: np.random.Generator) -> str:
    """One sentence that denies the findings; empty for none."""
    if not kinds:
        return ""
    names = [NAMES[k] for k in kinds]
    listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
    return pick(rng, f"There is {strong('no')} {listed}.", f"{strong('No')} {listed} is seen.")


def compared(before: Plant | None, now: Plant | None, rng: np.random.Generator) -> str:
    """One sentence on a finding in the light of a prior film. At least one of the two is there."""
    plant = now or before
    assert plant is not None
    name = _called(plant)
    many = plant.side == "bilateral" and plant.kind != "pulmonary_edema"
    has, be = ("have", "are") if many else ("has", "is")
    if now is None:
        return f"The {name} {has} {strong('resolved')}."
    if before is None:
        return f"There {be} {strong('new')} {name}." if many or now.kind in _UNCOUNTED else f"There is a {strong('new')} {name}."
    change = now.size - before.size
    if abs(change) <= CHANGED:
        return f"The {name} {be} {strong(pick(rng, 'unchanged', 'stable'))}."
    larger = change > 0
    return f"The {name} {has} {strong('increased' if larger else 'decreased')}, now {strong(severity(now))}."


_UNCOUNTED = ("consolidation", "pulmonary_edema", "cardiomegaly")


def _called(plant: Plant) -> str:
    many = plant.side == "bilateral"
    name = {
        "pneumothorax": "pneumothoraces" if many else "pneumothorax",
        "pleural_effusion": "pleural effusions" if many else "pleural effusion",
        "consolidation": "lung consolidations" if many else "lung consolidation",
        "nodule": "lung nodules" if many else "lung nodule",
        "central_line": "central venous catheters" if many else "central venous catheter",
        "chest_tube": "chest tubes" if many else "chest tube",
        "pulmonary_edema": "pulmonary edema",
        "cardiomegaly": "cardiomegaly",
        "endotracheal_tube": "endotracheal tube",
        "feeding_tube": "feeding tube",
    }[plant.kind]
    return f"{strong(plant.side)} {name}" if plant.side else name


def devices(scene: Scene) -> list[Plant]:
    """The planted tubes and lines."""
    return [p for p in scene.plants if p.kind in DEVICES]
