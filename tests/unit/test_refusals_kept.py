"""Whoever was told no is found among the refusals, also when the ledger was away at the time and the process died after it."""

from __future__ import annotations

import string
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.audit.refusal_book import RefusalBook
from agent.audit.trail import Trail
from agent.audit.unwritten import NAME, Unwritten, Waiting
from agent.clock import SystemClock
from agent.settings import Settings
from agent.store import audit, overview
from agent.store.arrivals import Refusal
from agent.store.engine import Ledger

NO_ROOM = Refusal("instance", "SENDER", "PREREAD", "192.0.2.7", "A700", "ledger-away", "send again later", "2.25.7")
STRANGER = Refusal("association", "WHO", "PREREAD", "192.0.2.8", "", "unknown-peer", "not in the settings")


@pytest.fixture
def away(tmp_path: Path) -> Ledger:
    """A ledger that is not there."""
    return Ledger(f"sqlite:///{tmp_path}/nowhere/preread.db")


def book(ledger: Ledger, root: Path) -> RefusalBook:
    """As the receiving process opens it when it starts."""
    return RefusalBook(ledger, SystemClock(), Trail.of(Settings()), Unwritten(root))


def seen(ledger: Ledger) -> list[str]:
    with ledger.read() as view:
        return [str(row["sop_instance_uid"]) for row in reversed(overview.refusals(view))]


def test_a_refusal_outlives_the_process_that_could_not_write_it(away: Ledger, ledger: Ledger, tmp_path: Path) -> None:
    before = datetime.now(UTC)
    book(away, tmp_path).add(NO_ROOM)
    book(away, tmp_path).add(replace(NO_ROOM, sop_instance_uid="2.25.8"))  # the next one has no ledger either
    assert seen(ledger) == []
    after = datetime.now(UTC)
    book(ledger, tmp_path).write()
    assert seen(ledger) == ["2.25.7", "2.25.8"]
    with ledger.read() as view:
        assert all(before <= row["at"] <= after for row in overview.refusals(view)), (
            "when it was, and not when it was written"
        )
    assert not (tmp_path / NAME).exists()
    book(ledger, tmp_path).write()
    assert seen(ledger) == ["2.25.7", "2.25.8"], "once"


def test_one_that_was_written_just_before_the_process_died_is_not_written_again(
    away: Ledger, ledger: Ledger, tmp_path: Path
) -> None:
    book(away, tmp_path).add(NO_ROOM)
    kept = (tmp_path / NAME).read_bytes()
    book(ledger, tmp_path).write()
    (tmp_path / NAME).write_bytes(kept)  # the process died between the ledger and the file
    book(ledger, tmp_path).add(replace(NO_ROOM, sop_instance_uid="2.25.9"))
    assert seen(ledger) == ["2.25.7", "2.25.9"]


def test_somebody_who_was_not_let_in_is_in_the_audit_trail_after_it_too(
    away: Ledger, ledger: Ledger, tmp_path: Path
) -> None:
    book(away, tmp_path).add(STRANGER, alarming=True)
    book(ledger, tmp_path).write()
    with ledger.read() as view:
        rows = audit.rows(view)
    assert any("192.0.2.8" in row.message for row in rows)


def test_what_the_ledger_takes_is_in_no_file(ledger: Ledger, tmp_path: Path) -> None:
    book(ledger, tmp_path).add(NO_ROOM)
    assert seen(ledger) == ["2.25.7"]
    assert not (tmp_path / NAME).exists()


def test_a_file_that_cannot_be_written_stops_no_answer(away: Ledger, ledger: Ledger, tmp_path: Path) -> None:
    nowhere = tmp_path / "gone"
    one = book(away, nowhere)
    one.add(NO_ROOM)
    assert not nowhere.exists()
    assert [w.refusal for w in one._waiting] == [NO_ROOM], "it waits where it can"


@pytest.mark.parametrize("rest", [b"", b'{"at": "2026-', b"\xff\xfe\n", b"null\n[]\n", b'{"at": 1}\n'])
def test_a_line_that_was_broken_off_takes_no_other_with_it(tmp_path: Path, rest: bytes) -> None:
    file, one = Unwritten(tmp_path), Waiting(NO_ROOM, False, datetime(2026, 1, 3, tzinfo=UTC))
    file.add(one)
    with (tmp_path / NAME).open("ab") as raw:
        raw.write(rest)
    file.add(replace(one, alarming=True))
    assert file.read() == [one, replace(one, alarming=True)]


def test_a_ledger_that_is_away_for_long_does_not_fill_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.audit.unwritten._LARGEST_BYTES", 2000)
    file, one = Unwritten(tmp_path), Waiting(NO_ROOM, False, datetime(2026, 1, 3, tzinfo=UTC))
    for _ in range(50):
        file.add(one)
    assert (tmp_path / NAME).stat().st_size < 2500
    assert len(file.read()) > 3


_WORDS = st.text(max_size=40)


@given(
    st.builds(
        Refusal, _WORDS, _WORDS, _WORDS, _WORDS, st.text(string.hexdigits, max_size=4), _WORDS, _WORDS, _WORDS, _WORDS
    ),
    st.booleans(),
    st.datetimes(timezones=st.just(UTC)),
)
def test_whatever_was_refused_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, refusal: Refusal, alarming: bool, at: datetime
) -> None:
    file = Unwritten(tmp_path_factory.mktemp("root"))
    one = Waiting(refusal, alarming, at)
    file.add(one)
    assert file.read() == [one]
