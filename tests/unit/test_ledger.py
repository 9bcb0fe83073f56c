"""The ledger and its queue lose no work, do none twice, and let nobody finish what another has taken over."""

from __future__ import annotations

import hashlib
import re
import threading
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from agent.delivery.backoff import expired, next_try
from agent.errors import Permanent, PrereadError, Transient
from agent.store import engine
from agent.store.engine import Ledger
from agent.store.files import FileStore
from agent.store.schema import job, schema_version
from agent.work.queue import LEASE, LeaseLost, Queue, enqueue, revive


class Hands:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 1, 3, 10, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment

    def move(self, **by: float) -> None:
        self.moment += timedelta(**by)


@pytest.fixture
def clock() -> Hands:
    return Hands()


@pytest.fixture
def queue(ledger: Ledger, clock: Hands) -> Queue:
    return Queue(ledger, clock, "me")


def put(ledger: Ledger, clock: Hands, key: str, **how: object) -> None:
    with ledger.begin() as tx:
        enqueue(tx, "work", key, now=clock.now(), **how)  # type: ignore[arg-type]


def test_concurrent_writers_lose_no_update(ledger: Ledger) -> None:
    """SQLAlchemy's defaults lose most of these without any error, on either database."""

    def bump() -> None:
        for _ in range(50):
            with ledger.begin() as tx:
                value = tx.execute(select(schema_version.c.version)).scalar_one()
                tx.execute(update(schema_version).values(version=value + 1))

    with ledger.read() as view:
        before = view.execute(select(schema_version.c.version)).scalar_one()
    threads = [threading.Thread(target=bump) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with ledger.read() as view:
        assert view.execute(select(schema_version.c.version)).scalar_one() == before + 400


def test_a_database_of_a_newer_program_is_left_alone(ledger: Ledger) -> None:
    with ledger.begin() as tx:
        tx.execute(update(schema_version).values(version=999))
    with pytest.raises(Permanent, match="newer"):
        ledger.create()


@pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("replaced", [False, True])
def test_nothing_is_written_into_a_ledger_that_was_taken_away(ledger: Ledger, tmp_path: Path, replaced: bool) -> None:
    """SQLite writes on into the unlinked file without a word, and all of it is gone after the next start."""
    path, aside = tmp_path / "ledger.db", tmp_path / "aside.db"
    with ledger.begin():
        pass
    path.rename(aside)
    if replaced:
        path.write_bytes(b"")
    with pytest.raises(Transient, match=str(path)) as refused, ledger.begin():
        pass
    assert refused.value.code == "database-gone"
    assert path.exists() == replaced, "no empty one is made in its place"
    aside.replace(path)
    with ledger.begin():
        pass


def test_trouble_with_the_ledger_names_its_file(tmp_path: Path) -> None:
    """A host with several ledgers, or one that is not where it was thought to be."""
    (tmp_path / "folder.db").mkdir()
    (tmp_path / "text.db").write_text("not a database " * 100)
    (tmp_path / "file").write_text("")
    for name, error in (("folder.db", Transient), ("text.db", PrereadError), ("file/below.db", Permanent)):
        with pytest.raises(error, match=re.escape(str(tmp_path / name))):
            Ledger(f"sqlite:///{tmp_path / name}").create()


def test_more_at_once_than_there_are_connections_is_something_that_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_S", 0.1)
    crowded = Ledger(f"sqlite:///{tmp_path}/crowded.db")
    crowded.create()
    with ExitStack() as stack, pytest.raises(Transient, match=r"crowded\.db"):
        for _ in range(100):
            stack.enter_context(crowded.read())
    with crowded.begin() as tx:
        assert tx.execute(select(schema_version.c.version)).scalar_one()
    crowded.close()


def test_a_job_goes_with_its_transaction(ledger: Ledger, queue: Queue, clock: Hands) -> None:
    with pytest.raises(ZeroDivisionError), ledger.begin() as tx:
        enqueue(tx, "work", "a", now=clock.now())
        raise ZeroDivisionError
    assert queue.claim("work") is None


def test_many_workers_one_winner_each(ledger: Ledger, clock: Hands) -> None:
    for n in range(30):
        put(ledger, clock, str(n))
    won: list[str] = []

    def work(owner: str) -> None:
        mine = Queue(ledger, clock, owner)
        while (taken := mine.claim("work")) is not None:
            won.append(taken.key)
            with ledger.begin() as tx:
                mine.complete(tx, taken)

    threads = [threading.Thread(target=work, args=(str(n),)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won, key=int) == [str(n) for n in range(30)]


def test_a_dead_workers_job_is_taken_over_and_its_late_result_is_refused(
    ledger: Ledger, queue: Queue, clock: Hands
) -> None:
    put(ledger, clock, "a")
    dead = queue.claim("work")
    assert dead is not None
    assert queue.claim("work") is None
    clock.move(seconds=LEASE.total_seconds() + 1)
    heir = queue.claim("work")
    assert heir is not None
    assert (heir.id, heir.claims) == (dead.id, 2)
    with pytest.raises(LeaseLost), ledger.begin() as tx:
        queue.complete(tx, dead)
    with ledger.begin() as tx:
        queue.complete(tx, heir)


def test_a_heartbeat_keeps_the_lease(ledger: Ledger, queue: Queue, clock: Hands) -> None:
    put(ledger, clock, "a")
    held = queue.claim("work")
    assert held is not None
    for _ in range(5):
        clock.move(seconds=LEASE.total_seconds() * 0.8)
        queue.heartbeat([held])
        assert queue.claim("work") is None


def test_a_restarted_process_takes_its_own_jobs_back_at_once(ledger: Ledger, queue: Queue, clock: Hands) -> None:
    put(ledger, clock, "a")
    assert queue.claim("work") is not None
    assert Queue(ledger, clock, "other").release_own() == 0
    assert queue.release_own() == 1
    assert queue.claim("work") is not None


def test_one_key_waits_once_and_its_time_moves(ledger: Ledger, queue: Queue, clock: Hands) -> None:
    put(ledger, clock, "a")
    put(ledger, clock, "a", run_at=clock.now() + timedelta(seconds=60))
    assert queue.claim("work") is None
    clock.move(seconds=61)
    assert queue.claim("work") is not None
    assert queue.claim("work") is None


def test_the_urgent_one_goes_first_and_the_patient_one_is_not_forgotten(
    ledger: Ledger, queue: Queue, clock: Hands
) -> None:
    put(ledger, clock, "old")
    clock.move(minutes=5)
    put(ledger, clock, "urgent", priority=1)
    first = queue.claim("work")
    assert first is not None
    assert first.key == "urgent"
    with ledger.begin() as tx:
        queue.complete(tx, first)
    put(ledger, clock, "starving")
    clock.move(hours=1)
    put(ledger, clock, "urgent again", priority=1)
    second = queue.claim("work")
    assert second is not None
    assert second.key == "old"


@pytest.mark.parametrize("how", ["postponed", "parked and retried", "waiting and retried"])
def test_what_is_urgent_is_urgent_still_when_it_is_tried_again(
    ledger: Ledger, queue: Queue, clock: Hands, how: str
) -> None:
    """A critical result that a busy RIS did not take at first must not queue up behind a morning's routine ones."""
    put(ledger, clock, "critical", priority=2)
    if how != "waiting and retried":
        taken = queue.claim("work")
        assert taken is not None
        with ledger.begin() as tx:
            if how == "postponed":
                queue.postpone(tx, taken, clock.now() + timedelta(minutes=2), failed=True)
            else:
                queue.park(tx, taken, "because")
    put(ledger, clock, "routine", run_at=clock.now() + timedelta(minutes=1))
    clock.move(minutes=2)
    if how != "postponed":
        with ledger.begin() as tx:
            revive(tx, "work", "critical", now=clock.now())
    first, second = queue.claim("work"), queue.claim("work")
    assert first is not None
    assert second is not None
    assert (first.key, second.key) == ("critical", "routine")


def test_a_parked_job_waits_for_a_person(ledger: Ledger, queue: Queue, clock: Hands) -> None:
    put(ledger, clock, "a")
    taken = queue.claim("work")
    assert taken is not None
    with ledger.begin() as tx:
        queue.park(tx, taken, "because")
    clock.move(days=30)
    assert queue.claim("work") is None
    with ledger.begin() as tx:
        revive(tx, "work", "a", now=clock.now())
    again = queue.claim("work")
    assert again is not None
    assert (again.failures, again.error) == (0, "")
    with ledger.read() as view:
        assert len(view.execute(select(job)).all()) == 1


@given(attempts=st.integers(1, 10_000), first=st.floats(0.01, 100), longest=st.floats(0.01, 10_000), seed=st.integers())
def test_a_retry_never_waits_longer_than_the_longest_nor_hammers(
    attempts: int, first: float, longest: float, seed: int
) -> None:
    wait = next_try(attempts, first, longest, Random(seed)).total_seconds()
    assert wait <= longest + 1e-6
    assert wait >= min(first, longest) / 10 - 1e-6


def test_trying_ends_at_the_greatest_age(clock: Hands) -> None:
    born = clock.now()
    clock.move(hours=23)
    assert not expired(born, clock.now(), timedelta(hours=24))
    clock.move(hours=1)
    assert expired(born, clock.now(), timedelta(hours=24))


def test_a_file_that_changed_after_it_was_written_is_found_out(tmp_path: Path) -> None:
    files = FileStore(tmp_path, 0)
    files.prepare()
    name = files.put_document(b"report", "a.dcm")
    digest = hashlib.sha256(b"report").hexdigest()
    assert files.verified(name, offset=0, digest=digest).read_bytes() == b"report"
    (tmp_path / name).write_bytes(b"rep0rt")
    with pytest.raises(Permanent, match="changed"):
        files.verified(name, offset=0, digest=digest)
    (tmp_path / name).unlink()
    with pytest.raises(Permanent, match="cannot be read"):
        files.verified(name, offset=0, digest=digest)
