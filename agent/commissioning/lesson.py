"""A training loop that can be stopped at any moment and goes on where it was."""

from __future__ import annotations

import math
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
from torch import nn

Losses = dict[str, torch.Tensor]
SAVE_EVERY, TELL_EVERY = 100, 25
_DECAY = 0.997  # of the running mean of the weights: it is steadier than the weights of any one step


class Lesson:
    """Some modules, trained for `steps` on what `losses(step)` gives; the state lies in `state`."""

    def __init__(
        self,
        modules: dict[str, nn.Module],
        groups: Iterable[tuple[Iterable[nn.Parameter], float]],
        *,
        steps: int,
        state: Path,
        warm: int = 150,
    ) -> None:
        self.modules, self.steps, self.state = modules, steps, state
        self.step = 0
        chosen = [{"params": list(p), "lr": rate, "peak": rate} for p, rate in groups]
        self.optimizer = torch.optim.AdamW(chosen, weight_decay=0.03, betas=(0.9, 0.98))
        self._warm = warm
        self._mean: dict[str, dict[str, torch.Tensor]] = {}

    def resume(self) -> None:
        """Take up the state that is kept, if there is one."""
        if not self.state.exists():
            return
        kept = torch.load(self.state, weights_only=False)
        for name, module in self.modules.items():
            module.load_state_dict(kept[name])
        self.optimizer.load_state_dict(kept["optimizer"])
        self.step, self._mean = kept["step"], kept.get("mean", {})

    def settle(self) -> None:
        """Put the running mean of the weights in place of the last ones."""
        for name, mean in self._mean.items():
            self.modules[name].load_state_dict(mean)

    def save(self) -> None:
        """Keep the state; it is whole or the old one."""
        part = self.state.with_suffix(".part")
        torch.save(
            {n: m.state_dict() for n, m in self.modules.items()}
            | {"optimizer": self.optimizer.state_dict(), "step": self.step, "mean": self._mean},
            part,
        )
        part.rename(self.state)

    def run(self, losses: Callable[[int], Losses], *, every: Callable[[int], None] | None = None) -> None:
        """Train to the end. `every` is called after each time the state is kept."""
        recent: dict[str, list[float]] = defaultdict(list)
        started = time.monotonic()
        while self.step < self.steps:
            for group in self.optimizer.param_groups:
                group["lr"] = group["peak"] * self._rate()
            parts = losses(self.step)
            total = torch.stack(list(parts.values())).sum()
            self.optimizer.zero_grad()
            total.backward()
            parameters = [p for g in self.optimizer.param_groups for p in g["params"]]
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            self.optimizer.step()
            self.step += 1
            self._remember()
            for name, value in parts.items():
                recent[name].append(float(value.detach()))
            if self.step % TELL_EVERY == 0:
                told = "  ".join(f"{name} {np.mean(values):.3f}" for name, values in recent.items())
                sys.stderr.write(f"{time.monotonic() - started:6.0f} s  step {self.step}/{self.steps}  {told}\n")
                sys.stderr.flush()
                recent.clear()
            if self.step % SAVE_EVERY == 0 or self.step == self.steps:
                self.save()
                if every:
                    every(self.step)

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def _remember(self) -> None:
        for name, module in self.modules.items():
            now = module.state_dict()
            if name not in self._mean:
                self._mean[name] = {k: v.clone() for k, v in now.items()}
            decay = min(_DECAY, self.step / (self.step + 10))
            for key, value in self._mean[name].items():
                value.lerp_(now[key], 1 - decay)

    def _rate(self) -> float:
        if self.step < self._warm:
            return (self.step + 1) / self._warm
        done = (self.step - self._warm) / max(1, self.steps - self._warm)
        return 0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * done))
