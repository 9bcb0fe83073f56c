"""Sentences about findings: several natural wordings of each, with the side always said where there is one.

A sentence names one finding, or denies some; it compares with a prior only in the functions that are given one. What
the model must get right (a side, a size, a denial) is marked, so that training can count it for more.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from agent.commissioning.scene import DEVICES, Plant, Scene

_OPEN, _CLOSE = "\ue000", "\ue001"
_IN_BRACES = re.compile(r"{([^}]+)}")
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


# Wordings of a finding on one side, or without a side. What is there begins with "There" and what is not begins with
# "No": were a presence spread over several beginnings, the one beginning of the denial would win a greedy choice that it
# should lose.
_ONE = {
    "pneumothorax": ("{There} is a {size} {side} pneumothorax.",),
    "pleural_effusion": ("{There} is a {size} {side} pleural effusion.",),
    "consolidation": ("{There} is {consolidation} in the {side} lung.",),
    "cardiomegaly": ("The heart {is enlarged}.",),
    "nodule": ("{There} is a {size} {nodule} in the {side} lung.",),
    "endotracheal_tube": ("{An endotracheal} tube is in place.",),
    "central_line": ("{A} {side} {central} venous catheter is in place.",),
    "chest_tube": ("{A} {side} {chest} tube is in place.",),
    "feeding_tube": ("{A feeding} tube is in place.",),
}
_BOTH = {
    "pneumothorax": ("{There are} {size} {bilateral} pneumothoraces.",),
    "pleural_effusion": ("{There are} {size} {bilateral} pleural effusions.",),
    "consolidation": ("{There} is {consolidation} in {both lungs}.",),
    "pulmonary_edema": ("{There} is {size} {bilateral pulmonary} edema.",),
    "nodule": ("{There are nodules} in {both lungs}.",),
    "central_line": ("{Bilateral} central venous catheters are in place.",),
    "chest_tube": ("{Bilateral} chest tubes are in place.",),
}


def present(plant: Plant, rng: np.random.Generator) -> str:
    """One sentence that says that the finding is there, on its side: marked text."""
    wordings = (_BOTH if plant.side == "bilateral" else _ONE)[plant.kind]
    size = severity(plant)
    words = {"side": plant.side, "size": size}
    return _IN_BRACES.sub(lambda m: strong(words.get(m.group(1), m.group(1))), pick(rng, *wordings))


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
    return f"{strong('No')} {listed} is {pick(rng, 'seen', 'present')}."


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
        return (
            f"There {be} {strong('new')} {name}."
            if many or now.kind in _UNCOUNTED
            else f"There is a {strong('new')} {name}."
        )
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
