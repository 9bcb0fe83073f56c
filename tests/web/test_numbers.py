"""The numbers page: every number equals a plain count of what happened, and every chart can be read, and taken away."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete
from starlette.testclient import TestClient

from agent.clock import SystemClock
from agent.numbers.buckets import bucket_of, quantile, upper
from agent.numbers.count import Counting
from agent.numbers.figures import Figures, Period, figures_of
from agent.store import reviews
from agent.store.daily import Counted, Span, by_day, by_step, summed, write
from agent.store.engine import Ledger
from agent.store.schema import (
    counted_up_to,
    daily_count,
    event,
    flag,
    instance,
    reading,
    review,
    study,
    study_revision,
)
from agent.web.context import WebContext
from agent.web.numbers.table import as_csv
from agent.web.rights import Role
from tests.support.planted_days import Planted, plant, realistic

ZONE = ZoneInfo("Europe/Vienna")
START = datetime(2026, 3, 27, 22, 30, tzinfo=UTC)  # over the night in which the clock is put forward
_OF_A_STUDY = (study, instance, study_revision, flag, reading, event)
WHOLE = Period(date(2026, 3, 27), date(2026, 4, 2))

_PLANTED = st.lists(
    st.builds(
        Planted,
        uid=st.just(""),
        at=st.integers(0, 5 * 86400).map(lambda s: START + timedelta(seconds=s)),
        maker=st.sampled_from(("Acme", "", "<b>Bad</b>", "=1+1")),
        model=st.sampled_from(("DX 1", "DX 2", "")),
        images=st.integers(1, 2),
        drawn=st.booleans(),
        priority=st.sampled_from(("routine", "urgent", "critical", "none", "")),
        outcome=st.sampled_from(("read", "abstained", "not-analysed", "")),
        reason=st.sampled_from(("", "truncated")),
        present=st.lists(st.sampled_from(("consolidation", "cardiomegaly")), unique=True).map(tuple),
        took=st.lists(
            st.tuples(st.just("flag"), st.just(""), st.floats(0, 1e5, allow_nan=False)), max_size=1
        ).map(tuple),
    ),
    max_size=30,
)  # fmt: skip


def counted(studies: list[Planted], most: int = 7) -> Figures:
    """The figures of a ledger in which these studies were."""
    named = [
        Planted(**{**{f: getattr(s, f) for f in Planted.__dataclass_fields__}, "uid": f"1.{n}"})
        for n, s in enumerate(studies)
    ]
    named = [
        s if not s.drawn else Planted(**{**_fields(s), "took": ()}) for s in named
    ]  # as agent.store.turnaround does
    with TemporaryDirectory() as folder:
        ledger = Ledger(f"sqlite:///{Path(folder) / 'ledger.db'}")
        ledger.create()
        with ledger.begin() as tx:
            plant(tx, named)
        counting = Counting(ledger, SystemClock(), ZONE)
        while counting.count(most):
            pass
        counting.count(most)
        with ledger.read() as view:
            found = figures_of(view, WHOLE)
        ledger.close()
    return found


def _fields(one: Planted) -> dict[str, object]:
    return {f: getattr(one, f) for f in Planted.__dataclass_fields__}


def scanner(one: Planted) -> str:
    return f"{one.maker} {one.model}".strip()


def day(at: datetime) -> date:
    return at.astimezone(ZONE).date()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(studies=_PLANTED, most=st.integers(1, 40))
def test_every_number_is_what_a_plain_count_says(studies: list[Planted], most: int) -> None:
    figures = counted(studies, most)
    real = [s for s in studies if not s.drawn]
    later = [(s, day(s.at + timedelta(seconds=5))) for s in real]
    for one in figures.days:
        assert one.studies == sum(day(s.at) == one.day for s in real)
        for outcome in ("read", "abstained", "not-analysed"):
            shown = getattr(one, outcome.replace("-", "_"))
            assert shown == sum(s.outcome == outcome and on == one.day for s, on in later)
        for priority in ("urgent", "critical"):
            assert getattr(one, priority) == sum(s.priority == priority and on == one.day for s, on in later)
    assert figures.hours == tuple(sum(s.at.astimezone(ZONE).hour == h for s in real) for h in range(24))
    assert figures.images == sum(s.images for s in real)
    read = [s for s in real if s.outcome == "read"]
    assert {(r.name, r.n, r.of) for r in figures.findings} == {
        (concept, n, len(read)) for concept, n in Counter(c for s in read for c in s.present).items()
    }
    looked_at = [s for s in real if s.priority in ("routine", "urgent", "critical")]
    flagged = Counter(scanner(s) for s in looked_at if s.priority != "routine")
    of = Counter(scanner(s) for s in looked_at)
    assert {(r.name, r.n, r.of) for r in figures.flagged_by_scanner} == {(s, flagged[s], n) for s, n in of.items()}
    reasons = Counter((s.outcome, s.reason or "unspecified") for s in real if s.outcome not in ("read", ""))
    assert {(r.outcome, r.code): r.n for r in figures.reasons} == dict(reasons)
    times = sorted(seconds for s in real for _, _, seconds in s.took)
    took = figures.took[0] if figures.took else None
    assert (took.count if took else 0) == len(times)
    if took is not None:
        for share, shown in ((0.5, took.median_s), (0.95, took.p95_s)):
            exact = times[max(1, math.ceil(share * len(times))) - 1]
            assert shown is not None
            assert exact <= shown * (1 + 1e-9)
            assert shown <= max(0.1, exact * 1.05) * (1 + 1e-9)


@given(
    on=st.lists(st.dates(date(2024, 1, 1), date(2026, 12, 31)), max_size=25),
    first=st.dates(date(2024, 1, 1), date(2026, 12, 31)),
    length=st.integers(0, 800),
)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_a_period_is_its_days_however_it_is_read(site: Ledger, on: list[date], first: date, length: int) -> None:
    last = first + timedelta(days=length)
    wanted = Counter(day for day in on if first <= day <= last)
    with site.begin() as tx:
        tx.execute(delete(daily_count))
        tx.execute(delete(counted_up_to))
        span = Span("turnaround", 0, 0, 1)
        assert write(tx, span, Counter(Counted(day.isoformat(), "took-flag", "7", "") for day in on))
        assert summed(tx, "took-flag", first, last) == ({("7", ""): wanted.total()} if wanted else {})
        assert {day: n for day, _, n in by_day(tx, "took-flag", first, last)} == dict(wanted)
        for months in (True, False):
            steps = Counter[date]()
            for start, _, _, n in by_step(tx, "took-flag", first, last, months=months):
                steps[start] += n
            assert steps == Counter(day.replace(day=1) if months else day for day in wanted.elements())
        took = figures_of(tx, Period(first, last)).took
        assert sum(t.count for t in took) == wanted.total()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    ledger.create()
    yield ledger
    ledger.close()


@given(seconds=st.floats(0, 1e6, allow_nan=False))
def test_a_time_is_in_the_bucket_whose_bounds_hold_it(seconds: float) -> None:
    bucket = bucket_of(seconds)
    assert seconds <= upper(bucket)
    assert bucket == 0 or seconds > upper(bucket - 1)


def test_a_median_of_nothing_is_none() -> None:
    assert quantile({}, 0.5) is None


def test_counting_twice_counts_once(context: WebContext) -> None:
    with context.ledger.begin() as tx:
        plant(tx, [Planted("1.1", START, present=("consolidation",), took=(("flag", "", 3.0),))])
    for _ in range(3):
        Counting(context.ledger, context.clock, ZONE).count()
    with context.ledger.read() as view:
        figures = figures_of(view, WHOLE)
    assert sum(d.studies for d in figures.days) == 1
    assert [(r.n, r.of) for r in figures.findings] == [(1, 1)]
    assert figures.took[0].count == 1


_JUDGED = st.lists(
    st.tuples(
        st.sampled_from(("1.1", "1.2")), st.sampled_from(("", "consolidation", "cardiomegaly")),
        st.sampled_from(reviews.VERDICTS), st.integers(0, 5),
    ),
    max_size=25,
)  # fmt: skip


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(said=_JUDGED, most=st.integers(1, 30))
def test_of_each_statement_the_newest_judgement_counts(
    site: Ledger, said: list[tuple[str, str, str, int]], most: int
) -> None:
    with site.begin() as tx:
        for table in (review, daily_count, counted_up_to, *reversed(_OF_A_STUDY)):
            tx.execute(delete(table))
        plant(tx, [Planted(uid, START) for uid in ("1.1", "1.2")])
        for uid, finding, verdict, days in said:
            at = START + timedelta(days=days)
            reviews.add(tx, reviews.Review(uid, 1, finding, "present", verdict, "ruth", at))
    counting = Counting(site, SystemClock(), ZONE)
    while counting.count(most):
        pass
    with site.read() as view:
        figures = figures_of(view, WHOLE)
    newest = {(uid, finding): (verdict, START + timedelta(days=days)) for uid, finding, verdict, days in said}
    counting_ones = [(finding or "-", verdict) for (_, finding), (verdict, _) in newest.items()]
    assert {(r.name, r.n, r.of) for r in figures.agreement} == {
        (name, sum(v == reviews.ACCEPTED for v in of), len(of))
        for name in ("-", "consolidation", "cardiomegaly")
        if (of := [v for f, v in counting_ones if f == name and v not in (reviews.MISSED, reviews.TAKEN_BACK)])
    }
    days = {(v, d.astimezone(ZONE).date()) for v, d in newest.values() if v != reviews.TAKEN_BACK}
    assert {(v, d) for v, of in figures.judged.items() for d, n in of.items() if n} == days
    assert sum(figures.judged.get("missed", {}).values()) == sum(v == reviews.MISSED for _, v in counting_ones)


@pytest.fixture
def busy(context: WebContext) -> WebContext:
    """A site with two weeks of studies, among them those of a scanner that calls itself something else."""
    now = context.clock.now()
    studies = realistic(now - timedelta(days=1), 14, 30)
    odd = Planted(
        "1.9.9", now - timedelta(days=2), maker="<script>alert(1)</script>", model='"=cmd"', priority="urgent"
    )
    formula = Planted("1.9.8", now - timedelta(days=2), maker="=HYPERLINK", model="(1)", priority="urgent")
    with context.ledger.begin() as tx:
        plant(tx, [*studies, odd, formula])
    counting = Counting(context.ledger, context.clock, context.settings.web.zone)
    while counting.count():
        pass
    return context


def test_foreign_words_stand_on_the_page_as_text(busy: WebContext, browser: Callable[[Role], TestClient]) -> None:
    page = browser(Role.VIEWER).get("/numbers").text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page
    assert "style=" not in page
    assert " onload=" not in page


def test_each_chart_has_words_and_a_table_of_the_same_numbers(
    busy: WebContext, browser: Callable[[Role], TestClient]
) -> None:
    client = browser(Role.VIEWER)
    client.headers["Accept-Language"] = "de"
    assert "Eingegangene Untersuchungen" in client.get("/numbers").text
    for name in ("studies", "hours", "outcomes", "flags", "took-flag", "took-flag-by-day", "took-sr-to-pacs", "scanners",
                 "findings", "reasons"):  # fmt: skip
        drawn = client.get(f"/numbers/{name}.svg")
        assert drawn.status_code == 200, name
        tree = ElementTree.fromstring(drawn.content)
        parts = {e.tag.rpartition("}")[2]: e.text for e in tree[:2]}
        assert parts["title"], name
        assert parts["desc"], name
        table = list(csv.reader(io.StringIO(client.get(f"/numbers/{name}.csv").content.decode("utf-8-sig"))))
        assert len(table) > 1, name
        assert len({len(row) for row in table}) == 1, name


@pytest.mark.parametrize(
    ("language", "outcome", "words"),
    [
        ("en", "not analysed", "A lateral film is not read without a frontal one."),
        ("de", "nicht ausgewertet", "Eine seitliche Aufnahme wird ohne frontale nicht ausgewertet."),
    ],
)
def test_why_studies_were_not_read_is_said_in_words_and_taken_away_as_codes(
    busy: WebContext, browser: Callable[[Role], TestClient], language: str, outcome: str, words: str
) -> None:
    client = browser(Role.VIEWER)
    client.headers["Accept-Language"] = language
    drawn = ElementTree.fromstring(client.get("/numbers/reasons.svg").content)
    texts = [e.text or "" for e in drawn.iter() if e.tag.endswith("}text")]
    tips = [e.text or "" for e in drawn.iter() if e.tag.endswith("}title")]
    assert f"{outcome}: {words}" in texts, "the whole sentence, and no code"
    assert not any("lateral-only" in text for text in texts)
    assert any(tip.startswith(f"{outcome}: {words} (lateral-only): ") for tip in tips)
    assert f"<td>{words} (lateral-only)</td>" in client.get("/numbers").text
    table = client.get("/numbers/reasons.csv").content.decode("utf-8-sig")
    assert {row[1] for row in csv.reader(io.StringIO(table))} >= {"lateral-only", "not-chest", "reply-truncated"}
    assert words not in table


def test_a_table_is_no_formula_for_the_program_that_opens_it(
    busy: WebContext, browser: Callable[[Role], TestClient]
) -> None:
    answer = browser(Role.VIEWER).get("/numbers/scanners.csv")
    assert answer.headers["content-disposition"].startswith("attachment")
    rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert "'=HYPERLINK (1)" in {row[0] for row in rows}
    assert not any(cell.startswith(("=", "+", "@", "-")) for row in rows for cell in row)


@given(cells=st.lists(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0")), min_size=1, max_size=5))
def test_what_goes_into_a_table_comes_out_of_it(cells: list[str]) -> None:
    (read,) = list(csv.reader(io.StringIO(as_csv(cells, []).decode("utf-8-sig"), newline="")))
    assert [cell.removeprefix("'") if cell != own else cell for cell, own in zip(read, cells, strict=True)] == cells


@pytest.mark.parametrize("asked", ["days=0", "days=100000", "last=yesterday", "last=9999-99-99"])
def test_a_period_that_is_none_is_refused(browser: Callable[[Role], TestClient], asked: str) -> None:
    assert browser(Role.VIEWER).get(f"/numbers?{asked}").status_code == 422


@pytest.mark.parametrize("days", [1, 30, 100, 365, 1825])
def test_a_site_without_a_study_says_so(browser: Callable[[Role], TestClient], days: int) -> None:
    assert "Nothing was counted" in browser(Role.VIEWER).get(f"/numbers?days={days}&last=2026-01-01").text


def test_the_page_and_the_interface_say_the_same(busy: WebContext, browser: Callable[[Role], TestClient]) -> None:
    client = browser(Role.VIEWER)
    said = client.get("/api/v1/numbers").json()
    rows = list(csv.reader(io.StringIO(client.get("/numbers/studies.csv").content.decode("utf-8-sig"))))[1:]
    assert {row[0]: int(row[1]) for row in rows} == {
        d["day"]: d["studies"] for d in said["days"] if d["day"] >= said["counted_since"]
    }


@pytest.mark.parametrize("days", [7, 100, 400])
def test_charts_of_any_length_hold_every_study(
    busy: WebContext, browser: Callable[[Role], TestClient], days: int
) -> None:
    client = browser(Role.VIEWER)
    studies = sum(d["studies"] for d in client.get(f"/api/v1/numbers?days={days}").json()["days"])
    for name, column in (("studies", 1), ("took-flag-by-day", 3)):
        text = client.get(f"/numbers/{name}.csv?days={days}").content.decode("utf-8-sig")
        rows = list(csv.reader(io.StringIO(text)))[1:]
        if name == "studies":
            assert sum(int(row[column]) for row in rows) == studies
        else:
            times = {t["what"]: t["count"] for t in client.get(f"/api/v1/numbers?days={days}").json()["times"]}
            assert sum(int(row[column]) for row in rows) == times["flag"]


@pytest.mark.parametrize("last", ["0001-01-01", "9999-12-31"])
def test_the_ends_of_the_calendar_are_no_trap(browser: Callable[[Role], TestClient], last: str) -> None:
    for days in (1, 3660):
        assert browser(Role.VIEWER).get(f"/numbers?days={days}&last={last}").status_code == 200
        assert browser(Role.VIEWER).get(f"/api/v1/numbers?days={days}&last={last}").status_code == 200
