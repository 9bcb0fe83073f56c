"""A study as a line of the worklist, in the reader's words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from agent.store.listing import Row, Wanted
from agent.web.pages.texts import Words
from agent.web.study.plain import plain_date, plain_name, plain_time

_DOUBTFUL = ("abstained", "not-analysed", "needs-attention")
_TONES = {"needs-attention": "bad", "delivered": "good", "reported": "good", "withdrawn": "quiet"}


@dataclass(frozen=True, slots=True)
class Chip:
    """A finding. `certainty` is said by words and by the border, never by colour alone."""

    text: str
    certainty: str
    probability: str
    title: str


@dataclass(frozen=True, slots=True)
class Line:
    """One line. `order`: sorts as the worklist does, as text; empty where the list is in another order. `why`: in the reader's words;
    `own`: what the program says about it itself, for where there are none."""

    row: Row
    order: str
    patient: str
    born: str
    when: str
    wait: str
    chips: tuple[Chip, ...]
    standing: str
    tone: str
    why: str
    own: str
    sent: str
    verdict: str


def lines_of(rows: Iterable[Row], wanted: Wanted, t: Words, now: datetime) -> list[Line]:
    """The rows as lines."""
    sorted_so = not (wanted.text or wanted.since or wanted.until)
    return [_line(row, sorted_so, t, now) for row in rows]


def _line(row: Row, sorted_so: bool, t: Words, now: datetime) -> Line:
    sex = f"worklist.sex.{row.sex}"
    born = ", ".join(p for p in (plain_date(row.birth_date), t(sex) if t.has(sex) else "") if p)
    return Line(
        row,
        f"{row.position:020d}" if sorted_so else "",
        plain_name(row.patient_name) or t("worklist.nameless"),
        born,
        " ".join(p for p in (plain_date(row.study_date), plain_time(row.study_time)) if p),
        wait_in_words(now - row.arrived_at, t) if row.is_waiting else "",
        tuple(_chip(chip, t) for chip in row.findings),
        t(f"worklist.standing.{row.standing}") if t.has(f"worklist.standing.{row.standing}") else row.standing,
        "bad" if row.trouble and row.state != "reported" else _TONES.get(row.standing, ""),
        _why(row, t),
        (row.explanation or row.reason) if row.standing in _DOUBTFUL else "",
        _sent(row, t),
        t(f"worklist.verdict.{row.verdict}", who=row.verdict_by or "") if row.verdict else "",
    )


def _chip(chip: Mapping[str, Any], t: Words) -> Chip:
    name = f"findings.name.{chip['concept']}"
    parts = [t(name) if t.has(name) else str(chip["concept"])]
    for kind in ("severity", "side"):
        if chip[kind] and t.has(f"findings.{kind}.{chip[kind]}"):
            parts.append(t(f"findings.{kind}.{chip[kind]}"))
    probability = "" if chip["probability"] is None else f"{100 * float(chip['probability']):.0f} %"
    title = t(f"worklist.certainty.{chip['certainty']}")
    if probability:
        title += f"; {t('worklist.calibrated' if chip['calibrated'] else 'worklist.uncalibrated', value=probability)}"
    return Chip(", ".join(parts), str(chip["certainty"]), probability, title)


def _why(row: Row, t: Words) -> str:
    """Why a study stands as it does, where there is something to say, in the reader's words; empty where there are none."""
    if row.standing in _DOUBTFUL:
        return t.code(row.reason)
    return t("worklist.no_flag") if row.flag_trouble and not row.outcome else ""


def _sent(row: Row, t: Words) -> str:
    """What stands in the way of the result."""
    if row.failing:
        return t(f"worklist.failing.{row.failing}")
    counts = (("parked", row.parked), ("held", row.held), ("waiting", row.waiting))
    return ", ".join(t(f"worklist.sent.{name}", count=n) for name, n in counts if n)


def wait_in_words(wait: timedelta, t: Words) -> str:
    """A time as people say it: minutes, hours, days."""
    minutes = max(0, int(wait.total_seconds() // 60))
    if minutes < 60:
        return t("worklist.wait.minutes", count=minutes)
    if minutes < 60 * 48:
        return t("worklist.wait.hours", hours=minutes // 60, minutes=f"{minutes % 60:02d}")
    return t("worklist.wait.days", count=minutes // (60 * 24))
