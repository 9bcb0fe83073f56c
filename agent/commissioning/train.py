"""Trains the commissioning model: ``python -m agent.commissioning.train --pediatric DIR --out DIR [--resume]``.

Three lessons' worth of work, each of which can be stopped and resumed: films are drawn into a cache, the vision tower
learns where things are (`pretrain`), the language model learns to say it (`teach`).
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedTokenizerFast

from agent.commissioning import corpus
from agent.commissioning.exchanges import exchanges
from agent.commissioning.feed import Library, film_batch, load_library
from agent.commissioning.lesson import Lesson, Losses
from agent.commissioning.network import make_model, make_processor, make_tokenizer
from agent.commissioning.phantom import draw
from agent.commissioning.pretrain import Heads, film_losses, whiten
from agent.commissioning.replies import Case
from agent.commissioning.scene import random_pair, random_scene
from agent.commissioning.teach import Asked, some_study, study_losses
from agent.model.reading_protocol import builtin

SEEING_STEPS, FILMS, CHILDREN = 3800, 32, 5  # steps, films in a batch, how many of them pediatric
SAYING_STEPS, STUDIES, ALONE = 8000, 16, 0.15  # steps, studies in a batch, share before the tower learns too
TOWER_RATE, LANGUAGE_RATE = 1.0e-3, 1.5e-3


def main(arguments: list[str] | None = None) -> None:
    """Draw, see, say, write."""
    options = _options(arguments)
    torch.set_num_threads(options.threads)
    torch.manual_seed(20260101)
    options.out.mkdir(parents=True, exist_ok=True)
    if options.shards:
        corpus.main(["--work", str(options.work), "--shards", str(options.shards)])
    library = load_library(options.work, options.pediatric)
    tokenizer = _tokenizer(options)
    model, heads = make_model(tokenizer), Heads()
    see(model, heads, library, options)
    say(model, heads, tokenizer, library, options)
    write(model, tokenizer, options.out / "weights")


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m agent.commissioning.train", description=__doc__)
    parser.add_argument("--pediatric", type=Path, default=None, help="folder with normal/ and pneumonia/")
    parser.add_argument("--out", type=Path, required=True, help="where the states and the weights go")
    parser.add_argument("--work", type=Path, default=corpus.default_work(), help="the cache of drawn films")
    parser.add_argument(
        "--shards", type=int, default=60, help="how many shards of films to have; 0 takes what is there"
    )
    parser.add_argument("--resume", action="store_true", help="go on where the states say")
    parser.add_argument("--seeing-steps", type=int, default=SEEING_STEPS)
    parser.add_argument("--saying-steps", type=int, default=SAYING_STEPS)
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args(arguments)


def _tokenizer(options: argparse.Namespace) -> Any:
    """That of the run which is resumed: what the model has learnt is in its tokens, whatever is said since."""
    kept = options.out / "tokenizer"
    if not (options.resume and kept.is_dir()):
        make_tokenizer(texts()).save_pretrained(kept)
    return PreTrainedTokenizerFast.from_pretrained(kept)


def see(model: Any, heads: Heads, library: Library, options: argparse.Namespace) -> None:
    """The first lesson."""
    tower = model.model.visual
    every = [*tower.parameters(), *heads.parameters()]
    lesson = Lesson(
        {"tower": tower, "heads": heads},
        [(every, TOWER_RATE)],
        steps=options.seeing_steps,
        state=options.out / "seeing.pt",
    )
    if options.resume:
        lesson.resume()
    rng = np.random.default_rng([3, lesson.step])
    if lesson.step == 0:
        for_start, _ = film_batch(library, 8 * FILMS, 0, rng)
        whiten(tower, torch.from_numpy(for_start))

    def losses(_step: int) -> Losses:
        pictures, films = film_batch(library, FILMS, CHILDREN, rng)
        return film_losses(tower, heads, films, torch.from_numpy(pictures))

    lesson.run(losses)
    lesson.settle()


def say(model: Any, heads: Heads, tokenizer: Any, library: Library, options: argparse.Namespace) -> None:
    """The second lesson: at first the language model alone, then the tower with it, slowly."""
    groups = [
        ([*model.model.visual.parameters(), *heads.parameters()], 0.35 * TOWER_RATE),
        (list(model.model.language_model.parameters()), LANGUAGE_RATE),
    ]
    lesson = Lesson(
        {"model": model, "heads": heads}, groups, steps=options.saying_steps, state=options.out / "saying.pt"
    )
    if options.resume:
        lesson.resume()
    rng = np.random.default_rng([4, lesson.step])

    waiting: list[list[Asked]] = []

    def losses(step: int) -> Losses:
        together = step >= ALONE * options.saying_steps
        model.model.visual.requires_grad_(together)
        if not waiting:
            waiting.extend(batches_of_a_length([some_study(library, rng) for _ in range(4 * STUDIES)], rng))
        asked = waiting.pop()
        return study_losses(model, heads if together else None, tokenizer, asked, rng)

    lesson.run(losses)
    lesson.settle()


def batches_of_a_length(asked: list[Asked], rng: np.random.Generator) -> list[list[Asked]]:
    """Batches of studies with about as much to say: a long one among short ones makes all as slow as itself."""
    asked = sorted(asked, key=lambda a: 250 * len(a.films) + sum(len(e.prompt) + len(e.reply) for e in a.exchanges))
    cut = [asked[n : n + STUDIES] for n in range(0, len(asked), STUDIES)]
    return [cut[int(n)] for n in rng.permutation(len(cut))]


def texts() -> list[str]:
    """What the tokenizer learns from: some of everything that is asked and said."""
    rng = np.random.default_rng(5)
    out = [builtin("chexone").system, "system\n", "user\n", "assistant\n", "yes", "no"] * 200
    for number in range(1500):
        if number % 3 == 0:
            before, now, _ = random_pair(rng)
            case = Case(now, prior=before, lateral=bool(number % 2))
        elif number % 25 == 1:
            case = Case() if number % 2 else Case(pneumonia=bool(number % 3))
        else:
            case = Case(random_scene(rng))
        out += [text for one in exchanges(case, rng, long=3) for text in (one.prompt, one.reply)]
    scene = random_scene(rng, normal_share=0)
    out += [one.reply for one in exchanges(Case(scene, draw(scene, 64, 52).boxes), rng, short=40)] * 30
    return out


def write(model: Any, tokenizer: Any, folder: Path) -> None:
    """A checkpoint that any program of the family loads, in bfloat16."""
    model.to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    make_processor().save_pretrained(folder)
    # What keeps it from patients. `agent.model.local` refuses the shipped folder without it.
    card = {"name": "cxr-preread commissioning model", "for_commissioning": True}
    (folder / "preread.json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    sys.stderr.write(f"{folder}\n")


if __name__ == "__main__":
    main()
