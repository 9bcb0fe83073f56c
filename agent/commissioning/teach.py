"""The second lesson: the language model learns to say what the tower sees. Every picture is encoded once and asked
about several times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from agent.commissioning import prompts
from agent.commissioning.corpus import Film, Study
from agent.commissioning.exchanges import exchanges
from agent.commissioning.feed import Library, child, varied
from agent.commissioning.packing import Batch, collate, number_tokens, pack, soft_numbers
from agent.commissioning.pretrain import Heads, losses, targets
from agent.commissioning.replies import Case, Exchange, exchange, view, yes_no
from agent.commissioning.tower import encode

CHILD_SIZES = ((224, 224), (224, 224), (224, 196), (196, 224), (252, 168))


@dataclass(frozen=True, slots=True)
class Asked:
    """Pictures in the order the model gets them, and the exchanges about them."""

    films: tuple[Film, ...]
    exchanges: tuple[Exchange, ...]


def some_study(library: Library, rng: np.random.Generator) -> Asked:
    """One study of the library, arranged in one of the ways studies come, with questions."""
    roll = rng.random()
    if library.pediatric and roll < 0.17:
        film = child(library, CHILD_SIZES[int(rng.integers(len(CHILD_SIZES)))], rng)
        return Asked((film,), tuple(exchanges(_case(film), rng)))
    study = library.studies[int(rng.integers(len(library.studies)))]
    if study.prior is None and rng.random() < 0.5:  # pairs in time have the most to teach, and are the fewest
        study = library.studies[int(rng.integers(len(library.studies)))]
    if roll < 0.23:
        return _same_study(library, study, rng)
    if roll < 0.26 and study.lateral:
        lateral = Case(study.lateral.scene)
        return Asked((study.lateral,), (exchange("view", prompts.VIEW, view(lateral)),))
    return _arranged(study, rng)


def _case(film: Film) -> Case:
    return Case(film.scene, film.boxes, pneumonia=film.pneumonia if film.source == "pediatric" else None)


def _arranged(study: Study, rng: np.random.Generator) -> Asked:
    prior = study.prior if study.prior and rng.random() < 0.8 else None
    lateral = study.lateral if study.lateral and rng.random() < 0.8 else None
    films = tuple(f for f in (prior, study.current, lateral) if f is not None)
    case = Case(study.current.scene, study.current.boxes, prior.scene if prior else None, lateral is not None)
    return Asked(films, tuple(exchanges(case, rng, long=1, short=7)))


def _same_study(library: Library, study: Study, rng: np.random.Generator) -> Asked:
    """A frontal and a lateral of one study, or films that are not of one."""
    other = library.studies[int(rng.integers(len(library.studies)))]
    if study.lateral and rng.random() < 0.6:
        return Asked((study.current, study.lateral), (exchange("same-study", prompts.SAME_STUDY, yes_no(True)),))
    second = other.lateral or study.prior or other.current
    first = (study.prior, study.current) if second is study.prior and study.prior else (study.current, second)
    return Asked(first, (exchange("same-study", prompts.SAME_STUDY, yes_no(False)),))


def study_losses(
    model: Any, heads: Heads | None, tokenizer: Any, asked: list[Asked], rng: np.random.Generator
) -> dict[str, torch.Tensor]:
    """What the replies to a batch of studies cost, and, with `heads`, what the first lesson's questions cost on the
    same pictures."""
    batch = collate([pack(tokenizer, [_size(f) for f in a.films], a.exchanges) for a in asked])
    films = [f for a in asked for f in a.films]
    out: dict[str, torch.Tensor] = {}
    tokens: list[torch.Tensor | None] = [None] * len(films)
    for size in sorted({_size(f) for f in films}):
        chosen = [n for n, f in enumerate(films) if _size(f) == size]
        pictures = torch.from_numpy(np.stack([varied(films[n].pixels, rng) for n in chosen]))
        with torch.autocast("cpu", torch.bfloat16):
            encoded = encode(model.model.visual, pictures)
        for k, n in enumerate(chosen):
            tokens[n] = encoded[k]
        if heads is not None:
            share = len(chosen) / len(films)
            known = targets([films[n] for n in chosen], size)
            for name, value in losses(encoded, heads, known).items():
                out[name] = out.get(name, torch.zeros(())) + 0.5 * share * value
    starts = np.cumsum([0, *(len(a.films) for a in asked)])
    in_order = [tokens[k] for n in batch.order for k in range(starts[n], starts[n + 1])]
    said = reply_losses(model, tokenizer, batch, torch.cat([t for t in in_order if t is not None]))
    return out | said


def reply_losses(model: Any, tokenizer: Any, batch: Batch, cells: torch.Tensor) -> dict[str, torch.Tensor]:
    """Weighted cross entropy of the replies, and of the coordinates against a narrow bell."""
    hidden = hidden_states(model, batch, cells)
    wanted = batch.weight[:, 1:] > 0
    ids, weight, number = batch.ids[:, 1:][wanted], batch.weight[:, 1:][wanted], batch.number[:, 1:][wanted]
    with torch.autocast("cpu", torch.bfloat16):
        logits = model.lm_head(hidden[:, :-1][wanted])
    logits = logits.float()
    place = number >= 0
    words = functional.cross_entropy(logits[~place], ids[~place], reduction="none") * weight[~place]
    out = {"words": words.sum() / weight[~place].sum()}
    if place.any():
        values = number_tokens(tokenizer)
        order = torch.tensor(sorted(values, key=values.__getitem__))
        log_p = functional.log_softmax(logits[place], -1)[:, order]
        out["places"] = 0.5 * -(soft_numbers(number[place]) * log_p).sum(-1).mean()
    return out


def hidden_states(model: Any, batch: Batch, cells: torch.Tensor) -> torch.Tensor:
    """The language model's last states, shape (batch, length, hidden); `cells` are the visual tokens in order."""
    embedded = model.model.language_model.embed_tokens(batch.ids)
    pads = (batch.ids == model.config.image_token_id)[..., None].expand_as(embedded)
    embedded = embedded.masked_scatter(pads, cells.to(embedded.dtype))
    with torch.autocast("cpu", torch.bfloat16):
        states: torch.Tensor = model.model.language_model(
            inputs_embeds=embedded,
            attention_mask={"full_attention": batch.mask},
            position_ids=batch.positions,
            use_cache=False,
        ).last_hidden_state
    return states


def _size(film: Film) -> tuple[int, int]:
    return film.pixels.shape[0], film.pixels.shape[1]
