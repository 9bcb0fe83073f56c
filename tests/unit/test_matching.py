"""Whose is the film, and which order is it for? What a patient, a clinician or the RIS loses when that is got wrong."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.uid import generate_uid

from agent.clock import SystemClock
from agent.commands.look import everything_about
from agent.keeping.projector import Projector
from agent.orders.matching import KnownOrder, is_same_order, updated
from agent.orders.people import Registry, Statement
from agent.orders.said import OrderChange, PatientsMerged, Said
from agent.store import flags, heard, identity, listing, orders, overview, results, studies
from agent.store.heard import ATTENTION, DONE, IGNORED, WAITING
from agent.store.listing import Wanted
from agent.store.orders import StoredDecision
from agent.web.study.case import standing_of
from agent.web.study.final import final_report
from structured_report.content import Order, Patient, Priority
from tests.support.films import small_image
from tests.support.hearing import (
    KeepingRis,
    Office,
    corrected,
    filed_under,
    hand,
    hear,
    merged,
    ordered,
    report_taken_back,
    reported,
    standing,
    takes_back,
)
from tests.support.site import Site

NUMBERS = count()


@pytest.fixture(scope="module")
def ris() -> Iterator[KeepingRis]:
    with KeepingRis() as made:
        yield made


@pytest.fixture
def office(tmp_path: Path, ris: KeepingRis) -> Iterator[Office]:
    ris.messages.clear()
    made = Office(tmp_path / "office", ris)
    yield made
    made.close()


def with_settings(tmp_path: Path, ris: KeepingRis, **matching: Any) -> Office:
    ris.messages.clear()
    return Office(tmp_path / f"office-{next(NUMBERS)}", ris, **matching)


def about(office: Office, uid: str) -> dict[str, Any]:
    return office.study(uid).about


def decide(office: Office, uid: str, **how: Any) -> None:
    """What `preread match` writes down."""
    now = SystemClock().now()
    with office.ledger.begin() as tx:
        known = {"known_order": orders.newest_order(tx), "known_statement": identity.newest_statement(tx)}
        orders.add_decision(tx, StoredDecision(uid, "by the test", now, **known, **how))
        identity.unsettle(tx, [uid], now=now)


def history(office: Office, uid: str) -> list[str]:
    with office.ledger.read() as view:
        return [str(e["words"]) for e in overview.history(view, uid)]


# --- which order


def test_what_the_images_lack_comes_from_the_order_with_their_accession_number(office: Office) -> None:
    office.hear(ordered("ACC1", placer="PL1", filler="FI1", indication="cough"))
    uid = office.arrive(hand(accession="ACC1"))
    office.work()
    order = about(office, uid)["order"]
    assert (order["placer_order_number"], order["filler_order_number"]) == ("PL1", "FI1")
    assert (order["indication"], order["match"]) == ("cough", "accession number")
    assert standing(office.ris.messages) == {("P1", "PL1", "FI1", "ACC1")}


def test_what_the_images_carry_goes_before_what_the_order_says(office: Office) -> None:
    office.hear(ordered("ACC1", placer="ORDERED", indication="new question"))
    uid = office.arrive(
        hand(accession="ACC1", PlacerOrderNumberImagingServiceRequest="IMAGED", ReasonForStudy="old question")
    )
    office.work()
    order = about(office, uid)["order"]
    assert order["placer_order_number"] == "IMAGED"
    assert order["indication"] == "new question", "of the clinical question the order knows more"


def test_an_order_is_found_by_the_study_that_it_names(office: Office) -> None:
    uid = str(generate_uid())
    office.hear(ordered("ACC7", placer="PL7", study=uid))
    office.arrive(hand(study=uid))
    office.work()
    assert about(office, uid)["order"]["match"] == "study instance uid"
    assert about(office, uid)["order"]["accession_number"] == "ACC7"


@pytest.mark.parametrize(
    ("at", "modality", "window_h", "found"),
    [
        ("20260103090000", "CR", 12.0, True),
        ("202601030900+0100", "", 12.0, True),
        ("20260103", "DX", 12.0, True),
        ("20260104", "DX", 12.0, False),
        ("20260102200000", "CR", 12.0, False),
        ("20260103090000", "CT", 12.0, False),
        ("20260103090000", "CR", 0.0, False),
        ("", "CR", 12.0, False),
        ("nonsense", "CR", 12.0, False),
    ],
)
def test_without_numbers_only_the_one_order_of_the_patient_at_that_time_fits(
    tmp_path: Path, ris: KeepingRis, at: str, modality: str, window_h: float, found: bool
) -> None:
    office = with_settings(tmp_path, ris, window_h=window_h)
    office.hear(ordered(placer="PL1", at=at, modality=modality))
    uid = office.arrive(hand())  # of 2026-01-03, 10:14
    office.work()
    assert about(office, uid)["order"]["match"] == ("patient and time" if found else "")
    assert office.study(uid).state == "not-analysed"
    assert (b"fits by patient and time" in office.ris.messages[-1]) is found, "the reader knows on what it rests"
    office.close()


def test_an_order_of_a_namesake_is_not_found_by_time(office: Office) -> None:
    office.hear(ordered(placer="PL1", at="202601030900", name="Other^Person", birth_date="19991231"))
    uid = office.arrive(hand())
    office.work()
    assert about(office, uid)["order"]["placer_order_number"] == ""


@pytest.mark.parametrize(
    ("heard_of", "images", "code"),
    [
        ([ordered("ACC1", placer="A"), ordered("ACC1", placer="B")], [{"accession": "ACC1"}], "order-ambiguous"),
        (
            [ordered(placer="A", at="202601030900"), ordered(placer="B", at="202601031100")],
            [{}],
            "order-ambiguous",
        ),
        ([ordered("ACC1", "SOMEBODY")], [{"accession": "ACC1"}], "order-of-another-patient"),
        ([ordered("ACC1", birth_date="19991231")], [{"accession": "ACC1"}], "order-of-another-patient"),
        ([ordered("ACC1", name="Other^Person", birth_date="")], [{"accession": "ACC1"}], "order-of-another-patient"),
        ([ordered("ACC1")], [{"accession": "ACC1"}, {"accession": "ACC1"}], "order-of-two-studies"),
        ([ordered(placer="A", at="202601030900")], [{}, {}], "order-of-two-studies"),
    ],
)
def test_a_match_that_would_be_a_guess_sends_nothing(
    office: Office, heard_of: list[Said], images: list[dict[str, Any]], code: str
) -> None:
    for said in heard_of:
        office.hear(said)
    uids = [office.arrive(hand(**one)) for one in images]
    office.work()
    for uid in uids:
        line = office.study(uid)
        assert (line.state, line.reason) == ("needs-attention", code)
        assert "preread match" in line.explanation
        assert line.deliveries == {"held": 1}
        assert office.match(uid).order_id is None
        assert office.match(uid).candidates, "a person sees which orders came into question"
    assert office.ris.messages == []


def test_of_two_studies_with_one_accession_number_the_order_knows_which_is_its_own(office: Office) -> None:
    mine, other = str(generate_uid()), str(generate_uid())
    office.hear(ordered("ACC1", study=mine))
    office.arrive(hand(accession="ACC1", study=mine))
    office.arrive(hand(accession="ACC1", study=other))
    office.work()
    assert office.study(mine).state == "not-analysed"
    assert office.study(other).reason == "order-of-two-studies"
    assert len(office.ris.messages) == 1


def test_a_second_study_makes_the_first_match_doubtful_too(office: Office) -> None:
    office.hear(ordered("ACC1"))
    first = office.arrive(hand(accession="ACC1"))
    office.work("orders", "assemble", "report")
    second = office.arrive(hand(accession="ACC1"))
    office.work()
    assert {office.study(u).reason for u in (first, second)} == {"order-of-two-studies"}
    assert office.ris.messages == []
    decide(office, second, without_order=True)
    decide(office, first)
    office.work()
    assert office.study(first).state == "not-analysed"
    assert office.study(second).state == "not-analysed"
    assert len(office.ris.messages) == 2


@pytest.mark.parametrize("doubt", ["patient-differs", "order-of-another-patient", "order-of-two-studies"])
def test_a_doubt_that_comes_after_the_result_says_who_has_it_and_how_it_is_taken_back(
    office: Office, doubt: str
) -> None:
    uid = office.arrive(hand("P1", "ACC1"))
    office.work()
    assert standing(office.ris.messages) != set()
    if doubt == "patient-differs":
        office.arrive(hand("P2", "ACC1", study=uid))
    elif doubt == "order-of-another-patient":
        office.hear(ordered("ACC1", "P2", name="Other^Person", birth_date="19800101"))
    else:
        office.arrive(hand("P1", "ACC1"))
        office.hear(ordered("ACC1", placer="A"))
    office.work()
    study = office.study(uid)
    assert (study.state, study.reason) == ("needs-attention", doubt)
    for words in (study.explanation, history(office, uid)[-1]):
        assert "1 destination has, or may have, a result already" in words
        assert "preread withdraw STUDY --reason TEXT" in words
    with office.ledger.begin() as tx:
        office.assembly.withdraw(tx, uid, "not certain")
    office.work()
    assert takes_back([m for m in office.ris.messages if filed_under(m)[0] == "P1"][-1])
    with office.ledger.read() as view:
        assert results.with_a_result(view, uid) == set(), "what was taken back is not out"


def test_a_doubt_before_the_result_says_only_that_nothing_is_sent(office: Office) -> None:
    office.hear(ordered("ACC1", "P2", name="Other^Person", birth_date="19800101"))
    uid = office.arrive(hand("P1", "ACC1"))
    office.work()
    assert "; no result is sent until" in office.study(uid).explanation
    assert "withdraw" not in office.study(uid).explanation


def test_who_looks_at_an_order_of_two_studies_sees_the_other_one(site: Site, office: Office) -> None:
    site.set("storage", root=str(office.settings.storage.root))
    office.hear(ordered("ACC1"))
    first, second = office.arrive(hand("P1", "ACC1")), office.arrive(hand("P1", "ACC1"))
    office.arrive(hand("P1", "ACC2"))
    office.work()
    assert office.study(first).reason == office.study(second).reason == "order-of-two-studies"
    for one, other in ((first, second), (second, first)):
        assert everything_about(office.ledger, office.files, one)["identity"]["also_fits"] == [other]
    assert f"may also be that of study {second}" in site.run("show", first).stdout


def test_a_person_settles_what_was_in_doubt_and_what_waited_leaves(office: Office) -> None:
    office.hear(ordered("ACC1", placer="A"))
    office.hear(ordered("ACC1", placer="B"))
    uid = office.arrive(hand(accession="ACC1"))
    office.work()
    decide(office, uid, order_id=office.match(uid).candidates[1])
    office.work()
    assert standing(office.ris.messages) == {("P1", "B", "ACC1", "ACC1")}
    assert about(office, uid)["order"]["match"] == "by hand"
    assert b"A person has said which order" in office.ris.messages[-1]
    everything = everything_about(office.ledger, office.files, uid)
    assert everything["identity"]["decision"]["reason"] == "by the test"


def test_an_order_of_another_patient_goes_under_whom_a_person_names(office: Office) -> None:
    office.hear(ordered("ACC1", "P2", name="Other^Person", birth_date="19800101", placer="A"))
    uid = office.arrive(hand(accession="ACC1"))
    office.work()
    number = office.match(uid).candidates[0]
    decide(office, uid, order_id=number, patient="order")
    office.work()
    assert standing(office.ris.messages) == {("P2", "A", "ACC1", "ACC1")}
    decide(office, uid, order_id=number, patient="images")
    office.work()
    assert standing(office.ris.messages) == {("P1", "A", "ACC1", "ACC1")}


@pytest.mark.parametrize("accession", ["ACC9", ""])
def test_an_order_that_a_person_chose_is_not_filed_under_the_number_of_the_wrong_line(
    office: Office, accession: str
) -> None:
    """The line of another patient was picked at the modality: a RIS that files by accession number would put the result there."""
    office.hear(ordered("ACC1", "P2", name="Other^Person", birth_date="19800101", placer="WRONG", filler="WRONG"))
    office.hear(ordered(accession, "P1", placer="RIGHT", filler="FILL"))
    wrong = {"PlacerOrderNumberImagingServiceRequest": "WRONG", "FillerOrderNumberImagingServiceRequest": "WRONG"}
    uid = office.arrive(hand("P1", "ACC1", **wrong))
    office.work()
    assert office.study(uid).reason == "order-of-another-patient"
    with office.ledger.read() as view:
        (right,) = orders.orders_by(view, placers=["RIGHT"])
    decide(office, uid, order_id=right.id)
    office.work()
    assert standing(office.ris.messages) == {("P1", "RIGHT", "FILL", accession)}
    assert b"WRONG" not in office.ris.messages[-1]
    assert b"ACC1" not in office.ris.messages[-1]


def test_what_the_chosen_order_lacks_still_comes_from_the_images(office: Office) -> None:
    uid = office.arrive(hand("P1", "ACC1"))
    office.hear(ordered("", "P1", placer="RIGHT"))
    office.work()
    with office.ledger.read() as view:
        (right,) = orders.orders_by(view, placers=["RIGHT"])
    decide(office, uid, order_id=right.id)
    office.work()
    assert standing(office.ris.messages) == {("P1", "RIGHT", "ACC1", "ACC1")}


def test_what_is_heard_after_a_decision_is_weighed_as_ever(office: Office) -> None:
    office.hear(ordered("ACC1", "P2", name="Other^Person", birth_date="19800101"))
    uid = office.arrive(hand(accession="ACC1"))
    office.work()
    decide(office, uid, without_order=True)
    office.work()
    assert standing(office.ris.messages) == {("P1", "", "ACC1", "ACC1")}
    office.hear(ordered("ACC1", "P1", placer="RIGHT"))
    office.work()
    assert standing(office.ris.messages) == {("P1", "RIGHT", "ACC1", "ACC1")}


def test_a_site_may_wait_for_the_order(tmp_path: Path, ris: KeepingRis) -> None:
    office = with_settings(tmp_path, ris, hold_without_order=True)
    uid = office.arrive(hand(accession="ACC1"))
    office.work()
    assert office.study(uid).reason == "no-order"
    assert ris.messages == []
    office.hear(ordered("ACC1", placer="A"))
    office.work()
    assert standing(ris.messages) == {("P1", "A", "ACC1", "ACC1")}
    office.close()


def test_an_urgent_order_raises_the_study_and_a_routine_one_lowers_nothing(office: Office) -> None:
    office.hear(ordered("ACC1", priority=Priority.CRITICAL))
    uid = office.arrive(hand(accession="ACC1"))
    office.work()
    office.hear(ordered("ACC1", priority=Priority.ROUTINE))
    office.work()
    with office.ledger.read() as view:
        urgency = flags.urgency_of(view, uid)
    assert urgency is not None
    assert urgency.priority is Priority.CRITICAL
    assert urgency.reasons == ("the order says critical",)


# --- later than the result


def test_an_order_that_comes_after_the_result_takes_it_back_and_files_it_where_it_belongs(office: Office) -> None:
    uid = office.arrive(hand(accession="ACC1"))
    office.work()
    office.hear(ordered("ACC1", placer="PL1"))
    office.work()
    first, retraction, second = office.ris.messages
    assert takes_back(retraction)
    assert filed_under(retraction) == filed_under(first) == ("P1", "", "ACC1", "ACC1")
    assert filed_under(second) == ("P1", "PL1", "ACC1", "ACC1")
    assert office.study(uid).revision == 2


def test_a_clinical_question_that_comes_after_the_result_is_no_new_result(office: Office) -> None:
    uid = office.arrive(hand(accession="ACC1"))
    office.work()
    office.hear(ordered("ACC1", indication="cough"))
    office.work()
    assert len(office.ris.messages) == 1
    assert office.study(uid).revision == 1
    assert office.match(uid).how == "accession number"


def test_a_cancelled_order_gets_no_message_until_it_stands_again(office: Office) -> None:
    office.hear(ordered("ACC1", placer="A"))
    office.hear(ordered("ACC1", placer="A", change=OrderChange.CANCELLED))
    uid = office.arrive(hand(accession="ACC1"))
    office.work()
    assert office.ris.messages == []
    assert office.study(uid).deliveries == {"held": 1}
    assert office.study(uid).state == "not-analysed", "films that exist are read"
    office.hear(ordered("ACC1", placer="A"))
    office.work()
    assert standing(office.ris.messages) == {("P1", "A", "ACC1", "ACC1")}


@pytest.mark.parametrize("study", [True, False])
def test_an_order_that_was_cancelled_and_placed_anew_is_the_one_that_stands(office: Office, study: bool) -> None:
    """A RIS that replaces an order keeps its accession number, and the study would wait for a person every time."""
    uid = str(generate_uid())
    names = {"study": uid} if study else {"accession": "ACC1"}
    office.hear(ordered(**names, placer="OLD"))
    office.hear(ordered(**names, placer="OLD", change=OrderChange.CANCELLED), ordered(**names, placer="NEW"))
    office.arrive(hand(study=uid, **({} if study else names)))
    office.work()
    assert office.study(uid).state == "not-analysed"
    assert {key[1] for key in standing(office.ris.messages)} == {"NEW"}
    office.hear(ordered(**names, placer="NEW", change=OrderChange.CANCELLED))
    office.work()
    assert office.study(uid).reason == "order-ambiguous", "of two that were cancelled none is guessed"


def test_a_pre_read_that_comes_after_the_radiologists_report_disturbs_nobody(office: Office) -> None:
    office.hear(ordered("ACC1"))
    uid = office.arrive(hand(accession="ACC1"))
    office.work("orders", "assemble", "report")
    office.hear(reported("ACC1"))
    office.work()
    assert office.ris.messages == []
    line = office.study(uid)
    assert (line.state, line.deliveries) == ("reported", {"superseded": 1})
    office.arrive(hand(accession="ACC1", study=uid))
    office.work()
    assert office.ris.messages == []
    assert office.study(uid).state == "reported"
    assert office.study(uid).revision == 2, "what came later is made, and kept here"


@pytest.mark.parametrize(
    ("said", "suppressed"),
    [
        (reported("ACC1", status="P"), False),
        (reported("ACC1", "SOMEBODY", birth_date="19800101", name="Other^Person"), False),
        (reported("ACC2"), False),
        (reported("ACC1"), True),
        (reported("", placer="PL1"), True),
    ],
)
def test_only_a_finished_report_of_that_study_suppresses_it(office: Office, said: Said, suppressed: bool) -> None:
    office.hear(ordered("ACC1", placer="PL1"))
    office.hear(said)
    office.arrive(hand(accession="ACC1"))
    office.work()
    assert (office.ris.messages == []) is suppressed


def test_a_site_may_want_pre_reads_after_the_report(tmp_path: Path, ris: KeepingRis) -> None:
    office = with_settings(tmp_path, ris, suppress_after_final=False)
    office.hear(reported("ACC1"))
    office.arrive(hand(accession="ACC1"))
    office.work()
    assert len(ris.messages) == 1
    office.close()


@pytest.mark.parametrize("suppress", [True, False])
@pytest.mark.parametrize("report_first", [True, False])
def test_a_study_with_a_finished_report_is_off_the_worklist_whether_results_are_sent_or_not(
    tmp_path: Path, ris: KeepingRis, suppress: bool, report_first: bool
) -> None:
    office = with_settings(tmp_path, ris, suppress_after_final=suppress)
    projector = Projector(office.ledger, SystemClock(), threading.Event())
    study = generate_uid()
    if report_first:
        office.hear(reported("ACC1"))
    office.arrive(hand(accession="ACC1", study=study))
    office.work()
    if not report_first:
        projector.catch_up()
        with office.ledger.read() as view:
            assert listing.page(view, Wanted(waiting=True)).rows
            (line,) = overview.studies(view, only=[study])
            before = standing_of(view, line, "")
        office.hear(reported("ACC1"))
        office.work()
    projector.catch_up()
    with office.ledger.read() as view:
        assert listing.page(view, Wanted(waiting=True)).rows == ()
        (row,) = listing.page(view, Wanted(standing="reported")).rows
        assert row.reported_at is not None
        (line,) = overview.studies(view, only=[study])
        heard_of = standing_of(view, line, "")
        assert report_first or heard_of != before, "a page that is open hears of the report"
        assert final_report(view, study, office.settings, ()) is not None
    assert len(ris.messages) == (0 if suppress and report_first else 1)
    office.hear(reported("ACC1", status="C"))
    office.work()
    with office.ledger.read() as view:
        assert standing_of(view, line, "") != heard_of, "and of its correction"
    office.close()


def test_a_report_of_another_patient_leaves_the_study_waiting(tmp_path: Path, ris: KeepingRis) -> None:
    office = with_settings(tmp_path, ris, suppress_after_final=False)
    uid = office.arrive(hand(accession="ACC1"))
    office.work()
    office.hear(reported("ACC1", "SOMEBODY", birth_date="19800101", name="Other^Person"))
    office.work()
    Projector(office.ledger, SystemClock(), threading.Event()).catch_up()
    with office.ledger.read() as view:
        row = listing.rows_of(view, [uid])[uid]
    office.close()
    assert row.is_waiting
    assert (row.reported_at, row.standing) == (None, "not-analysed")


@pytest.mark.parametrize("suppress", [True, False])
@pytest.mark.parametrize("results_left_first", [True, False])
def test_a_study_whose_report_is_taken_back_waits_for_a_radiologist_again(
    tmp_path: Path, ris: KeepingRis, suppress: bool, results_left_first: bool
) -> None:
    """Else nobody reads it: it stands as reported, and nobody has reported it."""
    office = with_settings(tmp_path, ris, suppress_after_final=suppress)
    projector = Projector(office.ledger, SystemClock(), threading.Event())
    uid = office.arrive(hand(accession="ACC1"))
    office.work(*(() if results_left_first else ("orders", "assemble", "report")))
    taken = office.hear(reported("ACC1"))
    office.work()
    projector.catch_up()
    with office.ledger.read() as view:
        assert listing.page(view, Wanted(waiting=True)).rows == ()
        before = standing_of(view, office.study(uid), "")
    message = office.hear(report_taken_back("ACC1"))
    office.work()
    projector.catch_up()
    with office.ledger.read() as view:
        (row,) = listing.page(view, Wanted(waiting=True)).rows
        assert (row.reported_at, row.standing) == (None, "not-analysed")
        assert final_report(view, uid, office.settings, ()) is None
        assert standing_of(view, office.study(uid), "") != before, "a page that is open hears of it"
    assert office.study(uid).state == "not-analysed"
    assert any(f"taken back (status W, message {message})" in words for words in history(office, uid))
    assert office.message(taken).state == DONE
    assert len(ris.messages) == 1, "whoever has the draft gets it no second time, and whoever waits for it gets it"
    office.hear(reported("ACC1", status="C"))
    office.work()
    projector.catch_up()
    with office.ledger.read() as view:
        assert listing.page(view, Wanted(waiting=True)).rows == (), "the report that comes next is one again"
    office.close()


def test_a_draft_that_was_made_after_a_report_leaves_when_that_is_taken_back(office: Office) -> None:
    office.hear(reported("ACC1"))
    uid = office.arrive(hand(accession="ACC1"))
    office.work()
    assert (office.ris.messages, office.study(uid).state) == ([], "reported")
    office.hear(report_taken_back("ACC1"))
    office.work()
    assert len(office.ris.messages) == 1
    assert (office.study(uid).state, office.study(uid).deliveries) == ("not-analysed", {"delivered": 1})


def test_an_older_draft_does_not_leave_when_a_report_is_taken_back(office: Office) -> None:
    uid = office.arrive(hand(accession="ACC1"))
    office.work("orders", "assemble", "report")
    office.hear(reported("ACC1"))
    office.work()
    office.arrive(hand(accession="ACC1", study=uid))
    office.work()
    office.hear(report_taken_back("ACC1"))
    office.work()
    assert len(office.ris.messages) == 1
    assert office.study(uid).deliveries == {"superseded": 1, "delivered": 1}


def test_what_is_held_back_stays_so_when_the_report_is_taken_back(office: Office) -> None:
    office.hear(ordered("ACC1"))
    uid = office.arrive(hand(accession="ACC1"))
    office.work("orders", "assemble", "report")
    office.hear(reported("ACC1"))
    office.hear(ordered("ACC1", change=OrderChange.CANCELLED))
    office.work()
    office.hear(report_taken_back("ACC1"))
    office.work()
    assert office.ris.messages == []
    assert office.study(uid).deliveries == {"held": 1}


@pytest.mark.parametrize(
    "said",
    [
        report_taken_back("ACC2"),
        report_taken_back("ACC1", "SOMEBODY", birth_date="19800101", name="Other^Person"),
        report_taken_back("ACC1", filler="FI2"),
        reported("ACC1", status="P"),
    ],
)
def test_a_report_stands_when_another_is_taken_back(office: Office, said: Said) -> None:
    """Of another order, of another patient, or under another filler order number of the same accession number."""
    office.hear(ordered("ACC1"), reported("ACC1", filler="FI1"))
    uid = office.arrive(hand(accession="ACC1"))
    office.work()
    office.hear(said)
    office.work()
    assert (office.study(uid).state, office.ris.messages) == ("reported", [])


def test_taking_back_a_report_that_nobody_has_finished_changes_nothing(office: Office) -> None:
    """Radiology systems say so of every examination that was cancelled."""
    uid = office.arrive(hand(accession="ACC1"))
    office.work()
    number = office.hear(report_taken_back("ACC1", status="X"))
    office.work()
    assert office.message(number).state == DONE
    office.hear(reported("ACC1"))
    office.work()
    assert office.study(uid).state == "reported"


# --- whose


def test_a_merge_before_the_images_files_the_result_under_the_patient_who_stays(office: Office) -> None:
    office.hear(merged("OLD", "NEW"))
    uid = office.arrive(hand("OLD", "ACC1"))
    office.work()
    assert standing(office.ris.messages) == {("NEW", "", "ACC1", "ACC1")}
    (overlay,) = office.match(uid).overlays
    assert (overlay["attribute"], overlay["was"], overlay["now"]) == ("Patient ID", "OLD", "NEW")
    assert '"patient_id": "OLD"' in office.images(uid)[0].facts, "the images are not altered"


def test_a_merge_after_the_delivery_takes_the_result_back_under_the_old_name(office: Office) -> None:
    uid = office.arrive(hand("OLD", "ACC1"))
    office.work()
    office.hear(merged("OLD", "NEW"))
    office.work()
    first, retraction, second = office.ris.messages
    assert takes_back(retraction)
    assert [filed_under(m)[0] for m in (first, retraction, second)] == ["OLD", "OLD", "NEW"]
    assert office.study(uid).revision == 2


@pytest.mark.parametrize("done", ["orders", "assemble", "report"])
def test_nothing_leaves_under_the_old_name_once_the_merge_was_heard(office: Office, done: str) -> None:
    """Wherever the result is at that moment: not assembled, not reported, not delivered."""
    office.arrive(hand("OLD", "ACC1"))
    for kind in ("assemble", "report")[: ("orders", "assemble", "report").index(done)]:
        office.work(kind)
    office.hear(merged("OLD", "NEW"))
    office.work("orders")
    office.work("report", "deliver")
    assert office.ris.messages == [], "what is being weighed does not leave"
    office.work()
    assert [filed_under(m)[0] for m in office.ris.messages] == ["NEW"]


def test_late_images_under_the_old_number_belong_to_the_patient_who_stays(office: Office) -> None:
    uid = office.arrive(hand("OLD", "ACC1"))
    office.work()
    office.hear(merged("OLD", "NEW"))
    office.work()
    office.arrive(hand("OLD", "ACC1", study=uid))
    office.arrive(hand("NEW", "ACC1", study=uid))
    office.work()
    assert office.study(uid).state == "not-analysed"
    assert {key[0] for key in standing(office.ris.messages)} == {"NEW"}


def test_the_same_merge_again_sends_nothing_again(office: Office) -> None:
    office.arrive(hand("OLD", "ACC1"))
    office.hear(merged("OLD", "NEW"))
    office.work()
    office.hear(merged("OLD", "NEW"))
    office.work()
    assert len(office.ris.messages) == 1


def test_patients_of_two_issuers_are_never_merged(office: Office) -> None:
    number = office.hear(PatientsMerged(Patient("NEW", "HOSPITAL-B"), Patient("OLD", "HOSPITAL-A")))
    office.arrive(hand("OLD", "ACC1", IssuerOfPatientID="HOSPITAL-A"))
    office.work()
    assert office.message(number).state == ATTENTION
    assert standing(office.ris.messages) == {("OLD", "", "ACC1", "ACC1")}


def test_the_same_number_of_another_hospital_is_another_patient(office: Office) -> None:
    office.hear(merged("OLD", "NEW", issuer="HOSPITAL-B"))
    office.arrive(hand("OLD", "ACC1", IssuerOfPatientID="HOSPITAL-A"))
    office.work()
    assert {key[0] for key in standing(office.ris.messages)} == {"OLD"}


def test_a_number_that_two_hospitals_use_is_for_a_person_or_the_settings(tmp_path: Path, ris: KeepingRis) -> None:
    office = with_settings(tmp_path, ris)
    said = [corrected("OLD", "Test^Small", issuer="A"), merged("OLD", "NEW", issuer="B")]
    for one in said:
        office.hear(one)
    uid = office.arrive(hand("OLD", "ACC1"))
    office.work()
    assert office.study(uid).reason == "patient-ambiguous"
    assert ris.messages == []
    office.close()
    office = with_settings(tmp_path, ris, issuer="B")
    for one in said:
        office.hear(one)
    office.arrive(hand("OLD", "ACC1"))
    office.work()
    assert {key[0] for key in standing(ris.messages)} == {"NEW"}
    office.close()


def test_a_married_name_and_a_corrected_birth_date_reach_the_result(office: Office) -> None:
    uid = office.arrive(hand("P1", "ACC1"))
    office.work()
    office.hear(corrected("P1", "Married^Small", "19500102"))
    office.work()
    assert about(office, uid)["patient"]["name"] == "Married^Small"
    office.hear(corrected("P1", "Married^Small", "19510102"))
    office.work()
    assert about(office, uid)["patient"]["birth_date"] == "19510102"
    assert b"Married^Small" in office.ris.messages[-1]
    assert b"19510102" in office.ris.messages[-1]


@pytest.mark.parametrize("heard_of", ["correction", "order"])
def test_a_child_is_not_read_as_an_adult_because_the_modality_was_given_the_wrong_birth_date(
    office: Office, heard_of: str
) -> None:
    """The age in the header was reckoned from the birth date that is wrong, or is that of the patient on the wrong line."""
    image = small_image(PatientID="P1", AccessionNumber="ACC1", PatientBirthDate="19500102", PatientAge="076Y")
    uid = office.arrive(image)
    office.work("assemble")
    assert office.study(uid).state == "assembled", "as an adult it would be read"
    if heard_of == "correction":
        office.hear(corrected("P1", "Test^Small", "20200102"))
    else:
        office.hear(ordered("ACC1", "P2", name="Other^Child", birth_date="20200102"))
        office.work("orders", "assemble")
        decide(office, uid, order_id=office.match(uid).candidates[0], patient="order")
    office.work("orders", "assemble")
    line = office.study(uid)
    assert (line.state, line.reason) == ("not-analysed", "too-young")


@pytest.mark.parametrize("name", ["TEST^SMALL", "Test^Small^Middle", "Test^Small^^Dr.", ""])
def test_another_spelling_is_no_new_result(office: Office, name: str) -> None:
    office.arrive(hand("P1", "ACC1"))
    office.work()
    office.hear(corrected("P1", name, "19500102"))
    office.work()
    assert len(office.ris.messages) == 1


def test_a_number_that_belongs_to_somebody_else_altogether_is_for_a_person(office: Office) -> None:
    """A typing error at the modality: the images' Patient ID is that of a patient with another name and birth date."""
    office.hear(corrected("P1", "Other^Person", "19991231"))
    uid = office.arrive(hand("P1", "ACC1"))
    office.work()
    assert office.study(uid).reason == "patient-contradicted"
    assert office.ris.messages == []
    decide(office, uid, patient="images")
    office.work()
    assert b"Test^Small" in office.ris.messages[-1]


def test_a_person_may_say_that_the_registry_is_right(office: Office) -> None:
    office.hear(corrected("P1", "Other^Person", "19991231"))
    uid = office.arrive(hand("P1", "ACC1"))
    office.work()
    decide(office, uid, patient="registry")
    office.work()
    assert b"Other^Person" in office.ris.messages[-1]


def test_a_number_that_was_merged_into_two_patients_is_for_a_person(office: Office) -> None:
    office.hear(merged("OLD", "NEW"))
    office.hear(merged("OLD", "OTHER"))
    uid = office.arrive(hand("OLD", "ACC1"))
    office.work()
    assert office.study(uid).reason == "patient-ambiguous"
    assert office.ris.messages == []


def test_an_order_under_the_old_number_is_that_of_the_patient_who_stays(office: Office) -> None:
    office.hear(ordered("ACC1", "OLD", placer="A"))
    office.hear(merged("OLD", "NEW"))
    office.arrive(hand("NEW", "ACC1"))
    office.work()
    assert standing(office.ris.messages) == {("NEW", "A", "ACC1", "ACC1")}


# --- the messages themselves


def test_a_message_that_fails_is_not_overtaken_by_a_later_one_about_the_same_patient(office: Office) -> None:
    first = office.hear(merged("A", "B"))
    later, unrelated = office.hear(corrected("B", "New^Name")), office.hear(corrected("X", "Some^Body"))
    held = office.claim("orders")  # the first one is with a worker that fails
    assert held is not None
    assert held.key == str(first)
    with office.ledger.begin() as tx:
        office.queue.park(tx, held, "internal: planted")
    for _ in range(2):
        assert office.do("orders")
    assert office.message(later).state == WAITING
    assert office.message(unrelated).state == DONE
    with office.ledger.read() as view:
        (failed,) = heard.listed(view, limit=10, attention=True)
    assert failed["id"] == first
    assert failed["error"] == "internal: planted"


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ((), IGNORED),
        ((ordered(),), ATTENTION),
        ((merged("A", "A"),), IGNORED),
        ((merged("", "A"),), ATTENTION),
        ((corrected("", "Name^N"),), ATTENTION),
        ((reported(""),), ATTENTION),
        ((ordered("ACC1"), ordered("")), ATTENTION),
    ],
)
def test_what_nobody_could_act_on_is_said(office: Office, said: tuple[Said, ...], state: str) -> None:
    number = office.hear(*said)
    office.work("orders")
    message = office.message(number)
    assert (message.state, bool(message.words)) == (state, True)


def test_what_became_of_a_message_holds_no_patient_data(office: Office) -> None:
    uid = office.arrive(hand("GEHEIM", "SECRETACC"))
    office.work()
    for said in (
        ordered("SECRETACC", "GEHEIM", name="Geheimnis^G", placer="SECRETPLACER"),
        merged("GEHEIM", "GEHEIM2", name="Geheimnis^G"),
        corrected("GEHEIM2", "Geheimnis^H", "19331122"),
        reported("SECRETACC", "GEHEIM2"),
    ):
        office.hear(said)
    office.work()
    with office.ledger.read() as view:
        words = " ".join(str(r["words"]) for r in heard.listed(view, limit=10))
        words += " ".join(str(e["words"]) for e in overview.history(view, uid))
    for secret in ("GEHEIM", "Geheimnis", "SECRET", "19331122"):
        assert secret not in words


def test_messages_and_studies_whose_work_was_lost_are_taken_up_again(office: Office) -> None:
    """A ledger from a backup, or one that somebody mended."""
    uid = office.arrive(hand("OLD", "ACC1"))
    office.work()
    number = office.hear(merged("OLD", "NEW"))
    with office.ledger.begin() as tx:
        tx.exec_driver_sql("DELETE FROM job")
        identity.unsettle(tx, [uid], now=SystemClock().now())
        tx.exec_driver_sql("DELETE FROM job")
        missing = overview.without_job(tx)
    assert ("orders", str(number), "") in missing
    assert ("assemble", uid, "") in missing


def test_studies_of_an_older_version_are_found_by_what_is_heard(office: Office) -> None:
    uid = office.arrive(hand("OLD", "ACC1"))
    office.work()
    with office.ledger.begin() as tx:
        tx.exec_driver_sql("DELETE FROM study_key")
        identity.fill_keys(tx)
        identity.fill_keys(tx)
        assert identity.studies_with(tx, identity.PATIENT, ["OLD"]) == {uid}
        assert identity.studies_with(tx, identity.ACCESSION, ["ACC1"]) == {uid}


# --- taking back


def test_a_withdrawn_result_is_taken_back_and_late_images_do_not_bring_it_back(office: Office) -> None:
    uid = office.arrive(hand("P1", "ACC1"))
    office.work()
    with office.ledger.begin() as tx:
        office.assembly.withdraw(tx, uid, "wrong side")
    office.work()
    result, retraction = office.ris.messages
    assert takes_back(retraction)
    assert filed_under(result) == filed_under(retraction)
    assert b"wrong side" in retraction
    office.arrive(hand("P1", "ACC1", study=uid))
    office.hear(ordered("ACC1", placer="A"))
    office.work()
    assert len(office.ris.messages) == 2
    assert office.study(uid).state == "withdrawn"
    with office.ledger.read() as view:
        assert any(e["code"] == "late-images-withdrawn" for e in overview.history(view, uid))


def test_a_withdrawn_study_without_a_readable_image_comes_back_as_what_it_is(site: Site, office: Office) -> None:
    site.set("storage", root=str(office.settings.storage.root))
    uid = office.arrive(hand("P1", "ACC1"))
    office.work()
    assert site.run("withdraw", uid, "--reason", "another study was meant").returncode == 0
    office.work()
    done = site.run("reread", uid, "--reason", "it was right")
    assert (done.returncode, "not withdrawn any more" in done.stdout) == (0, True), done
    office.work()
    study = office.study(uid)
    assert (study.state, study.revision) == ("not-analysed", 3)
    assert [takes_back(m) for m in office.ris.messages] == [False, True, False]
    assert standing(office.ris.messages) == {("P1", "", "ACC1", "ACC1")}
    assert site.json("reread", uid)["not_read"] == [uid], "there is nothing to bring back"
    office.arrive(hand("P1", "ACC1", study=uid))
    office.work()
    assert office.study(uid).revision == 4, "late images count again"


def test_what_waits_when_a_study_is_withdrawn_never_leaves(office: Office) -> None:
    uid = office.arrive(hand("P1", "ACC1"))
    office.work("assemble", "report")
    with office.ledger.begin() as tx:
        office.assembly.withdraw(tx, uid, "wrong side")
    office.work()
    assert office.ris.messages == []
    with office.ledger.read() as view:
        (delivery,) = overview.deliveries(view, uid)
    assert (delivery["state"], delivery["words"]) == ("superseded", "withdrawn: wrong side")


def test_a_withdrawal_reaches_those_who_have_it_though_something_is_being_weighed(office: Office) -> None:
    uid = office.arrive(hand("OLD", "ACC1"))
    office.work()
    with office.ledger.begin() as tx:
        office.assembly.withdraw(tx, uid, "wrong side")
    office.hear(merged("OLD", "NEW"))
    office.work("orders")
    office.work("report", "deliver")
    office.work()
    assert [takes_back(m) for m in office.ris.messages] == [False, True]
    assert {filed_under(m)[0] for m in office.ris.messages} == {"OLD"}, "it is taken back where it was filed"


# --- in whatever order


def lines(office: Office) -> tuple[overview.StudyLine, ...]:
    with office.ledger.read() as view:
        return overview.studies(view)


EVENTS: dict[str, Any] = {
    "image": lambda uid: hand("A", "ACC1", study=uid),
    "late image": lambda uid: hand("A", "ACC1", study=uid),
    "image under the new number": lambda uid: hand("C", "ACC1", study=uid),
    "order": lambda _: ordered("ACC1", "A", placer="PL"),
    "merge": lambda _: merged("A", "B"),
    "next merge": lambda _: merged("B", "C"),
    "correction": lambda _: corrected("C", "Married^Small", "19500102"),
}


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(order=st.permutations(sorted(EVENTS)), works=st.lists(st.booleans(), min_size=7, max_size=7))
def test_in_whatever_order_it_comes_the_result_stands_under_the_same_patient_and_order(
    tmp_path: Path, ris: KeepingRis, order: list[str], works: list[bool]
) -> None:
    """A result that depends on which message was faster is under the wrong patient on some days."""
    office, uid = with_settings(tmp_path, ris), str(generate_uid())
    try:
        for event, work in zip(order, works, strict=True):
            made = EVENTS[event](uid)
            if event.startswith(("image", "late image")):
                office.arrive(made)
            else:
                office.hear(made)
            if work:
                office.work()
                known = lines(office)
                if all(line.state == "not-analysed" for line in known):
                    now = {line.about["patient"]["patient_id"] for line in known}
                    assert {key[0] for key in standing(ris.messages)} <= now, "nothing stands under another name"
        office.work()
        line = office.study(uid)
        patient = line.about["patient"]
        assert (line.state, patient["patient_id"], patient["name"]) == ("not-analysed", "C", "Married^Small")
        assert line.about["order"]["placer_order_number"] == "PL"
        assert standing(ris.messages) == {("C", "PL", "ACC1", "ACC1")}
    finally:
        office.close()


@given(
    edges=st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)).filter(lambda e: e[0] < e[1]), max_size=12),
    data=st.data(),
)
def test_merges_lead_to_the_same_patient_in_whatever_order_they_are_heard(
    edges: list[tuple[int, int]], data: st.DataObject
) -> None:
    """Registries say things late and in another order than they happened."""
    said = [merged(f"P{a}", f"P{b}") for a, b in edges]
    shuffled = data.draw(st.permutations(said))

    def ends(heard_of: list[PatientsMerged]) -> list[tuple[str, str]]:
        statements = [Statement(n, n, m.stays, m.gone) for n, m in enumerate(heard_of)]
        found = [Registry(statements).identify(Patient(f"P{n}")) for n in range(8)]
        return [(f.patient.patient_id, f.doubt.code if f.doubt else "") for f in found]

    assert ends(said) == ends(shuffled)


@given(
    edges=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)).filter(lambda e: e[0] != e[1]), max_size=10),
    issuers=st.lists(st.sampled_from(["", "A", "B"]), min_size=10, max_size=10),
)
def test_films_are_looked_for_under_no_number_that_may_be_somebody_elses(
    edges: list[tuple[int, int]], issuers: list[str]
) -> None:
    """Whatever was merged, and how often: each number that is asked for is by now that of the patient, and of nobody else."""
    said = [merged(f"P{a}", f"P{b}", issuer=i) for (a, b), i in zip(edges, issuers, strict=False)]
    registry = Registry([Statement(n, n, m.stays, m.gone) for n, m in enumerate(said)])
    asked_of = dict[str, str]()
    for number in (f"P{n}" for n in range(6)):
        for gone, issuer in registry.merged_away(Patient(number)):
            now = registry.identify(Patient(gone, issuer))
            assert (now.patient.patient_id, now.doubt) == (number, None)
            assert asked_of.setdefault(gone, number) == number
            last = [m for m in said if gone in (m.stays.patient_id, m.gone.patient_id)][-1]
            assert last.gone.patient_id == gone, "its merge is the last that was heard of it"


def test_the_numbers_that_were_merged_away_come_with_the_newest_first() -> None:
    said = [merged("A", "B"), merged("B", "C"), merged("D", "C")]
    registry = Registry([Statement(n, n, m.stays, m.gone) for n, m in enumerate(said)])
    assert [number for number, _ in registry.merged_away(Patient("C"))] == ["D", "B", "A"]
    assert registry.merged_away(Patient("B")) == (), "it is not the patient's number by now"


def test_a_merge_that_is_turned_round_is_taken_back() -> None:
    said = [merged("A", "B"), merged("B", "A")]
    registry = Registry([Statement(n, n, m.stays, m.gone) for n, m in enumerate(said)])
    assert registry.identify(Patient("B")).patient.patient_id == "A"
    assert registry.identify(Patient("A")).patient.patient_id == "A"


KNOWN = KnownOrder(1, Order("ACC", "PL", "FI"), Patient("P1"), "1.2.3")


@pytest.mark.parametrize(
    ("said", "same"),
    [
        (replace(KNOWN, order=Order("OTHER", "PL", "FI")), True),
        (replace(KNOWN, order=Order("ACC", "PL2", "FI")), False),
        (replace(KNOWN, order=Order("ACC", "PL", "FI2")), False),
        (replace(KNOWN, order=Order("OTHER", "PL"), patient=Patient("P2")), False),
        (replace(KNOWN, order=Order("", "", "FI")), True),
        (replace(KNOWN, order=Order("ACC")), True),
        (replace(KNOWN, order=Order("ACC"), patient=Patient("P2")), False),
        (replace(KNOWN, order=Order("ACC"), study_instance_uid="1.2.4"), False),
        (replace(KNOWN, order=Order()), True),
        (replace(KNOWN, order=Order(), study_instance_uid=""), False),
    ],
)
def test_two_statements_are_about_one_order_or_are_not(said: KnownOrder, same: bool) -> None:
    assert is_same_order(KNOWN, said) is same


def test_a_worklist_adds_to_what_a_message_said_and_alters_nothing() -> None:
    said = replace(KNOWN, order=replace(KNOWN.order, indication="cough"), source="worklist", message_id=None)
    known = replace(KNOWN, order=replace(KNOWN.order, indication="fever"), message_id=7)
    assert updated(known, said, only_fill=True) == known
    assert updated(replace(known, order=KNOWN.order), said, only_fill=True).order.indication == "cough"


def test_the_order_of_hearing_is_that_of_the_ledger(office: Office) -> None:
    assert hear(office.ledger, corrected("P1", "A^A")) < hear(office.ledger, corrected("P1", "B^B"))
    office.work()
    with office.ledger.read() as view:
        said, _ = identity.statements_about(view, ["P1"])
    assert [s.patient["name"] for s in said] == ["A^A", "B^B"]


# --- by hand


def test_a_decision_that_says_nothing_or_too_much_is_refused(site: Site, office: Office) -> None:
    site.set("storage", root=str(office.settings.storage.root))
    uid = office.arrive(hand("P1", "ACC1"))
    office.hear(ordered("ACC1", "P2", name="Other^Person", birth_date="19800101"))
    office.work()
    number = str(office.match(uid).candidates[0])
    why = ["--reason", "because"]
    for wrong in (["--order", number, "--none"], [], ["--patient", "order"], ["--none", "--patient", "nobody"]):
        assert site.run("match", uid, *wrong, *why).returncode == 2, wrong
    assert site.run("match", uid, "--none").returncode == 2, "a reason is always given"
    for wrong, code in ((["--order", "999"], "no-such-order"), (["--order", number], "order-of-another-patient")):
        done = site.run("match", uid, *wrong, *why, "--json")
        assert json.loads(done.stdout)["error"]["code"] == code
    assert site.run("match", uid, "--none", *why).returncode == 0
    office.work()
    assert standing(office.ris.messages) == {("P1", "", "ACC1", "ACC1")}


def test_a_second_decision_keeps_what_it_does_not_say_again(site: Site, office: Office) -> None:
    site.set("storage", root=str(office.settings.storage.root))
    why = ["--reason", "because"]
    office.hear(corrected("P1", "Nobody^Else", "19010101"))
    for placer in ("A", "B"):
        office.hear(ordered("ACC1", placer=placer))
    uid = office.arrive(hand("P1", "ACC1"))
    office.work()
    first, second = map(str, office.match(uid).candidates)
    assert office.study(uid).reason == "patient-contradicted"
    assert site.json("match", uid, "--order", second, *why, "--patient", "images")["order"] == int(second)
    assert "the patient as the images say" in site.run("match", uid, "--order", first, *why).stdout
    office.work()
    assert standing(office.ris.messages) == {("P1", "A", "ACC1", "ACC1")}
    said = site.run("match", uid, "--patient", "registry", *why).stdout
    assert f"what holds now is order {first}, the patient as the registry says" in said
    office.hear(ordered("ACC1", placer="C"))
    none = site.json("match", uid, "--none", *why)
    assert (none["order"], none["without_order"], none["patient"]) == (None, True, "registry")


def test_an_order_of_another_patient_is_not_chosen_by_what_was_said_before(site: Site, office: Office) -> None:
    site.set("storage", root=str(office.settings.storage.root))
    office.hear(ordered("ACC1", "P2", name="Other^Person", birth_date="19800101"))
    uid = office.arrive(hand("P1", "ACC1"))
    office.work()
    number = str(office.match(uid).candidates[0])
    assert site.run("match", uid, "--patient", "images", "--reason", "x").returncode == 0
    assert site.json("match", uid, "--order", number, "--reason", "x")["error"]["code"] == "order-of-another-patient"
    assert (
        site.json("match", uid, "--order", "999", "--patient", "images", "--reason", "x")["error"]["code"]
        == "no-such-order"
    )
    assert site.run("match", uid, "--order", number, "--patient", "images", "--reason", "x").returncode == 0


def test_what_was_heard_between_two_decisions_is_weighed(site: Site, office: Office) -> None:
    site.set("storage", root=str(office.settings.storage.root))
    office.hear(ordered("ACC1", "P2", name="Other^Person", birth_date="19800101"))
    uid = office.arrive(hand("P1", "ACC1"))
    office.work()
    assert site.run("match", uid, "--none", "--reason", "the wrong line was picked").returncode == 0
    office.hear(ordered("ACC1", "P1", placer="RIGHT"))
    office.work()
    assert site.run("match", uid, "--patient", "images", "--reason", "certain").returncode == 0
    office.work()
    assert standing(office.ris.messages) == {("P1", "RIGHT", "ACC1", "ACC1")}


def test_whose_an_order_is_holds_for_that_order_alone(site: Site, office: Office) -> None:
    site.set("storage", root=str(office.settings.storage.root))
    for number in ("P2", "P3"):
        office.hear(ordered("ACC1", number, name=f"Other^{number}", birth_date="19800101", placer=number))
    uid = office.arrive(hand("P1", "ACC1"))
    office.work()
    first, second = map(str, office.match(uid).candidates)
    assert site.json("match", uid, "--order", first, "--patient", "order", "--reason", "x")["patient"] == "order"
    refused = site.json("match", uid, "--order", second, "--reason", "x")
    assert refused["error"]["code"] == "order-of-another-patient"
    assert site.json("match", uid, "--none", "--reason", "x")["patient"] == ""


@pytest.mark.parametrize("code", ["patient-differs", "character-set", "is-withdrawn"])
def test_a_decision_that_can_change_nothing_is_not_taken(site: Site, office: Office, code: str) -> None:
    site.set("storage", root=str(office.settings.storage.root))
    image = hand("P1", "ACC1")
    uid = office.arrive(image)
    if code == "patient-differs":
        office.arrive(hand("P2", "ACC1", study=uid))
    elif code == "character-set":
        (kept,) = office.images(uid)
        facts = json.loads(kept.facts) | {"undecodable": ["PatientName"]}
        with office.ledger.begin() as tx:
            studies.set_facts(tx, kept.instance_id, json.dumps(facts))
    office.work()
    if code == "is-withdrawn":
        with office.ledger.begin() as tx:
            office.assembly.withdraw(tx, uid, "wrong side")
    else:
        assert office.study(uid).reason == code
    done = site.run("match", uid, "--none", "--reason", "x", "--json")
    error = json.loads(done.stdout)["error"]
    assert (error["code"], done.returncode) == (code, 1)
    assert f"preread {'reread' if code == 'is-withdrawn' else 'retry'} STUDY" in error["message"]
    with office.ledger.read() as view:
        assert orders.decisions_of(view, [uid]) == {}


def test_reading_everything_again_asks_first_and_leaves_what_was_withdrawn(site: Site, office: Office) -> None:
    site.set("storage", root=str(office.settings.storage.root))
    uids = [office.arrive(hand(f"P{n}", f"ACC{n}")) for n in range(3)]
    office.work()
    with office.ledger.begin() as tx:
        office.assembly.withdraw(tx, uids[0], "wrong")
    asked = subprocess.run(
        site.command("reread", "--since", "2020-01-01"), input="n\n", capture_output=True, text=True, check=False
    )
    assert "2 studies would be read anew" in asked.stdout
    nothing = {"read_again": [], "back_unread": [], "not_read": []}
    assert site.json("reread", "--since", "2020-01-01") == {"studies": uids[1:], **nothing}
    assert {office.study(u).revision for u in uids[1:]} == {1}
    done = site.json("reread", "--since", "2020-01-01", "--yes")
    assert done["not_read"] == uids[1:], "films of hands cannot be read"
    assert site.run("reread").returncode == 2
    assert site.json("reread", "--since", "2999-01-01")["studies"] == []


def test_a_message_that_failed_is_acted_on_when_a_person_says_so(site: Site, office: Office) -> None:
    site.set("storage", root=str(office.settings.storage.root))
    number = office.hear(merged("A", "B"))
    held = office.claim("orders")
    assert held is not None
    with office.ledger.begin() as tx:
        office.queue.park(tx, held, "internal: planted")
    assert "failed: internal: planted" in site.run("messages", "--attention").stdout
    assert site.run("messages", "--retry", str(number)).returncode == 0
    office.work()
    assert office.message(number).state == DONE
    assert "no message needs a person" in site.run("messages", "--attention").stdout
    assert site.run("messages", "--retry", str(number)).returncode == 1


def test_a_message_that_a_person_has_seen_to_is_no_trouble_any_more(site: Site, office: Office) -> None:
    site.set("storage", root=str(office.settings.storage.root))
    number, mixed = office.hear(merged("A|B", "")), office.hear(ordered("ACC1"), ordered(""))
    uid = office.arrive(hand("P1", "ACC1"))
    office.work()
    assert office.message(number).state == office.message(mixed).state == ATTENTION

    def troubles() -> list[dict[str, Any]]:
        found = json.loads(site.run("doctor", "--no-network", "--json").stdout)
        return [c for c in found if c["what"] == "messages"]

    assert troubles()
    done = site.json("messages", "--done", str(number), "--reason", "merged in the\nregistry by hand")
    assert next(r for r in done if r["id"] == number)["state"] == DONE
    assert "merged in the registry by hand" in office.message(number).words
    assert "nothing was merged" in office.message(number).words, "what it was about is not forgotten"
    assert site.run("messages", "--done", str(mixed)).returncode == 0
    assert troubles() == []
    again = site.run("messages", "--done", str(number), "--json")
    assert json.loads(again.stdout)["error"]["code"] == "not-for-a-person"
    with office.ledger.read() as view:
        assert any(e["code"] == "seen-to-by-hand" for e in overview.history(view, uid))
    assert site.run("messages", "--reason", "of nothing").returncode == 2


def test_nobody_waits_for_a_failing_message_that_a_person_has_seen_to(site: Site, office: Office) -> None:
    site.set("storage", root=str(office.settings.storage.root))
    first, later = office.hear(merged("A", "B")), office.hear(corrected("B", "New^Name"))
    assert site.run("messages", "--done", str(later)).returncode == 1, "it only waits for its turn"
    held = office.claim("orders")
    assert held is not None
    with office.ledger.begin() as tx:
        office.queue.park(tx, held, "internal: planted")
    assert site.run("messages", "--done", str(first)).returncode == 0
    office.work()
    assert office.message(later).state == DONE
    with office.ledger.read() as view:
        assert overview.backlog(view) == []
        assert heard.count_attention(view) == 0
        said, _ = identity.statements_about(view, ["B"])
    assert [s.gone for s in said] == [None], "what a person has seen to is not acted on any more"


def test_a_film_that_waits_to_be_read_goes_forward_when_its_order_turns_out_to_be_urgent(office: Office) -> None:
    first, urgent = (office.arrive(small_image(AccessionNumber=a, PatientID="P1")) for a in ("A", "B"))
    office.work("assemble")
    office.hear(ordered("B", birth_date="", priority=Priority.CRITICAL))
    office.work("orders", "assemble")
    assert office.study(urgent).revision == 1
    assert office.study(first).revision == 1
    job = office.queue.claim("flag")
    assert job is not None
    with office.ledger.read() as view:
        newest = studies.newest_revision(view, urgent)
    assert newest is not None
    assert job.key == str(newest.id)


def _known(patient: str = "P1", **numbers: str) -> KnownOrder:
    names = {"accession": "accession_number", "placer": "placer_order_number", "filler": "filler_order_number"}
    return KnownOrder(0, Order(**{names[k]: v for k, v in numbers.items()}), Patient(patient))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        # Two systems that give the same placer number, each to a patient of its own.
        (_known("CA1", placer="88", accession="ACCCA"), _known("CB1", placer="88"), False),
        (_known("CA1", filler="88", accession="ACCCA"), _known("CB1", filler="88"), False),
        # One placer number over two films; two systems that order for one patient.
        (_known(placer="SP9", accession="ACCY1"), _known(placer="SP9", accession="ACCY2"), False),
        (_known(placer="7", accession="ACCB1"), _known(placer="7", accession="ACCB2"), False),
        (_known(placer="7", filler="1"), _known(placer="7", filler="2"), False),
        # What is the same order: later messages say more, or less; numbers and patient are corrected.
        (_known(placer="7", accession="A"), _known(placer="7"), True),
        (_known(placer="7"), _known(placer="7", filler="1", accession="A"), True),
        (_known(placer="7", filler="1", accession="A"), _known(placer="7", filler="1", accession="B"), True),
        (_known("P1", placer="7", filler="1"), _known("P2", placer="7", filler="1"), True),
        (_known("P1", accession="A"), _known("P2", accession="A"), False),
        (_known(accession="A"), _known(accession="A"), True),
    ],
)
def test_two_orders_are_never_taken_for_one(one: KnownOrder, other: KnownOrder, same: bool) -> None:
    """The result of one would go out under the numbers of the other, or under another patient's."""
    assert is_same_order(one, other) is is_same_order(other, one) is same


def test_a_result_that_names_nobody_is_not_filed_under_whoever_has_its_number(office: Office) -> None:
    uid = office.arrive(hand("", accession="ACCNONE", PatientName=""))
    office.work()
    line = office.study(uid)
    assert (line.state, line.reason, line.deliveries) == ("needs-attention", "patient-unnamed", {"held": 1})
    decide(office, uid, patient="images")
    office.work()
    assert office.study(uid).state == "not-analysed"


def test_one_accession_number_of_two_patients_is_nobodys_until_an_order_says_whose(office: Office) -> None:
    """A RIS that files by accession number would put one of them on the other."""
    first = office.arrive(hand("P20", accession="ACC20"))
    office.work("assemble", "report")
    second = office.arrive(hand("P21", accession="ACC20"))
    office.work()
    lines = [office.study(u) for u in (first, second)]
    assert [line.reason for line in lines] == ["accession-of-two-patients"] * 2
    assert second in lines[0].explanation
    assert office.ris.messages == []


def test_two_studies_of_one_patient_under_one_accession_number_are_both_sent(office: Office) -> None:
    for _ in range(2):
        office.arrive(hand("P20", accession="ACC20"))
    office.work()
    assert len(office.ris.messages) == 2
