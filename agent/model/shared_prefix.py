"""Many questions about one study, its pictures encoded once (Qwen2.5-VL, transformers).

Each picture goes through the vision tower once. For every selection of pictures that questions are asked about, the
keys and values of system prompt and pictures are computed once and shared; short questions stand in one row. Positions
go on with `rope_deltas`, because a picture takes fewer positions than tokens.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import torch
from transformers import DynamicCache

from agent.errors import Permanent, Transient
from agent.model import chat
from agent.model.faults import mapped_run
from agent.model.protocol import Answer, Choice, selected


@dataclass(frozen=True, slots=True)
class _Prefix:
    """Keys and values of the first `length` tokens; positions of text after them are shifted by `delta`."""

    cache: DynamicCache
    length: int
    delta: torch.Tensor

    def restore(self) -> None:
        """Forget what came after the shared tokens."""
        self.cache.crop(self.length - self.cache.get_seq_length())


class LocalSession:
    """The `StudySession` of the local engine.

    Args:
        pixels, grid: of each picture, as the image processor gives them: (patches, values) and (1, 3).
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        pixels: Sequence[torch.Tensor],
        grids: Sequence[torch.Tensor],
        *,
        merge: int,
        system: str,
    ) -> None:
        self._model, self._tokenizer, self._system = model, tokenizer, system
        self._pixels, self._grids = list(pixels), list(grids)
        self._tokens = [int(grid.prod()) // merge**2 for grid in grids]
        self._seen: dict[int, torch.Tensor] = {}
        self._prefixes: dict[tuple[int, ...], _Prefix] = {}

    def ask(
        self,
        prompt: str,
        *,
        pictures: Sequence[int],
        max_new_tokens: int,
        deadline_s: float,
        between_tokens: Callable[[], None] | None = None,
    ) -> Answer:
        turn = _Turn(deadline_s, between_tokens)
        try:
            with mapped_run(), torch.inference_mode():
                ids = self._ids(chat.question(prompt))
                new, finished = self._decode(self._prefix(pictures), ids, max_new_tokens, turn)
        except _Elsewhere as elsewhere:
            raise elsewhere.error from None
        text = self._tokenizer.decode(new, skip_special_tokens=True)
        return Answer(text, len(new) + finished, finished, turn.seconds())

    def choose(
        self, prompts: Sequence[str], *, pictures: Sequence[int], choices: Sequence[Sequence[str]], deadline_s: float
    ) -> tuple[Choice, ...]:
        firsts = self._first_tokens(choices)
        if not prompts:
            return ()
        turn = _Turn(deadline_s, None)
        with mapped_run(), torch.inference_mode():
            logits = self._last_logits(self._prefix(pictures), [self._ids(chat.question(p))[0] for p in prompts])
        turn.check(0)
        return tuple(_choice(row, firsts) for row in logits)

    def close(self) -> None:
        self._pixels, self._grids = [], []
        self._seen.clear()
        self._prefixes.clear()

    def _decode(self, prefix: _Prefix, ids: torch.Tensor, most: int, turn: _Turn) -> tuple[list[int], bool]:
        """Greedy, one token at a time, on the shared cache, which is as it was afterwards."""
        end = int(self._model.generation_config.eos_token_id)
        new: list[int] = []
        try:
            while len(new) < most:
                logits = self._step(prefix, ids)
                token = int(logits[0, -1].argmax())
                if token == end:
                    return new, True
                new.append(token)
                turn.check(len(new))
                ids = torch.tensor([[token]], device=self._model.device)
            return new, False
        finally:
            prefix.restore()

    def _last_logits(self, prefix: _Prefix, questions: Sequence[torch.Tensor]) -> torch.Tensor:
        """Logits after the last token of each question: shape (questions, vocabulary).

        What all questions begin with goes through the model once, and the rest of them stands behind it in one row, in
        which each sees the beginning and itself: no token is computed twice and none is padding.
        """
        shared = _common_beginning(questions)
        tails = [q[shared:] for q in questions]
        try:
            if shared:
                beginning = questions[0][None, :shared]
                self._forward(prefix, beginning)
            hidden = self._packed(prefix, tails, shared)
        finally:
            prefix.restore()
        ends = torch.tensor([len(t) for t in tails]).cumsum(0) - 1
        logits: torch.Tensor = self._model.lm_head(hidden[0, ends.to(hidden.device)])
        return logits.float()

    def _packed(self, prefix: _Prefix, tails: Sequence[torch.Tensor], shared: int) -> torch.Tensor:
        """Last states of the tails, one behind another in one row: shape (1, tokens, hidden)."""
        device, start = self._model.device, prefix.length + shared
        places = torch.cat([torch.arange(start, start + len(t), device=device) for t in tails])[None] + prefix.delta
        # Of whatever kind a layer is: its window is thousands of tokens longer than this.
        config = self._model.config.get_text_config()
        mask = _packed_mask(tails, start).to(device=device, dtype=self._model.lm_head.weight.dtype)
        hidden: torch.Tensor = self._model.model.language_model(
            input_ids=torch.cat(list(tails))[None],
            position_ids=places.expand(3, 1, -1),
            attention_mask=dict.fromkeys(config.layer_types, mask),
            past_key_values=prefix.cache,
            use_cache=True,
        ).last_hidden_state
        return hidden

    def _step(self, prefix: _Prefix, ids: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self._model.lm_head(self._forward(prefix, ids)[:, -1:])
        return logits

    def _forward(self, prefix: _Prefix, ids: torch.Tensor) -> torch.Tensor:
        """Last states of some more tokens, shape (1, tokens, hidden); the cache grows by them."""
        start = prefix.cache.get_seq_length()
        positions = torch.arange(start, start + ids.shape[1], device=ids.device)[None] + prefix.delta
        hidden: torch.Tensor = self._model.model(
            input_ids=ids,
            position_ids=positions.expand(3, 1, -1),
            attention_mask=torch.ones(1, start + ids.shape[1], dtype=torch.long, device=ids.device),
            past_key_values=prefix.cache,
            use_cache=True,
        ).last_hidden_state
        return hidden

    def _prefix(self, pictures: Sequence[int]) -> _Prefix:
        key = selected(pictures, len(self._pixels))
        if key not in self._prefixes:
            self._prefixes[key] = self._encode(key)
        return self._prefixes[key]

    def _encode(self, pictures: tuple[int, ...]) -> _Prefix:
        for n in pictures:
            if n not in self._seen:
                grid = self._grids[n]
                (self._seen[n],) = self._model.model.get_image_features(
                    self._pixels[n], grid, return_dict=True
                ).pooler_output
        ids = self._ids(chat.opening(self._system, [self._tokens[n] for n in pictures]))
        cache = DynamicCache()
        features = tuple(self._seen[n] for n in pictures)
        shown: dict[str, Any] = {}
        if pictures:
            shown["mm_encoder_outputs"] = {"image": SimpleNamespace(pooler_output=features)}
            shown["image_grid_thw"] = torch.cat([self._grids[n] for n in pictures])
        # What an earlier question left on the model is of other pictures.
        self._model.model.rope_deltas = None
        self._model.model(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            mm_token_type_ids=(ids == self._model.config.image_token_id).long(),
            past_key_values=cache,
            use_cache=True,
            **shown,
        )
        delta = self._model.model.rope_deltas
        return _Prefix(cache, ids.shape[1], torch.zeros(1, 1, dtype=torch.long) if delta is None else delta.clone())

    def _ids(self, text: str) -> torch.Tensor:
        ids: torch.Tensor = self._tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
        return ids.to(self._model.device)

    def _first_tokens(self, choices: Sequence[Sequence[str]]) -> list[list[int]]:
        """The tokens each choice may begin with."""
        firsts = [
            sorted({int(self._tokenizer(s, add_special_tokens=False)["input_ids"][0]) for s in spellings})
            for spellings in choices
        ]
        if len({t for tokens in firsts for t in tokens}) != sum(len(tokens) for tokens in firsts):
            raise Permanent(
                "two of the choices start with the same token and cannot be told apart", code="choices-ambiguous"
            )
        return firsts


def _common_beginning(questions: Sequence[torch.Tensor]) -> int:
    """How many tokens all of several questions begin with; of each at least one is left over."""
    if len(questions) == 1:
        return 0
    most = min(len(q) for q in questions) - 1
    same = torch.stack([q[:most] == questions[0][:most] for q in questions]).all(0)
    return int(same.long().cumprod(0).sum())


def _packed_mask(tails: Sequence[torch.Tensor], before: int) -> torch.Tensor:
    """What is added to the attention of a row of `tails`: shape (1, 1, tokens, before + tokens). Each token sees the
    `before` ones, and those of its own tail up to itself."""
    owner = torch.cat([torch.full((len(t),), n) for n, t in enumerate(tails)])
    seen = (owner[:, None] == owner[None, :]).tril()
    seen = torch.cat([torch.ones(len(owner), before, dtype=torch.bool), seen], dim=1)
    return torch.zeros(seen.shape).masked_fill(~seen, torch.finfo(torch.bfloat16).min)[None, None]


def _choice(logits: torch.Tensor, firsts: list[list[int]]) -> Choice:
    shares = torch.softmax(logits, dim=0)
    each = [float(shares[tokens].sum()) for tokens in firsts]
    top = int(logits.argmax())
    chosen = next((n for n, tokens in enumerate(firsts) if top in tokens), None)
    total = sum(each)
    return Choice(tuple(p / total for p in each) if total > 0 else None, chosen)


class _Elsewhere(Exception):
    """What `between_tokens` raised: it is the caller's, whatever it looks like, and none of the model's failures."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


class _Turn:
    """One question's time: looked at after every token, stopped while somebody else has the model."""

    def __init__(self, deadline_s: float, between_tokens: Callable[[], None] | None) -> None:
        self._started, self._elsewhere = time.monotonic(), 0.0
        self._deadline_s, self._between = deadline_s, between_tokens

    def seconds(self) -> float:
        return time.monotonic() - self._started - self._elsewhere

    def check(self, tokens: int) -> None:
        if self._between is not None:
            before = time.monotonic()
            try:
                self._between()
            except Exception as error:
                raise _Elsewhere(error) from error
            self._elsewhere += time.monotonic() - before
        if self.seconds() > self._deadline_s:
            raise Transient(
                f"the model was stopped after {self._deadline_s:.0f} s and {tokens} tokens, before the end of its reply",
                code="model-timeout",
            )
