"""What a person holds back does not leave before a person releases it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.errors import Permanent
from agent.mending.hand import Hand
from agent.mending.holding import hold, release
from agent.mending.retrying import retry
from agent.store import identity, overview
from tests.support.peers import Ris
from tests.support.sending import VALUE, Sending

UID = VALUE.study.study_instance_uid


@pytest.fixture
def ris() -> Iterator[Ris]:
    with Ris() as made:
        yield made


@pytest.fixture
def line(tmp_path: Path, ris: Ris) -> Iterator[Sending]:
    made = Sending(tmp_path, ris.port)
    yield made
    made.close()


def hand_of(line: Sending) -> Hand:
    return Hand.of(line.settings, line.ledger, line.files, line.clock)


def test_nothing_of_a_held_study_leaves_until_it_is_released(line: Sending, ris: Ris) -> None:
    line.plant()
    assert hold(hand_of(line), UID, "the patient called") == 1
    line.attempt()
    retry(hand_of(line), UID)  # trying again lets nothing out that a person holds
    line.attempt()
    assert (line.states(), ris.messages) == (["held"], [])
    assert release(hand_of(line), UID, "all is well") == 1
    line.attempt()
    assert line.states() == ["delivered"]
    assert len(ris.messages) == 1


def test_a_result_that_is_made_while_its_study_is_held_is_held_too(line: Sending, ris: Ris) -> None:
    line.plant()
    assert line.attempt()
    hold(hand_of(line), UID, "wait")
    line.plant(kind="retract")
    line.attempt()
    assert line.states() == ["delivered", "held"]
    assert len(ris.messages) == 1


def test_a_doubt_about_the_patient_outlives_the_release_by_hand(line: Sending, ris: Ris) -> None:
    line.plant()
    hold(hand_of(line), UID, "wait")
    with line.ledger.begin() as tx:
        identity.unsettle(tx, {UID}, now=line.clock.now())
    assert release(hand_of(line), UID, "go") == 0
    line.attempt()
    assert (line.states(), ris.messages) == (["held"], [])


def test_who_holds_twice_or_releases_what_nobody_holds_is_told(line: Sending) -> None:
    line.plant()
    with pytest.raises(Permanent, match="not held by a person"):
        release(hand_of(line), UID, "go")
    hold(hand_of(line), UID, "wait")
    with pytest.raises(Permanent, match="held already"):
        hold(hand_of(line), UID, "wait")


def test_the_history_says_who_held_it_and_why(line: Sending) -> None:
    line.plant()
    hand = hand_of(line)
    hold(Hand(hand.settings, hand.ledger, hand.files, hand.clock, hand.trail, "anna"), UID, "wrong side")
    with line.ledger.read() as view:
        words = [(e["code"], e["words"]) for e in overview.history(view, UID)]
    assert words == [("held-by-hand", "1 deliveries held back: wrong side (anna)")]
