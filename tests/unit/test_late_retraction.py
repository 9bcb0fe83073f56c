"""A retraction that its receiver refused, and that a person has tried again, comes after the right result: the last word about the
order is the result that holds, and nobody gets one twice for any other reason."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import hl7
import pytest

from agent.clock import SystemClock
from agent.hl7.listener import MllpListener, acknowledge
from agent.mending.hand import Hand
from agent.mending.retrying import retry
from agent.store import overview
from agent.work.queue import bring_forward
from structured_report.retraction import is_filed_with, sent_anew
from tests.support.hearing import Office, filed_under, hand, merged, ordered, report_taken_back, reported, takes_back


class StubbornRis(MllpListener):
    """Refuses what takes back under one of `unknown` Patient IDs, for good (AR) unless `code` says otherwise, and keeps everything
    else in its order."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.unknown: set[str] = set()
        self.code = "AR"
        super().__init__(self._take)

    def _take(self, message: bytes) -> bytes:
        refused = takes_back(message) and filed_under(message)[0] in self.unknown
        if not refused:
            self.messages.append(message)
        return acknowledge(message, code=self.code if refused else "AA", application="RIS", facility="TEST")


@pytest.fixture(scope="module")
def stubborn() -> Iterator[StubbornRis]:
    with StubbornRis() as made:
        yield made


@pytest.fixture
def office(tmp_path: Path, stubborn: StubbornRis) -> Iterator[Office]:
    stubborn.messages.clear()
    stubborn.unknown, stubborn.code = {"OLD"}, "AR"
    made = Office(tmp_path / "office", stubborn)  # type: ignore[arg-type]  # it keeps its messages as that one does
    yield made
    made.close()


def merged_away(office: Office, **film: Any) -> str:
    """A study whose patient was merged into NEW after it had been reported, by a RIS that takes nothing back under OLD."""
    uid = office.arrive(hand("OLD", accession="ACC1", **film))
    office.work()
    office.hear(merged("OLD", "NEW"))
    office.work()
    assert told(office) == [("OLD", False), ("NEW", False)], "the retraction is parked, and the right result is there"
    return uid


def told(office: Office) -> list[tuple[str, bool]]:
    """(Patient ID, whether it takes back) of what the RIS has, in its order."""
    return [(filed_under(m)[0], takes_back(m)) for m in office.ris.messages]


def try_again(office: Office, uid: str) -> None:
    """A person does, after the RIS has learned to take everything."""
    office.ris.unknown = set()  # type: ignore[attr-defined]
    retry(Hand.of(office.settings, office.ledger, office.files, SystemClock()), uid)
    office.work()
    with office.ledger.begin() as tx:  # who waits for another message looks again after a second
        bring_forward(tx, timedelta(minutes=1), now=SystemClock().now())
    office.work()


def codes(office: Office, uid: str) -> list[str]:
    with office.ledger.read() as view:
        return [str(e["code"]) for e in overview.history(view, uid)]


def test_the_last_word_about_the_order_is_the_result_that_holds(office: Office) -> None:
    uid = merged_away(office)
    try_again(office, uid)
    assert told(office)[2:] == [("OLD", True), ("NEW", False)]
    before, after = (hl7.parse(office.ris.messages[n].decode()) for n in (1, 3))
    assert str(before[0][10]) != str(after[0][10]), "a RIS that has the one would not file it again"
    assert [str(s) for s in before[1:]] == [str(s) for s in after[1:]], "it says the same"
    assert "sent-again" in codes(office, uid), "and the history of the study says so"
    try_again(office, uid)
    assert len(office.ris.messages) == 4, "who tries once more has nothing to send"


def test_what_was_sent_again_can_be_taken_back(office: Office) -> None:
    uid = merged_away(office)
    try_again(office, uid)
    with office.ledger.begin() as tx:
        office.assembly.withdraw(tx, uid, "wrong side")
    office.work()
    assert told(office)[4:] == [("NEW", True)]


def test_a_result_that_is_still_to_come_is_not_sent_twice(office: Office) -> None:
    """The order of the outbox puts it behind the retraction anyhow."""
    uid = office.arrive(hand("OLD", accession="ACC1"))
    office.work()
    office.hear(merged("OLD", "NEW"))
    office.work("orders", "assemble", "report")
    assert office.do("deliver"), "the retraction, which is refused"
    try_again(office, uid)
    assert told(office) == [("OLD", False), ("OLD", True), ("NEW", False)]


def test_a_result_that_was_taken_back_meanwhile_is_not_sent_again(office: Office) -> None:
    uid = merged_away(office)
    with office.ledger.begin() as tx:
        office.assembly.withdraw(tx, uid, "wrong side")
    office.work()
    try_again(office, uid)
    assert told(office) == [("OLD", False), ("NEW", False), ("NEW", True), ("OLD", True)]


def test_after_the_final_report_no_draft_is_sent_again(office: Office) -> None:
    uid = merged_away(office)
    office.hear(reported("ACC1", "NEW"))
    office.work()
    try_again(office, uid)
    assert told(office)[2:] == [("OLD", True)]


def test_the_right_result_comes_after_all_when_the_final_report_is_taken_back(office: Office) -> None:
    """Else a RIS that files by the order would have nothing but what was taken back, of a study that is open again."""
    uid = merged_away(office)
    office.hear(reported("ACC1", "NEW"))
    office.work()
    try_again(office, uid)
    office.hear(report_taken_back("ACC1", "NEW"))
    office.work()
    assert told(office)[2:] == [("OLD", True), ("NEW", False)]


def test_what_is_prepared_for_a_retraction_that_fails_does_not_lie_about(office: Office) -> None:
    """Nothing names it, and so it would outlive the study."""
    uid = merged_away(office)
    before = {p.name for p in office.files.path("documents").iterdir()}
    retry(Hand.of(office.settings, office.ledger, office.files, SystemClock()), uid)
    office.ris.code = "AE"  # type: ignore[attr-defined]  # not now, perhaps later
    assert office.do("deliver")
    with office.ledger.read() as view:
        assert "waiting" in {d["state"] for d in overview.deliveries(view, uid)}, "it is tried again"
    assert {p.name for p in office.files.path("documents").iterdir()} == before


def test_a_result_under_another_order_is_not_sent_again(office: Office) -> None:
    """What takes back under the one order says nothing of the other."""
    film = hand("OLD", accession="ACC1")
    uid = office.arrive(film)
    office.work()
    film.PatientID, film.AccessionNumber = "NEW", "ACC2"
    office.arrive(film)
    office.work()
    assert told(office) == [("OLD", False), ("NEW", False)]
    try_again(office, uid)
    assert told(office)[2:] == [("OLD", True)]


def test_a_result_that_is_older_than_the_order_is_by_now_is_left_to_the_newer_one(office: Office) -> None:
    uid = merged_away(office)
    office.hear(ordered("ACC1", "NEW", placer="PL1"))
    office.work("orders", "assemble")
    office.ris.unknown = set()  # type: ignore[attr-defined]
    retry(Hand.of(office.settings, office.ledger, office.files, SystemClock()), uid)
    assert office.do("deliver"), "the retraction, before the new result is made"
    office.work()
    last = office.ris.messages[-1]
    assert (filed_under(last), takes_back(last)) == (("NEW", "PL1", "ACC1", "ACC1"), False)
    assert [filed_under(m)[1] for m in office.ris.messages[2:] if not takes_back(m)] == ["PL1"]


def test_two_retractions_that_are_tried_again_are_followed_once(office: Office) -> None:
    office.ris.unknown = {"OLD", "NEW"}  # type: ignore[attr-defined]
    uid = merged_away(office)
    office.hear(merged("NEW", "NEWEST"))
    office.work()
    try_again(office, uid)
    assert told(office) == [
        ("OLD", False), ("NEW", False), ("NEWEST", False), ("OLD", True), ("NEW", True), ("NEWEST", False),
    ]  # fmt: skip


def test_a_retraction_that_is_refused_again_sends_nobody_a_second_result(office: Office) -> None:
    uid = merged_away(office)
    files = {p.name for p in office.files.path("documents").iterdir()}
    retry(Hand.of(office.settings, office.ledger, office.files, SystemClock()), uid)
    office.work()
    assert told(office) == [("OLD", False), ("NEW", False)]
    assert {p.name for p in office.files.path("documents").iterdir()} == files, "and nothing of it lies about"


def test_a_result_that_is_lost_keeps_no_wrong_one_standing(office: Office) -> None:
    uid = merged_away(office)
    with office.ledger.read() as view:
        right = next(d for d in overview.deliveries(view, uid) if d["kind"] == "oru" and d["state"] == "delivered"
                     and d["revision"] == 2)  # fmt: skip
    office.files.path(f"documents/{right['identifier']}.hl7").unlink()
    try_again(office, uid)
    assert told(office)[2:] == [("OLD", True)]
    assert "not-sent-again" in codes(office, uid), "a person is told to have it read again"


def oru(placer: str, filler: str, accession: str, patient: str = "P1") -> bytes:
    obr = f"OBR|1|{placer}|{filler}" + "|" * 15 + accession
    return f"MSH|^~\\&|A|B|C|D|20260103||ORU^R01|PR1|P|2.5.1\rPID|1||{patient}^^^HOSPITAL^MR\r{obr}\r".encode()


@pytest.mark.parametrize(
    ("other", "together"),
    [
        (oru("PL1", "FI1", "ACC1", "P2"), True),
        (oru("PL2", "FI2", "ACC1"), True),
        (oru("PL1^NS", "FI2", "ACC2"), True),
        (oru("PL2", "FI1", ""), True),
        (oru("PL2", "FI2", "ACC2"), False),
        (oru("", "", ""), False),
        (oru("FI1", "PL1", ""), False),
    ],
)
def test_one_number_of_an_order_is_enough_to_file_two_messages_in_one_place(other: bytes, together: bool) -> None:
    assert is_filed_with(oru("PL1", "FI1", "ACC1"), other) is together


def test_without_an_order_two_messages_are_filed_under_the_patient() -> None:
    assert is_filed_with(oru("", "", ""), oru("", "", ""))
    assert not is_filed_with(oru("", "", ""), oru("", "", "", "P2"))


def test_a_message_of_somebody_else_is_not_sent_anew() -> None:
    with pytest.raises(ValueError, match="no MSH, PID or OBR"):
        sent_anew(b"MSH|^~\\&|A\r", control_id="PR2", at=SystemClock().now())
