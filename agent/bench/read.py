"""How fast a study is flagged and read: questions over one shared encoding, against the model card's quick-start way of
asking, on the same weights in the same run."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.commissioning.films import scene_of
from agent.commissioning.phantom import draw
from agent.commissioning.pictures import as_picture
from agent.model.protocol import Picture
from agent.model.reading_protocol import ReadingProtocol, load_protocol

FLAG_AIM, SHARE_AIM = 9.0, 0.1
DEADLINE_S = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Timing:
    """Wall seconds of one stage, both ways. `ours` includes encoding the pictures."""

    stage: str
    questions: int
    ours: float
    quick_start: float
    same_answers: bool | None

    @property
    def ratio(self) -> float:
        """How many times as fast."""
        return self.quick_start / self.ours


@dataclass(frozen=True, slots=True)
class Measured:
    """One checkpoint on this machine. `flag_share`: the flag's time as a part of the report's."""

    model: str
    quantization: str
    device: str
    pictures: int
    timings: tuple[Timing, ...]
    flag_share: float


def measure(
    weights: str,
    *,
    quantization: str,
    device: str,
    pictures: Sequence[Picture],
    findings: Sequence[str],
    report_tokens: int | None,
    say: Callable[[str], None],
) -> Measured:
    """Time the flag and the whole protocol.

    Args:
        report_tokens: longest report; None: what the protocol allows. Random weights never end by themselves.

    Raises:
        PrereadError: the checkpoint cannot be loaded.
    """
    from agent.model.local import load_local

    protocol = load_protocol("chexone")
    say(f"loading {weights} ({quantization})")
    model = load_local(weights, quantization=quantization, device=device)
    timings = (
        _flag(model, protocol, pictures, findings, say),
        _report(model, protocol, pictures, report_tokens, say),
    )
    share = timings[0].ours / timings[1].ours
    identity = model.identity
    return Measured(identity.name, identity.quantization, identity.device, len(pictures), timings, share)


def _flag(
    model: Any,
    protocol: ReadingProtocol,
    pictures: Sequence[Picture],
    findings: Sequence[str],
    say: Callable[[str], None],
) -> Timing:
    from agent.model import quick_start

    task = protocol.task("presence")
    prompts = [protocol.prompt(task, finding=protocol.called(f)) for f in findings]
    say(f"flag: {len(prompts)} questions over one encoding")
    started = time.monotonic()
    session = model.open_study(pictures, system=protocol.system)
    spellings = [task.choices["yes"], task.choices["no"]]
    shown = range(len(pictures))
    chosen = session.choose(prompts, pictures=shown, choices=spellings, deadline_s=DEADLINE_S)
    ours = time.monotonic() - started
    session.close()
    say(f"flag: {len(prompts)} questions one by one")
    started = time.monotonic()
    replies = [quick_start.ask(model, pictures, p, system=protocol.system, max_new_tokens=1) for p in prompts]
    theirs = time.monotonic() - started
    same = all(
        answer.chosen is None or reply.strip().lower().startswith(("yes", "no")[answer.chosen][: len(reply.strip())])
        for answer, reply in zip(chosen, replies, strict=True)
    )
    return Timing("flag", len(prompts), ours, theirs, same)


def _report(
    model: Any, protocol: ReadingProtocol, pictures: Sequence[Picture], most: int | None, say: Callable[[str], None]
) -> Timing:
    """Everything that is asked after the flag: findings in reasoning mode, impression, view, and where two findings lie."""
    from agent.model import quick_start

    about: list[tuple[str, dict[str, str]]] = [("findings", {}), ("impression", {}), ("view", {})]
    about += [("grounding", {"finding": protocol.called(f)}) for f in ("pleural_effusion", "pneumothorax")]
    asked = [(protocol.prompt(protocol.task(t), **what), protocol.task(t).most_tokens) for t, what in about]
    asked = [(prompt, min(limit, most or limit)) for prompt, limit in asked]
    say("report over the shared encoding")
    started = time.monotonic()
    session = model.open_study(pictures, system=protocol.system)
    ours = [
        session.ask(prompt, pictures=range(len(pictures)), max_new_tokens=limit, deadline_s=DEADLINE_S).text
        for prompt, limit in asked
    ]
    took = time.monotonic() - started
    session.close()
    say("report by the quick start")
    started = time.monotonic()
    theirs = [
        quick_start.ask(model, pictures, prompt, system=protocol.system, max_new_tokens=limit)
        for prompt, limit in asked
    ]
    return Timing("report", len(asked), took, time.monotonic() - started, ours == theirs)


def films(count: int) -> list[Picture]:
    """A drawn frontal film and, for two, its lateral, as the model would see them."""
    frontal = scene_of("left-effusion", seed=5)
    return [as_picture(draw(scene, 1024, 840).density) for scene in (frontal, frontal.lateral())[:count]]


def full_size(folder: Path, small: Path) -> Path:
    """The full-size architecture with random weights, made in that folder where it is not there yet."""
    from agent.model.full_size import make

    target = folder / "full-size-random"
    if not (target / "config.json").is_file():
        make(target, small)
    return target
