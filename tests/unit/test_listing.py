"""The worklist's rows say what the ledger says, whatever happened and in whatever order; and they are found without looking at all."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from sqlalchemy import delete, event, insert, select, update

from agent.keeping.projector import Projector
from agent.store import listing, listing_progress, listing_rows, purging, reviews, schema, studies, trouble
from agent.store.engine import Ledger
from agent.store.listing import Cursor, Row, Wanted
from agent.store.listing_rows import STAGES, STANDINGS, WAITS, folded
from structured_report.content import Finding, Laterality, Presence, Priority, Probability
from tests.support.planted_ledger import PlantedLedger
from tests.support.site import Site
from tests.support.worklists import NOW, SetClock, Worklist, present

_FAST = "/dev/shm" if Path("/dev/shm").is_dir() else None  # thousands of commits, of which none has to last
CONCEPTS = ("pneumothorax", "pleural_effusion", "cardiomegaly")


class Site_:
    """A ledger with its projector, in this thread."""

    def __init__(self, root: Path) -> None:
        self.ledger, self.clock = Ledger(f"sqlite:///{root / 'preread.db'}"), SetClock()
        self.ledger.create()
        self.line = Worklist(self.ledger, self.clock)
        self.projector = Projector(self.ledger, self.clock, threading.Event())

    def rows(self) -> dict[str, Row]:
        with self.ledger.read() as view:
            return {r.study_instance_uid: r for r in listing.page(view, Wanted(), size=1000).rows}

    def row(self, uid: str = "1.1") -> Row:
        return self.rows()[uid]

    def wrong(self) -> list[str]:
        """Studies whose row is not what is made anew."""
        with self.ledger.read() as view:
            uids = set(view.execute(select(schema.study.c.study_instance_uid)).scalars()) | set(self.rows())
            return listing_rows.differing(view, sorted(uids), now=self.clock.now())


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Site_]:
    made = Site_(tmp_path)
    made.projector.catch_up()
    yield made
    made.ledger.close()


class Anything(RuleBasedStateMachine):
    """Whatever the stages do to a few studies, in any order that a stage may."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory(dir=_FAST)
        self.here = Site_(Path(self.folder.name))
        self.here.projector.catch_up()
        self.revisions: dict[str, set[str]] = {}

    def teardown(self) -> None:
        self.here.ledger.close()
        self.folder.cleanup()

    uids = st.sampled_from(["1.1", "1.2", "1.3"])
    priorities = st.sampled_from(list(Priority))

    @rule(uid=uids, name=st.sampled_from(["DOE^JOHN", "Müller^Änne=ミュラー", ""]), constancy=st.booleans())
    def an_image_comes(self, uid: str, name: str, constancy: bool) -> None:
        self.here.clock.time += timedelta(seconds=1)
        self.here.line.arrive(uid, name=name, constancy=constancy)
        self.revisions.setdefault(uid, set())

    def _some(self, data: st.DataObject, without: str = "", having: str = "") -> str | None:
        found = sorted(
            u for u, done in self.revisions.items() if (having in done if having else True) and without not in done
        )
        return data.draw(st.sampled_from(found)) if found else None

    @precondition(lambda self: self.revisions)
    @rule(data=st.data())
    def it_is_assembled(self, data: st.DataObject) -> None:
        uid = self._some(data)
        assert uid is not None
        self.here.line.assemble(uid)
        self.revisions[uid] = {"assembled"}

    @rule(data=st.data(), priority=priorities, trouble=st.sampled_from(["", "no model"]))
    def it_is_flagged(self, data: st.DataObject, priority: Priority, trouble: str) -> None:
        if uid := self._some(data, "flagged", "assembled"):
            self.here.line.flag(uid, priority, ["because"], [Probability("pneumothorax", 0.9)], trouble)
            self.revisions[uid].add("flagged")

    @rule(
        data=st.data(),
        priority=priorities,
        outcome=st.sampled_from(["read", "abstained"]),
        concept=st.sampled_from(CONCEPTS),
    )
    def it_is_read(self, data: st.DataObject, priority: Priority, outcome: str, concept: str) -> None:
        if uid := self._some(data, "read", "assembled"):
            self.here.line.read(uid, outcome, [present(concept)], priority)
            self.revisions[uid].add("read")

    @rule(data=st.data(), hold=st.booleans())
    def it_is_reported(self, data: st.DataObject, hold: bool) -> None:
        if uid := self._some(data, "reported", "read"):
            self.here.line.report(uid, hold=hold)
            self.revisions[uid].add("reported")

    @rule(data=st.data(), fails=st.booleans(), for_good=st.booleans())
    def it_is_sent(self, data: st.DataObject, fails: bool, for_good: bool) -> None:
        if uid := self._some(data, "", "reported"):
            self.here.line.deliver(uid, fails=fails, for_good=for_good)

    @rule(data=st.data())
    def there_is_a_doubt(self, data: st.DataObject) -> None:
        if uid := self._some(data, "", "assembled"):
            self.here.line.doubt(uid)

    @rule(data=st.data())
    def a_person_has_reported_it(self, data: st.DataObject) -> None:
        if uid := self._some(data, "", "assembled"):
            self.here.line.finish(uid)

    @rule(data=st.data(), verdict=st.sampled_from(reviews.VERDICTS), finding=st.sampled_from(["", "pneumothorax"]))
    def a_radiologist_judges_it(self, data: st.DataObject, verdict: str, finding: str) -> None:
        if uid := self._some(data, "", "assembled"):
            with self.here.ledger.begin() as tx:
                newest = studies.newest_revision(tx, uid)
                assert newest is not None
                said = reviews.Review(uid, newest.number, finding, "present", verdict, "dr.roe", self.here.clock.now())
                reviews.add(tx, said)

    @rule(data=st.data())
    def it_is_purged(self, data: st.DataObject) -> None:
        if uid := self._some(data):
            with self.here.ledger.begin() as tx:
                purging.purge(tx, uid, now=self.here.clock.now())
            del self.revisions[uid]

    @rule(
        data=st.data(), kind=st.sampled_from([s for s in STAGES if s not in ("deliver", "commit")]), error=st.booleans()
    )
    def a_stage_fails_or_does_not_any_more(self, data: st.DataObject, kind: str, error: bool) -> None:
        if uid := self._some(data, "", "assembled"):
            with self.here.ledger.begin() as tx:
                newest = studies.newest_revision(tx, uid)
                assert newest is not None
                key = uid if kind == "assemble" else str(newest.id)
                tx.execute(delete(schema.job).where(schema.job.c.kind == kind, schema.job.c.key == key))
                if error:
                    row = {"run_at": NOW, "rank_at": NOW, "created_at": NOW, "error": "model-gone: no"}
                    tx.execute(insert(schema.job).values(kind=kind, key=key, state="parked", **row))

    @rule(hours=st.integers(1, 40))
    def time_passes(self, hours: int) -> None:
        self.here.clock.time += timedelta(hours=hours)

    @rule()
    def the_projector_looks(self) -> None:
        while self.here.projector.follow() or self.here.projector.compare():
            pass
        shown = self.here.wrong()
        with self.here.ledger.read() as view:
            wanted = listing_rows.projected(view, shown, now=self.here.clock.now())
            kept = listing_rows.kept_rows(view, shown)
        # Which of several stages fails first may be late until the sweep; that one does is not.
        for uid in shown:
            other = {k for k, v in wanted[uid].items() if kept[uid][k] != v}
            assert other <= {"failing"}, (uid, other)
            assert wanted[uid]["failing"]
            assert kept[uid]["failing"]
        while self.here.projector.walk():
            pass
        assert self.here.wrong() == []
        assert set(self.here.rows()) == set(self.revisions)


Anything.TestCase.settings = settings(
    max_examples=12, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)
TestWhateverHappensTheRowsSayWhatTheLedgerSays = Anything.TestCase


def test_the_rows_of_a_ledger_from_an_older_program_are_made_while_it_works(tmp_path: Path) -> None:
    here = Site_(tmp_path)
    old = [f"1.{n:04}" for n in range(450)]
    for uid in old:
        here.line.arrive(uid)
    here.clock.time += WAITS * 3
    here.projector.follow()  # begins
    here.line.arrive("2.1")
    here.projector.follow()
    assert set(here.rows()) == {"2.1"}, "what happens now does not wait for what is old"
    with here.ledger.read() as view:
        progress = listing_progress.progress(view)
    assert progress is not None
    assert not progress.is_whole
    here.projector.catch_up()
    with here.ledger.read() as view:
        progress = listing_progress.progress(view)
    assert progress is not None
    assert progress.is_whole
    assert set(here.rows()) == {"2.1", *old}
    here.ledger.close()


def test_rows_of_another_version_are_made_anew(here: Site_, monkeypatch: pytest.MonkeyPatch) -> None:
    here.line.arrive("1.1")
    here.projector.catch_up()
    with here.ledger.begin() as tx:
        tx.execute(update(schema.listing).values(version=-1, patient_name="as it was made before"))
        tx.execute(update(schema.listing_progress).values(version=999))
    here.projector.catch_up()
    assert here.row().patient_name == "DOE^JOHN"


def test_what_somebody_changed_in_the_ledger_by_hand_is_found_by_the_sweep(here: Site_) -> None:
    here.line.arrive("1.1")
    here.projector.catch_up()
    with here.ledger.begin() as tx:
        tx.execute(update(schema.listing).values(patient_name="SOMEBODY^ELSE"))
    here.projector.follow()
    assert here.row().patient_name == "SOMEBODY^ELSE"
    here.projector.walk()
    assert here.row().patient_name == "DOE^JOHN"


def test_a_study_of_which_no_row_can_be_made_holds_up_no_other(here: Site_, monkeypatch: pytest.MonkeyPatch) -> None:
    made = listing_rows.projected

    def projected(view: Any, uids: Any, **more: Any) -> Any:
        if "1.1" in uids:
            raise RuntimeError("a defect of ours")
        return made(view, uids, **more)

    monkeypatch.setattr(listing_rows, "projected", projected)
    for uid in ("1.1", "1.2"):
        here.line.arrive(uid)
    assert not here.projector.follow()
    assert set(here.rows()) == {"1.2"}


def test_a_study_comes_up_when_it_is_critical_and_goes_down_when_it_is_reported(here: Site_) -> None:
    for n in range(1, 5):
        here.line.arrive(f"1.{n}")
        here.line.assemble(f"1.{n}")
        here.clock.time += timedelta(minutes=1)
    here.projector.follow()
    assert list(here.rows()) == ["1.1", "1.2", "1.3", "1.4"], "who waits longest first"
    here.line.flag("1.3", Priority.CRITICAL, ["pneumothorax (0.93, uncalibrated)"])
    here.line.flag("1.4", Priority.URGENT, ["effusion"])
    here.line.finish("1.1")
    here.projector.follow()
    assert list(here.rows()) == ["1.3", "1.4", "1.2", "1.1"]
    assert [r.is_waiting for r in here.rows().values()] == [True, True, True, False]
    assert here.row("1.3").reasons == ["pneumothorax (0.93, uncalibrated)"]
    with here.ledger.read() as view:
        assert listing.waiting(view) == {"critical": 1, "urgent": 1, "waiting": 1}


def test_what_nobody_said_anything_about_for_days_stops_waiting(here: Site_) -> None:
    here.line.arrive("1.1")
    here.projector.catch_up()
    assert here.row().is_waiting
    here.clock.time += WAITS + timedelta(seconds=1)
    here.projector.compare()
    assert not here.row().is_waiting


def test_a_study_that_was_reviewed_waits_no_more_until_that_is_taken_back(here: Site_) -> None:
    here.line.arrive("1.1")
    here.line.assemble("1.1")
    here.line.read("1.1")
    for verdict, waits in ((reviews.ACCEPTED, False), (reviews.TAKEN_BACK, True), (reviews.REJECTED, False)):
        with here.ledger.begin() as tx:
            reviews.add(tx, reviews.Review("1.1", 1, reviews.WHOLE, "", verdict, "dr.roe", here.clock.now()))
        here.projector.follow()
        assert (here.row().is_waiting, here.row().reviewed) == (waits, not waits)
    assert (here.row().verdict, here.row().verdict_by) == (reviews.REJECTED, "dr.roe")
    here.line.assemble("1.1")
    here.projector.follow()
    assert here.row().verdict is None, "nobody has judged the new revision"


def test_whoever_has_judged_every_finding_has_reviewed_the_study_and_whoever_some_has_begun(here: Site_) -> None:
    here.line.arrive("1.1")
    here.line.assemble("1.1")
    denied = Finding("pneumothorax", Presence.ABSENT)
    here.line.read("1.1", findings=[present("pleural_effusion"), denied])

    def after(finding: str, verdict: str, account: str = "dr.roe") -> tuple[str | None, str | None, bool, bool]:
        with here.ledger.begin() as tx:
            reviews.add(tx, reviews.Review("1.1", 1, finding, "", verdict, account, here.clock.now()))
        here.projector.follow()
        row = here.row()
        with here.ledger.read() as view:
            unreviewed = bool(listing.page(view, Wanted(unreviewed=True)).rows)
        assert unreviewed is not row.reviewed
        return row.verdict, row.verdict_by, row.reviewed, row.is_waiting

    assert after("nodule", reviews.MISSED) == ("begun", "dr.roe", False, True)
    assert after("pleural_effusion", reviews.ACCEPTED) == ("begun", "dr.roe", False, True)
    assert after("pneumothorax", reviews.CORRECTED, "dr.doe") == ("by-finding", "dr.doe", True, False)
    assert after(reviews.WHOLE, reviews.REJECTED) == ("rejected", "dr.roe", True, False)
    assert after(reviews.WHOLE, reviews.TAKEN_BACK) == ("by-finding", "dr.doe", True, False)
    assert after("pneumothorax", reviews.TAKEN_BACK) == ("begun", "dr.roe", False, True)
    assert after("pleural_effusion", reviews.TAKEN_BACK) == ("begun", "dr.roe", False, True)
    assert after("nodule", reviews.TAKEN_BACK) == (None, None, False, True)


def test_a_draft_that_states_nothing_is_reviewed_as_a_whole_or_not_at_all(here: Site_) -> None:
    here.line.arrive("1.1")
    here.line.assemble("1.1")
    here.line.read("1.1")
    with here.ledger.begin() as tx:
        reviews.add(tx, reviews.Review("1.1", 1, "nodule", "", reviews.MISSED, "dr.roe", here.clock.now()))
    here.projector.follow()
    assert (here.row().verdict, here.row().reviewed) == ("begun", False)


def test_chips_say_how_sure_they_are(here: Site_) -> None:
    here.line.arrive("1.1")
    here.line.assemble("1.1")
    said = [Probability("pneumothorax", 0.93, "site-2026"), Probability("cardiomegaly", 0.2)]
    here.line.flag("1.1", Priority.CRITICAL, ["pneumothorax"], said)
    here.projector.follow()
    (chip,) = here.row().findings
    assert (chip["concept"], chip["certainty"], chip["probability"], chip["calibrated"]) == (
        "pneumothorax", "suspected", 0.93, True,
    )  # fmt: skip
    drafted = [
        Finding("pneumothorax", Presence.ABSENT),
        Finding("cardiomegaly", Presence.UNDETERMINED),
        Finding("pleural_effusion", Presence.PRESENT, Laterality.LEFT),
    ]
    here.line.read("1.1", findings=drafted)
    here.projector.follow()
    assert [(c["concept"], c["certainty"], c["side"], c["probability"]) for c in here.row().findings] == [
        ("pleural_effusion", "stated", "left", None),
        ("cardiomegaly", "unclear", "", 0.2),
    ]


def test_a_study_is_called_delivered_when_everybody_has_it(here: Site_) -> None:
    here.line.arrive("1.1")
    here.line.assemble("1.1")
    here.line.read("1.1")
    here.line.report("1.1")
    here.line.deliver("1.1", fails=True)
    here.projector.follow()
    assert (here.row().standing, here.row().failing, here.row().trouble, here.row().waiting) == (
        "read",
        "deliver",
        True,
        2,
    )
    here.line.deliver("1.1")
    here.projector.follow()
    assert (here.row().standing, here.row().failing, here.row().trouble, here.row().delivered) == (
        "delivered",
        "",
        False,
        2,
    )


def test_the_worklist_and_the_command_agree_on_what_is_in_trouble(site: Site) -> None:
    planted = PlantedLedger(site.settings())
    for state in ("read", "abstained", "not-analysed", "needs-attention", "withdrawn"):
        planted.study(f"1.{state}", state=state)
    for n, state in enumerate(("parked", "waiting", "delivered", "superseded")):
        planted.delivery(planted.study(f"2.{n}"), state=state)
    planted.job("read", str(planted.study("3.1")), state="waiting", error="gone: no model")
    planted.job("assemble", "1.read", state="parked", error="internal")
    planted.study("3.2", reason="sr-not-made")
    planted.study("3.3")
    planted.note("3.3", "oru-not-made")
    Projector(planted.ledger, SetClock(), threading.Event()).catch_up()
    with planted.ledger.read() as view:
        shown = {r.study_instance_uid for r in listing.page(view, Wanted(trouble=True)).rows}
        assert shown == set(trouble.newest_in_trouble(view, 100))
        assert len(shown) > 6
    planted.close()


# ---- finding


def _many(here: Site_, count: int = 120) -> None:
    """Studies in every state, with many equal values."""
    outcomes = ("", "receiving", "read", "abstained", "not-analysed", "sent", "failing", "finished", "doubt")
    for n in range(count):
        uid, what = f"1.{n % 7}.{n}", outcomes[n % len(outcomes)]
        here.line.arrive(
            uid, name=f"{'ABCÄ'[n % 4]}{n % 5}^X", patient_id=f"{'aA'[n % 2]}{n % 11}", accession=f"A{n % 13}",
            scanner=f"ROOM{n % 3}", study_date=f"2026010{1 + n % 4}",
        )  # fmt: skip
        if what != "receiving":
            here.line.assemble(uid)
            here.line.flag(uid, list(Priority)[n % 3], ["r"], [Probability(CONCEPTS[n % 3], 0.7)])
        if what in ("read", "abstained", "sent", "failing", "finished"):
            here.line.read(uid, "abstained" if what == "abstained" else "read", [present(CONCEPTS[n % 2])])
            here.line.report(uid)
        if what in ("sent", "failing"):
            here.line.deliver(uid, fails=what == "failing")
        if what == "finished":
            here.line.finish(uid)
        if what == "doubt":
            here.line.doubt(uid)
        if n % 4:  # several at the same moment
            here.clock.time += timedelta(minutes=7)
    here.projector.catch_up()


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site_]:
    made = Site_(tmp_path_factory.mktemp("many"))
    _many(made)
    yield made
    made.ledger.close()


ONE_OF = {
    "text": st.sampled_from(["", "a", "A1", "ä3", "c2 x", "zzz", "1%", "_"]),
    "standing": st.sampled_from(["", *STANDINGS]),
    "priority": st.sampled_from(["", "critical", "urgent", "routine"]),
    "finding": st.sampled_from(["", *CONCEPTS]),
    "scanner": st.sampled_from(["", "ROOM1", "NOBODY"]),
    "since": st.sampled_from(["", "20260102", "20270101"]),
    "until": st.sampled_from(["", "20260103", "20250101"]),
    "failing": st.sampled_from(["", "deliver", "read"]),
    "unreviewed": st.booleans(),
    "trouble": st.booleans(),
    "waiting": st.booleans(),
}
EVERY_WANTED = st.fixed_dictionaries({}, optional=ONE_OF).map(lambda values: Wanted(**values))


def _matches(row: Row, wanted: Wanted) -> bool:
    """The same, said in another way."""
    text = folded(wanted.text)
    keys = [folded(k) for k in (row.accession_number, row.patient_id, row.patient_name.partition("=")[0])]
    return (
        any(k.startswith(text) for k in keys)
        and wanted.standing in ("", row.standing)
        and wanted.priority in ("", row.priority)
        and wanted.finding in ("", *(c["concept"] for c in row.findings))
        and wanted.scanner in ("", row.scanner)
        and (wanted.since or "0") <= row.study_date <= (wanted.until or "9")
        and wanted.failing in ("", row.failing)
        and not (wanted.unreviewed and row.reviewed)
        and (row.trouble or not wanted.trouble)
        and (row.is_waiting or not wanted.waiting)
    )


@given(wanted=EVERY_WANTED, size=st.integers(7, 60), looked_at=st.integers(20, 200))
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_page_after_page_shows_what_is_wanted_each_once(many: Site_, wanted: Wanted, size: int, looked_at: int) -> None:
    with pytest.MonkeyPatch.context() as patched, many.ledger.read() as view:
        everything = listing.page(view, Wanted(), size=1000).rows
        patched.setattr(listing, "LOOKED_AT", looked_at)
        shown, after = list[str](), None
        for _ in range(1000):
            page = listing.page(view, wanted, after=after, size=size)
            assert len(page.rows) <= size
            shown += [r.study_instance_uid for r in page.rows]
            if page.after is None:
                break
            after = Cursor.of(page.after.text())
            assert after == page.after
        expected = [r.study_instance_uid for r in everything if _matches(r, wanted)]
        assert sorted(shown) == sorted(expected)
        if not wanted.text and not wanted.since and not wanted.until:
            assert shown == expected, "in the order of the worklist"
        assert listing.where_is(view, wanted, [r.study_instance_uid for r in everything]) == set(expected)


def test_a_search_among_few_studies_finds_at_once(many: Site_) -> None:
    with many.ledger.read() as view:
        page = listing.page(view, Wanted(text="ä3"))
        assert len(page.rows) > 3
        assert (page.after, page.partly) == (None, False)


@given(st.text(max_size=40))
def test_a_cursor_that_somebody_made_up_is_none(text: str) -> None:
    assert Cursor.of(text) is None or Cursor.of(text) == Cursor.of(text)


ASKED = [
    Wanted(),
    *(Wanted(**{name: value}) for name, value in (
        ("text", "a"), ("standing", "read"), ("priority", "urgent"), ("finding", "pneumothorax"), ("scanner", "ROOM1"),
        ("since", "20260102"), ("until", "20260102"), ("failing", "deliver"), ("unreviewed", True), ("trouble", True),
        ("waiting", True),
    )),
    Wanted(finding="pneumothorax", priority="critical", waiting=True),
    Wanted(standing="read", scanner="ROOM1"),
    Wanted(text="a", since="20260102", trouble=True),
]  # fmt: skip


@pytest.mark.parametrize("wanted", ASKED, ids=str)
def test_no_question_looks_at_every_study(many: Site_, wanted: Wanted) -> None:
    """With a million of them, one that did would take seconds."""
    asked = list[tuple[str, Any]]()
    engine: Any = many.ledger.place.engine  # the plan is SQLite's own, and nothing else tells it

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    try:
        with many.ledger.read() as view:
            page = listing.page(view, wanted, size=3)
            listing.page(view, wanted, size=3, after=page.after)
            listing.waiting(view)
            listing.scanners(view)
    finally:
        event.remove(engine, "before_cursor_execute", note)
    questions = [(s, p) for s, p in asked if s.startswith("SELECT")]
    assert questions
    with many.ledger.read() as view:
        for statement, parameters in questions:
            plan = [r[3] for r in view.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]
            bad = [p for p in plan if "TEMP B-TREE" in p or (p.startswith("SCAN listing") and "USING" not in p)]
            assert bad == [], (statement, plan)


def test_every_column_of_a_row_is_given(here: Site_) -> None:
    shown = {f.name for f in fields(Row)}
    searched = {"study_moment", "name_key", "other_name_key", "id_key", "accession_key"}
    assert shown | searched == {c.name for c in schema.listing.columns}
    here.line.arrive("1.1")
    here.projector.follow()
    assert replace(here.row()) == here.row()
