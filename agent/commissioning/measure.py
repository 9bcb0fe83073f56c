"""Measures the commissioning model on what it never saw, through the same loader as any other checkpoint.

``python -m agent.commissioning.measure --weights DIR [--pediatric DIR] [--quantization none|nf4|int8] [--json OUT]``
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from agent.commissioning import prompts
from agent.commissioning.corpus import is_held_out, patient_key
from agent.commissioning.phantom import Box, Plant, Scene, draw, random_pair, random_scene
from agent.commissioning.pictures import as_picture
from agent.commissioning.replies import CANNOT, Case, temporal_class
from agent.commissioning.scene import CHANGING, FINDINGS, KINDS, SIDED
from agent.commissioning.unlike import unlike
from agent.commissioning.wording import plain
from agent.model.parsing import Reply, parse_reply
from agent.model.protocol import Answer, Model, Picture, StudySession
from agent.model.reading_protocol import builtin
from agent.reading.labels import label
from structured_report.content import Presence

# Seeds of measuring begin with this; those of training with other numbers, so that no film is ever in both.
SEED = 7
SHAPES = ((1024, 840), (1024, 840), (1024, 800), (960, 960), (1000, 700), (800, 960))
_BOX = re.compile(r"<\|box\|>\((\d+),(\d+)\),\((\d+),(\d+)\)<\|/box\|>")

Numbers = NDArray[np.float64]
Table = dict[str, Any]


def auc(scores: Sequence[float], truth: Sequence[bool]) -> float:
    """Area under the receiver operating characteristic: the chance that a positive scores above a negative, ties
    half. NaN when one of the two is missing."""
    s, y = np.asarray(scores, float), np.asarray(truth, bool)
    if y.all() or not y.any():
        return float("nan")
    order = np.sort(s[~y])
    below, upto = np.searchsorted(order, s[y], "left"), np.searchsorted(order, s[y], "right")
    return float((below + upto).mean() / 2 / len(order))


def interval(
    scores: Sequence[float], truth: Sequence[bool], groups: Sequence[str] | None = None
) -> tuple[float, float]:
    """95 % confidence interval of the AUC: bootstrap over films, or over the groups (patients) they belong to."""
    rng = np.random.default_rng(0)
    s, y = np.asarray(scores, float), np.asarray(truth, bool)
    names = np.asarray(groups if groups is not None else [str(n) for n in range(len(s))])
    members = [np.flatnonzero(names == g) for g in dict.fromkeys(names.tolist())]
    drawn = []
    for _ in range(1000):
        chosen = np.concatenate([members[int(n)] for n in rng.integers(len(members), size=len(members))])
        drawn.append(auc(s[chosen].tolist(), y[chosen].tolist()))
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return float(low), float(high)


def iou(a: Box, b: Box) -> float:
    """Intersection over union."""
    wide, high = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
    if wide <= 0 or high <= 0:
        return 0.0
    areas = [(c.x1 - c.x0) * (c.y1 - c.y0) for c in (a, b)]
    return wide * high / (sum(areas) - wide * high)


def boxes_of(reply: str, kind: str) -> list[Box]:
    """The boxes a reply draws; those out of range or empty are none."""
    found = []
    for match in _BOX.finditer(reply):
        x0, y0, x1, y1 = (int(v) / 100 for v in match.groups())
        if x0 < x1 <= 1 and y0 < y1 <= 1:
            found.append(Box(kind, "", x0, y0, x1, y1))
    return found


class Examiner:
    """Asks one loaded model."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def open(self, *pictures: Picture) -> Examined:
        """A study of these pictures; every question shows them all."""
        session = self._model.open_study(list(pictures), system=builtin("chexone").system)
        return Examined(session, range(len(pictures)))

    @staticmethod
    def ask(study: Examined, prompt: str, most: int = 320) -> str:
        """The reply to a prompt."""
        return study.ask(prompt, most).text.strip()

    @staticmethod
    def yes(study: Examined, kind: str) -> float:
        """P(yes) that the finding is there."""
        return study.yes(prompts.PRESENCE.format(disease=prompts.CALLED[kind][0]))


@dataclass(frozen=True, slots=True)
class Examined:
    """A session, and which pictures its questions show."""

    session: StudySession
    pictures: Sequence[int]

    def ask(self, prompt: str, most: int) -> Answer:
        """The reply to a prompt."""
        return self.session.ask(prompt, pictures=self.pictures, max_new_tokens=most, deadline_s=120)

    def yes(self, prompt: str) -> float:
        """The share of yes over no."""
        spellings = list(builtin("chexone").task("presence").choices.values())
        (choice,) = self.session.choose([prompt], pictures=self.pictures, choices=spellings, deadline_s=120)
        assert choice.shares is not None, "the local engine gives shares"
        return choice.shares[0]

    def close(self) -> None:
        """Free what the model holds of it."""
        self.session.close()


def picture_of(scene: Scene, rng: np.random.Generator) -> tuple[Picture, tuple[Box, ...]]:
    """A film of the scene in one of the usual shapes, and its boxes."""
    rows, columns = SHAPES[int(rng.integers(len(SHAPES)))]
    drawing = draw(scene, rows, columns)
    return as_picture(drawing.density), drawing.boxes


def on_phantoms(examiner: Examiner, count: int, tell: Callable[[str], None]) -> Table:
    """Presence, sides, boxes and views on frontal films."""
    rng = np.random.default_rng([SEED, 1])
    scores: dict[str, list[float]] = defaultdict(list)
    truth: dict[str, list[bool]] = defaultdict(list)
    overlaps: dict[str, list[float]] = defaultdict(list)
    sides: dict[str, list[bool]] = defaultdict(list)
    said: list[tuple[bool, bool]] = []
    views: list[bool] = []
    for number in range(count):
        scene = random_scene(rng)
        picture, boxes = picture_of(scene, rng)
        study = examiner.open(picture)
        for kind in KINDS:
            scores[kind].append(examiner.yes(study, kind))
            truth[kind].append(scene.plant(kind) is not None)
        drafted = {f.concept: f for f in label(examiner.ask(study, prompts.FINDINGS)) if f.presence is Presence.PRESENT}
        for kind in KINDS:
            plant, found = scene.plant(kind), drafted.get(kind)
            said.append((plant is not None, found is not None))
            if plant and found and kind in SIDED:
                sides[kind].append((found.laterality.value if found.laterality else "") == plant.side)
        for kind, drawn in _by_kind(boxes).items():
            prompt = prompts.ABNORMALITY_GROUNDING.format(disease=prompts.CALLED[kind][0])
            answered = boxes_of(examiner.ask(study, prompt), kind)
            overlaps[kind] += [max((iou(box, a) for a in answered), default=0.0) for box in drawn]
        views.append(examiner.ask(study, prompts.VIEW, 12).endswith(scene.view))
        study.close()
        if number % 25 == 24:
            tell(f"phantoms {number + 1}/{count}")
    return {
        "films": count,
        "auc": {k: _with_interval(scores[k], truth[k]) for k in KINDS},
        "auc mean": float(np.nanmean([auc(scores[k], truth[k]) for k in KINDS])),
        "sides right": {k: [int(sum(v)), len(v)] for k, v in sides.items()},
        "side accuracy": float(np.mean([s for v in sides.values() for s in v])),
        "median iou": {k: float(np.median(v)) for k, v in overlaps.items()},
        "median iou overall": float(np.median([o for v in overlaps.values() for o in v])),
        "draft sensitivity": float(np.mean([f for t, f in said if t])),
        "draft specificity": float(np.mean([not f for t, f in said if not t])),
        "frontal views right": float(np.mean(views)),
        "scores": {k: [round(s, 4) for s in scores[k]] for k in KINDS},
    }


def _by_kind(boxes: Iterable[Box]) -> dict[str, list[Box]]:
    out: dict[str, list[Box]] = defaultdict(list)
    for box in boxes:
        out[box.kind].append(box)
    return out


def _with_interval(scores: Sequence[float], truth: Sequence[bool], groups: Sequence[str] | None = None) -> Table:
    low, high = interval(scores, truth, groups)
    return {"auc": auc(scores, truth), "low": low, "high": high, "positives": int(sum(truth)), "films": len(truth)}


def on_laterals(examiner: Examiner, count: int) -> Table:
    """Whether a lateral is called one, and whether two films are of one study."""
    rng = np.random.default_rng([SEED, 2])
    views, same = [], []
    for _ in range(count):
        scene, other = random_scene(rng), random_scene(rng)
        lateral, _ = picture_of(scene.lateral(), rng)
        frontal, _ = picture_of(scene, rng)
        stranger, _ = picture_of(other, rng)
        views.append(examiner.ask(examiner.open(lateral), prompts.VIEW, 12).endswith("LATERAL"))
        same.append(examiner.ask(examiner.open(frontal, lateral), prompts.SAME_STUDY, 4) == "yes")
        same.append(examiner.ask(examiner.open(frontal, stranger), prompts.SAME_STUDY, 4) == "no")
    return {
        "films": count,
        "lateral views right": float(np.mean(views)),
        "same study right (two frontals are none)": float(np.mean(same)),
    }


def on_pairs(examiner: Examiner, count: int) -> Table:
    """Worsening, stable or improving, for each finding that is in one of the two films."""
    rng = np.random.default_rng([SEED, 3])
    right: dict[str, list[bool]] = defaultdict(list)
    for _ in range(count):
        before, now, _ = random_pair(rng)
        study = examiner.open(picture_of(before, rng)[0], picture_of(now, rng)[0])
        case = Case(now, prior=before)
        for kind in CHANGING:
            if now.plant(kind) or before.plant(kind):
                name = "edema" if kind == "pulmonary_edema" else prompts.CALLED[kind][0]
                answer = examiner.ask(study, prompts.TEMPORAL_CLASS.format(disease=name), 12)
                right[kind].append(answer == plain(temporal_class(case, kind)))
        study.close()
    return {
        "pairs": count,
        "right": {k: [int(sum(v)), len(v)] for k, v in right.items()},
        "accuracy": float(np.mean([r for v in right.values() for r in v])),
    }


def on_one_finding(examiner: Examiner, count: int) -> Table:
    """Films with one finding and nothing else: how many drafts name it, and what they name that is not there. A model that
    has seen two findings together may take the one for the other, and this is where that shows."""
    rng = np.random.default_rng([SEED, 6])
    out: Table = {}
    for kind in FINDINGS:
        named, added = 0, Counter[str]()
        for number in range(count):
            side = ("bilateral" if kind == "pulmonary_edema" else "left" if number % 2 else "right") * (
                kind != "cardiomegaly"
            )
            plant = Plant(kind, side, round(float(rng.uniform(0.3, 1)), 3))
            picture, _ = picture_of(Scene(int(rng.integers(1 << 62)), (plant,)), rng)
            study = examiner.open(picture)
            present = {
                f.concept
                for f in label(examiner.ask(study, prompts.FINDINGS))
                if f.presence is Presence.PRESENT and f.concept in KINDS
            }
            study.close()
            named += kind in present
            added.update(present - {kind})
        out[kind] = {"films": count, "named": named, "named and not there": dict(added.most_common())}
    return out


def on_others(examiner: Examiner, count: int) -> Table:
    """Pictures that are no upright chest: declined, and no finding called present."""
    rng = np.random.default_rng([SEED, 4])
    declined, called = [], []
    for _ in range(count):
        rows, columns = SHAPES[int(rng.integers(len(SHAPES)))]
        study = examiner.open(as_picture(unlike(rng, rows // 2, columns // 2)))
        declined.append(examiner.ask(study, prompts.FINDINGS) == CANNOT)
        called += [examiner.yes(study, kind) > 0.5 for kind in KINDS]
    return {
        "pictures": count,
        "declined": float(np.mean(declined)),
        "presence questions answered yes": float(np.mean(called)),
    }


def on_children(examiner: Examiner, folder: Path, tell: Callable[[str], None]) -> Table:
    """Pneumonia against normal on the patients that training never saw; the interval is over patients."""
    scores, truth, patients = [], [], []
    for kind in ("normal", "pneumonia"):
        for path in sorted((folder / kind).iterdir()):
            if is_held_out(patient_key(path.name)):
                with Image.open(path) as image:
                    scores.append(examiner.yes(examiner.open(np.asarray(image.convert("L"))), "pneumonia"))
                truth.append(kind == "pneumonia")
                patients.append(patient_key(path.name))
        tell(f"children: {kind}")
    return _with_interval(scores, truth, patients) | {
        "patients": len(set(patients)),
        "scores": [round(s, 4) for s in scores],
    }


def of_time(examiner: Examiner, count: int) -> Table:
    """Seconds to read a study of a frontal and a lateral in reasoning mode, and whether the reply can be used."""
    rng = np.random.default_rng([SEED, 5])
    seconds, tokens, usable = [], [], []
    for _ in range(count):
        scene = random_scene(rng, normal_share=0.2)
        films = [picture_of(s, rng)[0] for s in (scene, scene.lateral())]
        started = time.monotonic()
        study = examiner.open(*films)
        answer = study.ask(prompts.FINDINGS + prompts.REASONING_SUFFIX, 400)
        seconds.append(time.monotonic() - started)
        tokens.append(answer.tokens)
        usable.append(isinstance(parse_reply(answer.text, finished=answer.finished), Reply))
    return {
        "studies": count,
        "seconds median": float(np.median(seconds)),
        "seconds most": float(max(seconds)),
        "tokens median": float(np.median(tokens)),
        "usable": float(np.mean(usable)),
    }


def main(arguments: list[str] | None = None) -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(prog="python -m agent.commissioning.measure", description=__doc__)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--pediatric", type=Path)
    parser.add_argument("--quantization", default="none", choices=("none", "nf4", "int8"))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--films", type=int, default=400)
    parser.add_argument("--pairs", type=int, default=150)
    options = parser.parse_args(arguments)
    from agent.model.local import load_local

    def tell(words: str) -> None:
        sys.stderr.write(f"{words}\n")
        sys.stderr.flush()

    examiner = Examiner(load_local(options.weights, quantization=options.quantization, device="cpu"))
    found: Table = {"quantization": options.quantization}
    found["time"] = of_time(examiner, 12)
    tell(json.dumps(found["time"]))
    found["phantoms"] = on_phantoms(examiner, options.films, tell)
    found["laterals"] = on_laterals(examiner, options.films // 4)
    found["pairs"] = on_pairs(examiner, options.pairs)
    found["alone"] = on_one_finding(examiner, options.films // 10)
    found["others"] = on_others(examiner, options.films // 4)
    if options.pediatric:
        found["children"] = on_children(examiner, options.pediatric, tell)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(table(found))


def table(found: Table) -> str:
    """What was measured, as a Markdown table."""
    p, rows = found["phantoms"], []
    for kind, a in p["auc"].items():
        side = p["sides right"].get(kind)
        share = f"{side[0]} of {side[1]}" if side else ""
        box = f"{p['median iou'][kind]:.2f}" if kind in p["median iou"] else ""
        rows.append(
            f"| {kind} | {a['auc']:.3f} ({a['low']:.3f} to {a['high']:.3f}) | {a['positives']} | {share} | {box} |"
        )
    rows.append(f"| all | {p['auc mean']:.3f} (mean) |  | {p['side accuracy']:.3f} | {p['median iou overall']:.2f} |")
    lines = [
        f"quantization {found['quantization']}, {p['films']} frontal phantoms",
        "",
        "| finding | AUC (95 % interval) | planted | side right | median IoU |",
        "|---|---|---|---|---|",
        *rows,
        "",
    ]
    lines.append(f"draft: sensitivity {p['draft sensitivity']:.3f}, specificity {p['draft specificity']:.3f}")
    lateral = found["laterals"]
    lines.append(f"view: frontal {p['frontal views right']:.3f}, lateral {lateral['lateral views right']:.3f}")
    lines.append(f"same study: {lateral['same study right (two frontals are none)']:.3f}")
    lines.append(f"progression: {found['pairs']['accuracy']:.3f}  {found['pairs']['right']}")
    for kind, a in found["alone"].items():
        more = ", ".join(f"{k} {n}" for k, n in a["named and not there"].items()) or "nothing"
        lines.append(f"{kind} alone: named in {a['named']} of {a['films']} drafts; also named, and not there: {more}")
    others = found["others"]
    lines.append(
        f"no chest: declined {others['declined']:.3f}, called present {others['presence questions answered yes']:.4f}"
    )
    if "children" in found:
        c = found["children"]
        lines.append(
            f"pediatric pneumonia: AUC {c['auc']:.3f} ({c['low']:.3f} to {c['high']:.3f}), {c['films']} films of {c['patients']} patients"
        )
    t = found["time"]
    lines.append(
        f"a study in reasoning mode: median {t['seconds median']:.1f} s, most {t['seconds most']:.1f} s, usable {t['usable']:.2f}"
    )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
