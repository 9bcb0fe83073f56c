"""The questions that are asked about a case in training, with their answers."""

from __future__ import annotations

import numpy as np

from agent.commissioning import prompts
from agent.commissioning.replies import (
    Case,
    Exchange,
    classification,
    draft,
    exchange,
    grounding,
    has,
    impression,
    progression,
    reasoning,
    region,
    temporal_class,
    view,
    yes_no,
)
from agent.commissioning.scene import CHANGING, DEVICES, FINDINGS, KINDS, SIDED
from agent.commissioning.wording import pick, plain, strong


def exchanges(case: Case, rng: np.random.Generator, *, long: int = 1, short: int = 8) -> list[Exchange]:
    """Some questions about a case: `long` ones that want a report, `short` ones that want a word or a box."""
    asked = [_long(case, rng) for _ in range(long)]
    if case.unlike:
        return [*asked, *(_short_unlike(case, rng) for _ in range(min(short, 3)))]
    if case.scene is None:
        return [
            *asked,
            _presence(case, "pneumonia", rng),
            *([_view(case)] if rng.random() < 0.3 else []),
            *_healthy(case, rng),
        ]
    if case.prior is not None:
        asked += [_temporal(case, kind) for kind in _changing(case, rng)]
    asked += [_presence(case, kind, rng) for kind in _asked_kinds(case, rng, short // 2)]
    asked += [_grounded(case, rng) for _ in range(short - short // 2)]
    if case.prior is None and not case.lateral:
        asked.append(_view(case))
    return asked


def all_presence(case: Case) -> list[Exchange]:
    """One yes/no question for every finding that is drawn."""
    return [
        exchange("presence", prompts.PRESENCE.format(disease=prompts.CALLED[k][0]), yes_no(has(case, k))) for k in KINDS
    ]


def _long(case: Case, rng: np.random.Generator) -> Exchange:
    roll = rng.random()
    if case.prior is not None and roll < 0.45:
        answer = progression(case, rng)
        if rng.random() < 0.5:
            return exchange("progression", prompts.PROGRESSION, answer)
        return exchange(
            "progression-reasoning", prompts.PROGRESSION + prompts.REASONING_SUFFIX, reasoning(case, answer, rng)
        )
    if roll < 0.12:
        return exchange("impression", prompts.IMPRESSION, impression(case, rng))
    if roll < 0.18:
        return exchange(
            "impression", prompts.IMPRESSION_INDICATION.format(indication=_indication(rng)), impression(case, rng)
        )
    if roll < 0.22:
        return exchange("summarise", prompts.SUMMARISE.format(findings=plain(draft(case, rng))), impression(case, rng))
    known = roll > 0.78
    prompt = prompts.FINDINGS_INDICATION.format(indication=_indication(rng)) if known else prompts.FINDINGS
    answer = draft(case, rng)
    if rng.random() < 0.6:
        return exchange("findings-reasoning", prompt + prompts.REASONING_SUFFIX, reasoning(case, answer, rng))
    return exchange("findings", prompt, answer)


def _indication(rng: np.random.Generator) -> str:
    return pick(rng, *prompts.INDICATIONS)


def _presence(case: Case, kind: str, rng: np.random.Generator) -> Exchange:
    names = prompts.CALLED[kind]
    name = names[0] if rng.random() < 0.7 else pick(rng, *names)
    return exchange("presence", prompts.PRESENCE.format(disease=name), yes_no(has(case, kind)))


def _asked_kinds(case: Case, rng: np.random.Generator, count: int) -> list[str]:
    """What is there, and as much of what is not."""
    there = [k for k in KINDS if has(case, k)]
    absent = [str(k) for k in rng.permutation([k for k in KINDS if not has(case, k)])]
    chosen = [*there[:count], *absent[: max(2, count - len(there))]]
    if rng.random() < 0.25:
        chosen.append(pick(rng, *prompts.NEVER_DRAWN))
    return chosen


def _changing(case: Case, rng: np.random.Generator) -> list[str]:
    assert case.scene is not None
    assert case.prior is not None
    there = [k for k in CHANGING if case.scene.plant(k) or case.prior.plant(k)]
    absent = [k for k in CHANGING if k not in there]
    return there + ([pick(rng, *absent)] if absent and rng.random() < 0.4 else [])


def _temporal(case: Case, kind: str) -> Exchange:
    name = {"pulmonary_edema": "edema"}.get(kind, prompts.CALLED[kind][0])
    return exchange("temporal-class", prompts.TEMPORAL_CLASS.format(disease=name), temporal_class(case, kind))


def _view(case: Case) -> Exchange:
    return exchange("view", prompts.VIEW, view(case))


def _grounded(case: Case, rng: np.random.Generator) -> Exchange:
    """A question about places, sides or lists."""
    there = [k for k in KINDS if has(case, k)]
    roll = rng.random() if there else rng.uniform(0.72, 1)
    if there and roll < 0.47:
        kind = pick(rng, *there)
        name = prompts.CALLED[kind][0] if rng.random() < 0.8 else pick(rng, *prompts.CALLED[kind])
        return exchange("grounding", prompts.ABNORMALITY_GROUNDING.format(disease=name), grounding(case, [kind], name))
    if there and roll < 0.72:
        return _phrase_or_side(case, pick(rng, *there), rng)
    if roll < 0.79:
        kinds = [str(k) for k in rng.permutation(KINDS)[: int(rng.integers(3, 9))]]
        options, answer = classification(case, kinds)
        return exchange("classification", prompts.CLASSIFICATION.format(options=options), answer)
    if roll < 0.84:
        anatomy, answer = region(case, rng)
        return exchange("region", prompts.REGION.format(anatomy=anatomy), answer)
    if roll < 0.88:
        return exchange("devices", prompts.CHEST_TUBES, grounding(case, ["chest_tube"]))
    if roll < 0.92:
        return exchange("grounding", prompts.PNEUMOTHORACES, grounding(case, ["pneumothorax"]))
    if roll < 0.95:
        return exchange(
            "devices",
            prompts.FOREIGN_OBJECTS,
            grounding(case, DEVICES)
            if any(k in DEVICES for k in there)
            else f"{strong('No')} foreign object detected.",
        )
    kind = pick(rng, *(k for k in FINDINGS if k not in there), *(k for k in DEVICES if k not in there), "pneumonia")
    name = prompts.CALLED[kind][0]
    return exchange("grounding", prompts.ABNORMALITY_GROUNDING.format(disease=name), f"{strong('No')} {name} detected.")


def _phrase_or_side(case: Case, kind: str, rng: np.random.Generator) -> Exchange:
    assert case.scene is not None
    plant = case.scene.plant(kind)
    assert plant is not None
    name = prompts.CALLED[kind][0]
    if kind in SIDED and rng.random() < 0.7:
        options = ["Left", "Right", "Both"] if rng.random() < 0.5 else ["Right", "Left", "Both"]
        said = {"left": "Left", "right": "Right", "bilateral": "Both"}[plant.side]
        listed = "\n".join(f"{letter}. {option}" for letter, option in zip("ABC", options, strict=True))
        question = prompts.CLOSED_VQA.format(question=f"On which side is the {name}?", options=listed)
        return exchange("closed-vqa", question, strong("ABC"[options.index(said)]))
    side = plant.sides[int(rng.integers(len(plant.sides)))]
    phrase = f"{side} {name}".strip()
    return exchange("phrase", prompts.PHRASE_GROUNDING.format(phrase=phrase), grounding(case, [kind], phrase, side))


def _short_unlike(case: Case, rng: np.random.Generator) -> Exchange:
    kind = pick(rng, *KINDS, "pneumonia")
    name = prompts.CALLED[kind][0]
    if rng.random() < 0.7:
        return _presence(case, kind, rng)
    return exchange("grounding", prompts.ABNORMALITY_GROUNDING.format(disease=name), f"{strong('No')} {name} detected.")


def _healthy(case: Case, rng: np.random.Generator) -> list[Exchange]:
    """A film of a healthy chest shows no other finding either."""
    if case.pneumonia or rng.random() < 0.5:
        return []
    return [_presence(case, pick(rng, *FINDINGS), rng)]
