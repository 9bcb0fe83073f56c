"""The way of a study at a glance: one mark for each place that it passes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from agent.store.way import Way

DONE, WORKING, FAILING, STOPPED, AHEAD = "done", "working", "failing", "stopped", "ahead"
# How a delivery counts, worst first.
_OF_DELIVERY = {
    "parked": FAILING, "failing": FAILING, "held": STOPPED, "waiting": WORKING, "delivered": DONE, "committed": DONE,
    "superseded": DONE,
}  # fmt: skip
_ORDER = (FAILING, STOPPED, WORKING, DONE)


@dataclass(frozen=True, slots=True)
class Mark:
    """One place on the way. `key` names it in the texts; `about` is a destination, `words` what there is to say of it."""

    key: str
    state: str
    about: str = ""
    words: str = ""


def rail(way: Way, study_state: str, failed: Sequence[str], destinations: Sequence[str]) -> tuple[Mark, ...]:
    """The marks, in the order of the way.

    Args:
        failed: kinds of the jobs about it that fail or are parked.
        destinations: names of those of the settings, in their order.
    """
    assembled = way.revision is not None
    marks = [
        Mark("receive", WORKING if study_state == "receiving" else DONE),
        Mark("assemble", _stage(assembled, "assemble", way, failed, stopped=study_state == "needs-attention")),
        Mark("flag", _stage(way.flag is not None, "flag", way, failed, over=way.reading is not None)),
        Mark("read", _stage(way.reading is not None, "read", way, failed)),
        Mark("report", _stage(bool(_of_newest(way, way.documents)), "report", way, failed)),
    ]
    named = dict.fromkeys((*destinations, *(d["destination"] for d in way.deliveries)))
    marks += [_delivery(way, name) for name in named]
    if way.committing:
        marks.append(_commitment(way, failed))
    return tuple(marks)


def _stage(done: bool, kind: str, way: Way, failed: Sequence[str], *, stopped: bool = False, over: bool = False) -> str:
    if kind in failed:
        return FAILING
    if stopped:
        return STOPPED
    if kind in way.open_jobs:
        return WORKING
    return DONE if done or over else AHEAD


def _of_newest(way: Way, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    number = 0 if way.revision is None else way.revision.number
    return [row for row in rows if row["revision"] == number]


def state_of(row: dict[str, Any]) -> str:
    """The state of a delivery, one that waits after a failure told from one that has not been tried."""
    return "failing" if row["state"] == "waiting" and row["attempts"] else str(row["state"])


def _delivery(way: Way, name: str) -> Mark:
    mine = [d for d in _of_newest(way, way.deliveries) if d["destination"] == name]
    if not mine:
        return Mark("deliver", AHEAD, name)
    states = [_OF_DELIVERY[state_of(d)] for d in mine]
    worst = min(states, key=_ORDER.index)
    words = next(d["words"] for d, state in zip(reversed(mine), reversed(states), strict=True) if state == worst)
    return Mark("deliver", worst, name, words)


def _commitment(way: Way, failed: Sequence[str]) -> Mark:
    mine = [d for d in way.deliveries if d["id"] in way.committing and d["state"] != "superseded"]
    if "commit" in failed or any(d["state"] == "parked" for d in mine):
        return Mark("commit", FAILING)
    return Mark("commit", DONE if all(d["state"] == "committed" for d in mine) else WORKING)
