"""Counting: every new image, event and turn-around time is looked at once, and what it tells goes into the counts of its day.

Called by the clock of the office. A ledger of a site that ran before there were counts is gone through from its beginning, in
steps that hold up nobody.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, tzinfo

import structlog
from sqlalchemy import Connection

from agent.clock import Clock
from agent.errors import PrereadError
from agent.imaging.facts import InstanceFacts
from agent.numbers.buckets import bucket_of
from agent.store import daily
from agent.store.daily import Counted, Span
from agent.store.engine import Ledger
from agent.store.reviews import TAKEN_BACK
from structured_report.content import Outcome, Presence

AT_ONCE = 1000
_LONGEST = timedelta(seconds=20)  # of one tick; a ledger that is gone through for the first time takes several
_OF_REVISION = re.compile(r"revision (\d{1,9})(?:, \d+ tokens|: not analysed)")
WHOLE = "-"  # in place of a finding: the draft as a whole
UNSPECIFIED = "unspecified"  # in place of a reason: none was kept

Counts = Counter[Counted]


class Counting:
    """Counts what is new. `zone`: whose days are counted; None is that of this machine."""

    def __init__(self, ledger: Ledger, clock: Clock, zone: tzinfo | None) -> None:
        self._ledger, self._clock, self._zone = ledger, clock, zone
        self._of: dict[str, Callable[[Connection, Span], Counts]] = {
            "instance": self._images,
            "event": self._events,
            "turnaround": self._times,
            "review": self._judgements,
        }

    def tick(self) -> None:
        """Count for a while; what is left is counted at the next tick, as is what a ledger that cannot be used has."""
        until = self._clock.now() + _LONGEST
        try:
            while self.count() and self._clock.now() < until:
                pass
        except PrereadError as error:
            structlog.get_logger().warning("counting put off", reason=error.code)
        except Exception as error:  # noqa: BLE001  process edge: no study is touched; the scheduler would drop it without a word
            structlog.get_logger().error("counting failed", error_type=type(error).__name__, exc_info=True)

    def count(self, most: int = AT_ONCE) -> bool:
        """One step over each table; returns whether more may be left."""
        left = False
        for name, counted in self._of.items():
            with self._ledger.read() as view:
                span = daily.uncounted(view, name, most)
                counts = counted(view, span) if span.up_to > span.after else Counter()
            if span.up_to == span.was:
                continue
            with self._ledger.begin() as tx:
                daily.write(tx, span, counts)
            left = left or span.up_to - span.after >= most
        return left

    def _day(self, at: datetime) -> datetime:
        return at.astimezone(self._zone)

    def _images(self, view: Connection, span: Span) -> Counts:
        rows, counts = daily.images(view, span), Counts()
        first = daily.first_images(view, sorted({row.study_instance_uid for row in rows}))
        for row in rows:
            facts = InstanceFacts.from_json(row.facts)
            if facts.is_of_constancy_test:
                continue
            at, scanner = self._day(row.received_at), scanner_of(facts)
            day = at.strftime("%Y-%m-%d")
            counts[Counted(day, "image", "", scanner)] += 1
            counts[Counted(day, "bytes", "", "")] += row.size
            if first[row.study_instance_uid] == row.id:
                counts[Counted(day, "study", at.strftime("%H"), "")] += 1
        return counts

    def _events(self, view: Connection, span: Span) -> Counts:
        rows, counts = daily.events(view, span), Counts()
        uids = sorted({row.study_instance_uid for row in rows})
        flags, readings = daily.flags_of(view, uids), daily.readings_of(view, uids)
        scanners = _scanners(view, uids)
        for row in rows:
            uid = row.study_instance_uid
            if uid not in scanners:
                continue  # a film of the constancy test, or a study that was purged since
            day, scanner = self._day(row.at).strftime("%Y-%m-%d"), scanners[uid]
            if row.stage == "flag":
                counts.update(_flag(row.code, flags.get((uid, row.at)), day, scanner))
            elif row.stage == "withdraw":
                counts[Counted(day, "outcome", Outcome.WITHDRAWN, scanner)] += 1
            elif (said := _OF_REVISION.match(row.words)) and (found := readings.get((uid, int(said[1])))):
                counts.update(_reading(*found, day, scanner))
        return counts

    def _times(self, view: Connection, span: Span) -> Counts:
        counts = Counts()
        for row in daily.times(view, span):
            day = self._day(row.at).strftime("%Y-%m-%d")
            counts[Counted(day, f"{daily.TOOK}{row.what}", str(bucket_of(row.seconds)), row.destination)] += 1
        return counts

    def _judgements(self, view: Connection, span: Span) -> Counts:
        """The newest judgement about a thing counts; the one before it does not any more, on the day on which it was made."""
        rows, counts = daily.judgements(view, span), Counts()
        real = _scanners(view, sorted({row.study_instance_uid for row in rows}))
        for row in rows:
            if row.study_instance_uid not in real:
                continue
            for verdict, at, n in ((row.verdict, row.at, 1), (row.verdict_before, row.at_before, -1)):
                if verdict is not None and verdict != TAKEN_BACK:
                    counts[Counted(self._day(at).strftime("%Y-%m-%d"), "judged", row.finding or WHOLE, verdict)] += n
        return counts


def scanner_of(facts: InstanceFacts) -> str:
    """Manufacturer and model as one line, at most 128 characters; a model that begins with its maker's name says it once."""
    maker, model = (" ".join(t.split()) for t in (facts.manufacturer, facts.manufacturer_model_name))
    said = model if maker and model.lower().startswith(maker.lower()) else f"{maker} {model}".strip()
    return said[:128]


def _scanners(view: Connection, uids: Sequence[str]) -> dict[str, str]:
    """The scanners of these studies, those of the constancy test not among them."""
    read = {uid: InstanceFacts.from_json(text) for uid, text in daily.facts_of_first_images(view, uids).items()}
    return {uid: scanner_of(facts) for uid, facts in read.items() if not facts.is_of_constancy_test}


def _flag(code: str, priority: str | None, day: str, scanner: str) -> Counts:
    if code == "flagged" and priority is not None:
        return Counts({Counted(day, "flag", priority, scanner): 1})
    return Counts({Counted(day, "flag", "none", scanner): 1}) if code == "not-flagged" else Counts()


def _reading(outcome: str, reason: str, findings: list[dict[str, object]], day: str, scanner: str) -> Counts:
    counts = Counts({Counted(day, "outcome", outcome, scanner): 1})
    if outcome != Outcome.READ:
        counts[Counted(day, "reason", reason or UNSPECIFIED, outcome)] += 1
        return counts
    present = {str(f["concept"]) for f in findings if f["presence"] == Presence.PRESENT}  # once, whatever the sides
    counts.update(Counted(day, "found", concept, scanner) for concept in present)
    return counts
