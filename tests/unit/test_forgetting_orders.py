"""A patient whose film went elsewhere is not named here for ever; and nothing goes that a study here has need of."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, event, insert, select, update

from agent.audit.trail import Trail
from agent.keeping.forget import Forgetter
from agent.keeping.unclaimed import is_past
from agent.orders.act import act
from agent.orders.said import Heard, OrderChange, OrderSaid, PatientSaid, PatientsMerged, ReportSaid, Said
from agent.settings import Keeping
from agent.store import audit, heard, identity, orders, purging, schema, unclaimed
from agent.store.heard import HeardMessage
from agent.store.orders import StoredDecision
from agent.store.schema import metadata
from agent.store.unclaimed import AT_ONCE
from structured_report.content import Order, Patient
from tests.support.planted_ledger import PlantedLedger
from tests.support.site import Site

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
LIMIT = 90
STUDY = "1.2.840.1.111"
GWEN = Patient("PAT-GWEN", "", "Gone^Gwen", "19500101", "F")
STAN = Patient("PAT-STAN", "", "Stays^Stan", "19600101", "M")
_IMAGE = {
    "sop_instance_uid": f"{STUDY}.2.1", "version": 1, "series_instance_uid": f"{STUDY}.2.0", "sop_class_uid": "1.2",
    "transfer_syntax_uid": "1.2", "digest": "d", "size": 1, "data_set_offset": 0, "path": "p", "calling_ae_title": "CR",
    "address": "192.0.2.2", "received_at": NOW,
}  # fmt: skip


class _Clock:
    def now(self) -> datetime:
        return NOW


class _Slow(_Clock):
    """Whenever it is looked at a minute has passed."""

    def __init__(self) -> None:
        self._looked = 0

    def now(self) -> datetime:
        self._looked += 1
        return NOW + timedelta(minutes=self._looked)


@pytest.fixture
def planted(site: Site, request: pytest.FixtureRequest) -> Iterator[PlantedLedger]:
    """The site's ledger, where the test wants it."""
    if "ledger_url" in request.fixturenames:
        site.set("database", url=request.getfixturevalue("ledger_url"))
    made = PlantedLedger(site.settings())
    yield made
    made.close()


def order(patient: Patient, number: str, *, scheduled_at: str = "", uid: str = "") -> OrderSaid:
    said = Order(accession_number=number, placer_order_number=f"P-{number}", indication=f"indication of {number}")
    return OrderSaid(OrderChange.PLACED, patient, said, uid, scheduled_at=scheduled_at)


def report(patient: Patient, number: str) -> ReportSaid:
    return ReportSaid(patient, Order(accession_number=number), "", "F", True)


def hear(planted: PlantedLedger, said: Said, *, days: float, state: str = "") -> int:
    """That was heard so many days ago, and acted on unless a state is given; returns the number of the message."""
    then, values = NOW - timedelta(days=days), Heard((said,)).to_json()
    content = json.dumps(values).encode()
    with planted.ledger.begin() as tx:
        before = len(tx.execute(select(schema.hl7_message.c.id)).all())
        number = heard.keep(
            tx, HeardMessage("RIS", "192.0.2.1", f"M{before}", "ORM^O01", f"d{before}", content, values, then)
        )
        assert number is not None
        if not state:
            done = act(tx, said, number, now=then)
            heard.settle(tx, number, done.state, done.words, now=then)
        else:
            heard.settle(tx, number, state, "", now=then)
    return number


def newest(planted: PlantedLedger) -> None:
    """Somebody else was heard of just now: nothing planted before is the newest of its kind."""
    other = Patient("PAT-NEWEST", "", "Newest^Nora")
    hear(planted, order(other, "NEWEST"), days=0)
    hear(planted, PatientSaid(other), days=0)


def forget(planted: PlantedLedger, days: int = LIMIT) -> int:
    return Forgetter(planted.ledger, planted.files, _Clock(), Keeping(orders_days=days), Trail("PREREAD"))()


def whole(planted: PlantedLedger) -> str:
    """Everything in the ledger that is not the audit trail, as text."""
    with planted.ledger.read() as view:
        tables = [t for t in metadata.sorted_tables if t.name != "audit"]
        return "\n".join(str(row) for table in tables for row in view.execute(table.select()))


def has(planted: PlantedLedger, *texts: str) -> tuple[bool, ...]:
    text = whole(planted)
    return tuple(t in text for t in texts)


@pytest.mark.usefixtures("ledger_url")
def test_nobody_is_named_for_ever_whose_film_went_elsewhere(planted: PlantedLedger) -> None:
    went = hear(planted, order(GWEN, "ACC-GWEN"), days=LIMIT + 10)
    hear(planted, PatientSaid(GWEN), days=LIMIT + 9)
    hear(planted, PatientsMerged(GWEN, Patient("PAT-FORMER", "")), days=LIMIT + 8)
    hear(planted, report(GWEN, "ACC-GWEN"), days=LIMIT + 7)
    hear(planted, PatientSaid(GWEN), days=LIMIT + 6)  # nothing new, and kept
    hear(planted, order(STAN, "ACC-STAN"), days=LIMIT - 1)
    newest(planted)
    traces = ("PAT-GWEN", "Gone^Gwen", "ACC-GWEN", "PAT-FORMER", "indication of ACC-GWEN")
    assert all(has(planted, *traces)), "planted in the first place"
    assert forget(planted) == 1 + 1 + 2 + 5, "an order, a report, two statements and five messages"
    assert not any(has(planted, *traces))
    assert all(has(planted, "PAT-STAN", "Stays^Stan", "indication of ACC-STAN"))
    with planted.ledger.read() as view:
        said = [row.message for row in audit.rows(view)]
        assert heard.message(view, went).words.startswith("let go"), "that it was heard stays"
        assert audit.verify(view)[2] is None
    for code in ('csd-code="110109"', 'csd-code="110110"'):
        assert any(code in message and 'EventActionCode="D"' in message and "PAT-GWEN" in message for message in said)
    assert not any("Gone^Gwen" in message for message in said)
    assert forget(planted) == 0


def test_without_a_limit_everything_is_kept(planted: PlantedLedger) -> None:
    hear(planted, order(GWEN, "ACC-GWEN"), days=30_000)
    newest(planted)
    assert forget(planted, 0) == 0
    assert has(planted, "Gone^Gwen") == (True,)


def test_a_message_that_was_let_go_is_not_acted_on_again(planted: PlantedLedger) -> None:
    number = hear(planted, order(GWEN, "ACC-GWEN"), days=LIMIT + 1)
    newest(planted)
    with planted.ledger.read() as view:
        before = heard.message(view, number)
    forget(planted)
    with planted.ledger.begin() as tx:
        assert heard.keep(tx, before) is None


def _study(planted: PlantedLedger, patient: str, accession: str) -> None:
    """A finished study of that patient, of which no order, statement or report was heard."""
    planted.everything(STUDY, patient_id=patient, name="N", accession=accession)
    with planted.ledger.begin() as tx:
        for table in (schema.study_match, schema.study_decision, schema.message_study, schema.job, schema.final_report):
            tx.execute(delete(table))
        for table in (schema.patient_order, schema.patient_statement, schema.study_unsettled):
            tx.execute(delete(table))


def _matched(planted: PlantedLedger) -> None:
    """A study that a person gave the order, of which nothing else says so."""
    hear(planted, order(GWEN, "ACC-GWEN"), days=900)
    _study_of_nobody(planted)
    row = {"study_instance_uid": STUDY, "how": "by hand", "doubt": "", "candidates": [], "overlays": []}
    with planted.ledger.begin() as tx:
        made = tx.execute(select(schema.patient_order.c.id)).scalar_one()
        tx.execute(insert(schema.study_match).values(**row, order_id=made, weighed_at=NOW))


def _study_of_nobody(planted: PlantedLedger) -> None:
    with planted.ledger.begin() as tx:
        row = {"study_instance_uid": STUDY, "state": "read", "first_received_at": NOW, "last_received_at": NOW}
        tx.execute(insert(schema.study).values(**row))


def _of_the_patient(planted: PlantedLedger) -> None:
    _study(planted, "PAT-GWEN", "ACC-OTHER")
    hear(planted, order(GWEN, "ACC-GWEN"), days=900)


def _of_the_number(planted: PlantedLedger) -> None:
    _study(planted, "PAT-OTHER", "ACC-GWEN")
    hear(planted, order(GWEN, "ACC-GWEN"), days=900)


def _of_the_uid(planted: PlantedLedger) -> None:
    _study(planted, "PAT-OTHER", "ACC-OTHER")
    hear(planted, order(GWEN, "ACC-GWEN", uid=STUDY), days=900)


def _of_who_the_patient_became(planted: PlantedLedger) -> None:
    _study(planted, "PAT-LATER", "ACC-OTHER")
    hear(planted, order(GWEN, "ACC-GWEN"), days=903)
    hear(planted, PatientsMerged(Patient("PAT-NOW", ""), GWEN), days=902)
    hear(planted, PatientsMerged(Patient("PAT-LATER", ""), Patient("PAT-NOW", "")), days=901)


def _of_another_order_of_the_patient(planted: PlantedLedger) -> None:
    """The images are of somebody else by their number: what a person may have to choose from is not taken away."""
    _study(planted, "PAT-OTHER", "ACC-1")
    hear(planted, order(GWEN, "ACC-1"), days=900)
    hear(planted, order(GWEN, "ACC-GWEN"), days=900)


def _scheduled(planted: PlantedLedger) -> None:
    hear(planted, order(GWEN, "ACC-GWEN", scheduled_at="20260602"), days=900)


def _scheduled_a_while_ago(planted: PlantedLedger) -> None:
    at = f"{NOW - timedelta(days=LIMIT - 1):%Y%m%d%H%M}"
    hear(planted, order(GWEN, "ACC-GWEN", scheduled_at=at), days=900)


def _with_a_message_that_waits(planted: PlantedLedger) -> None:
    hear(planted, order(GWEN, "ACC-GWEN"), days=900)
    hear(planted, order(Patient("", ""), "ACC-GWEN"), days=899, state=heard.WAITING)


def _heard_of_again(planted: PlantedLedger) -> None:
    hear(planted, order(GWEN, "ACC-GWEN"), days=900)
    hear(planted, order(GWEN, "ACC-GWEN", scheduled_at="20260301"), days=1)


def _of_a_film_that_arrives(planted: PlantedLedger) -> None:
    hear(planted, order(GWEN, "ACC-GWEN"), days=900)
    _study(planted, "PAT-GWEN", "ACC-OTHER")
    with planted.ledger.begin() as tx:  # nothing has looked at its images yet
        tx.execute(delete(schema.study_key))
        tx.execute(update(schema.study).values(state="receiving"))
    hear(planted, order(GWEN, "ACC-GWEN"), days=900)


@pytest.mark.parametrize(
    "plant",
    [
        _matched, _of_the_patient, _of_the_number, _of_the_uid, _of_who_the_patient_became, _of_another_order_of_the_patient,
        _scheduled, _scheduled_a_while_ago, _with_a_message_that_waits, _heard_of_again, _of_a_film_that_arrives,
    ],
)  # fmt: skip
def test_what_a_study_or_work_has_need_of_stays(planted: PlantedLedger, plant: Any) -> None:
    plant(planted)
    newest(planted)
    before = _heard(planted)
    assert "ACC-GWEN" in before["patient_order"]
    forget(planted)
    assert _heard(planted) == before


def _heard(planted: PlantedLedger) -> dict[str, list[str]]:
    """The orders, and of whom statements were heard."""
    with planted.ledger.read() as view:
        numbers = view.execute(select(schema.patient_order.c.accession_number)).scalars().all()
        statements = view.execute(select(schema.patient_statement.c.patient_id)).scalars().all()
    return {"patient_order": sorted(numbers), "patient_statement": sorted(statements)}


def test_a_message_that_waits_for_a_person_stays(planted: PlantedLedger) -> None:
    hear(planted, PatientSaid(GWEN), days=900, state=heard.ATTENTION)
    newest(planted)
    assert forget(planted) == 0
    assert has(planted, "Gone^Gwen") == (True,)


def test_a_merge_is_followed_to_its_end_as_long_as_a_step_of_it_is_young(planted: PlantedLedger) -> None:
    hear(planted, PatientsMerged(Patient("PAT-B", ""), Patient("PAT-A", "")), days=900)
    hear(planted, PatientsMerged(Patient("PAT-C", ""), Patient("PAT-B", "")), days=1)
    newest(planted)
    assert forget(planted) == 0
    assert has(planted, "PAT-A") == (True,)


@pytest.mark.usefixtures("ledger_url")
@pytest.mark.parametrize("between", [AT_ONCE + 50, 60], ids=["rounds", "transactions"])
def test_what_contradicts_a_merge_goes_no_later_than_the_merge(planted: PlantedLedger, between: int) -> None:
    """Without it, the film of a patient of whom two things were said would be taken for one of theirs without a doubt."""
    _said(planted, PatientsMerged(Patient("PAT-B", ""), GWEN))
    _said(planted, *(PatientSaid(Patient(f"PAT-{number}", "")) for number in range(between)))
    _said(planted, PatientsMerged(Patient("PAT-C", ""), GWEN))
    newest(planted)
    one_transaction_of(planted)
    assert {"PAT-B", "PAT-C"} & set(_heard(planted)["patient_statement"]) in (set(), {"PAT-B", "PAT-C"})
    forget(planted)
    assert not any(has(planted, "PAT-B", "PAT-C", "PAT-GWEN"))


def test_what_contradicts_the_newest_merge_stays_with_it(planted: PlantedLedger) -> None:
    _said(planted, PatientsMerged(Patient("PAT-B", ""), GWEN), PatientsMerged(Patient("PAT-C", ""), GWEN))
    forget(planted)
    assert _heard(planted)["patient_statement"] == ["PAT-B", "PAT-C"]


def _said(planted: PlantedLedger, *said: Said) -> None:
    """That was heard long ago, by a message of which no content is here."""
    with planted.ledger.begin() as tx:
        before = len(tx.execute(select(schema.hl7_message.c.id)).all())
        row = HeardMessage("RIS", "192.0.2.1", f"M{before}", "ADT^A08", "d", b"", [], NOW, heard.DONE)
        number = heard.keep(tx, row)
        assert number is not None
        for one in said:
            act(tx, one, number, now=NOW - timedelta(days=900))


def one_transaction_of(planted: PlantedLedger) -> None:
    """A line that is asked to stop right away: of each kind one transaction is made, and no more."""
    stop = threading.Event()
    stop.set()
    Forgetter(planted.ledger, planted.files, _Clock(), Keeping(orders_days=LIMIT), Trail("PREREAD"), stop)()


def test_a_patient_of_whom_the_same_is_said_again_was_heard_of_then(planted: PlantedLedger) -> None:
    hear(planted, PatientSaid(GWEN), days=900)
    hear(planted, PatientSaid(GWEN), days=1)
    newest(planted)
    forget(planted)
    assert "PAT-GWEN" in _heard(planted)["patient_statement"]


def test_an_order_stays_whose_patient_leads_to_a_study_by_a_merge_that_waits(planted: PlantedLedger) -> None:
    _study(planted, "PAT-A", "ACC-OTHER")
    hear(planted, order(GWEN, "ACC-GWEN"), days=900)
    hear(planted, PatientsMerged(GWEN, Patient("PAT-B", "")), days=899)
    hear(planted, PatientsMerged(Patient("PAT-B", ""), Patient("PAT-A", "")), days=1, state=heard.WAITING)
    newest(planted)
    forget(planted)
    assert "ACC-GWEN" in _heard(planted)["patient_order"]


def test_a_finished_report_stays_as_long_as_its_order(planted: PlantedLedger) -> None:
    """Without it, a result would go out after the radiologist has finished the report."""
    hear(planted, order(Patient("", ""), "ACC-GWEN"), days=900)
    _study_of_nobody(planted)
    with planted.ledger.begin() as tx:  # a person has chosen it, and the study is doubted
        made = tx.execute(select(schema.patient_order.c.id)).scalar_one()
        orders.add_decision(tx, StoredDecision(STUDY, "chosen", NOW, made))
    hear(planted, report(Patient("", ""), "ACC-GWEN"), days=900)
    _accessions_arrive(planted, "ACC-FILM")
    hear(planted, of_filler("ACC-FILM", "F-FILM"), days=900)
    hear(planted, ReportSaid(Patient("", ""), Order(filler_order_number="F-FILM"), "", "F", True), days=900)
    newest(planted)
    forget(planted)
    with planted.ledger.read() as view:
        found = orders.reports_by(view, accessions=["ACC-GWEN"]), orders.reports_by(view, fillers=["F-FILM"])
    assert [len(f) for f in found] == [1, 1]


def of_filler(accession: str, filler: str) -> OrderSaid:
    return OrderSaid(
        OrderChange.PLACED, Patient("", ""), Order(accession_number=accession, filler_order_number=filler), ""
    )


def _accessions_arrive(planted: PlantedLedger, accession: str) -> None:
    """A film with that number has come, and nothing has looked at it yet."""
    uid = f"{STUDY}.2"
    with planted.ledger.begin() as tx:
        tx.execute(
            insert(schema.study).values(
                study_instance_uid=uid, state="receiving", first_received_at=NOW, last_received_at=NOW
            )
        )
        facts = json.dumps({"patient_id": "", "accession_number": accession})
        tx.execute(insert(schema.instance).values(**_IMAGE, study_instance_uid=uid, facts=facts))


def test_no_film_that_was_ever_received_is_looked_at_for_those_that_arrive(planted: PlantedLedger) -> None:
    """Nobody else can write meanwhile."""
    asked = list[tuple[str, Any]]()
    engine: Any = planted.ledger.place.engine  # the plan is SQLite's own, and nothing else tells it

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    try:
        with planted.ledger.read() as view:
            unclaimed.arriving(view)
    finally:
        event.remove(engine, "before_cursor_execute", note)
    questions = [(s, p) for s, p in asked if "instance" in s]
    assert questions
    with planted.ledger.read() as view:
        for statement, parameters in questions:
            plan = [r[3] for r in view.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]
            assert not [p for p in plan if p.startswith("SCAN instance")], plan


def test_what_stays_keeps_nothing_behind_it_here(planted: PlantedLedger) -> None:
    _study(planted, "PAT-STAN", "ACC-OTHER")
    with planted.ledger.begin() as tx:
        for number in range(AT_ONCE + 1):
            act(tx, order(STAN, f"ACC-{number}"), 1, now=NOW - timedelta(days=900))
    hear(planted, order(GWEN, "ACC-GWEN"), days=900)
    newest(planted)
    forgetter = Forgetter(planted.ledger, planted.files, _Clock(), Keeping(orders_days=LIMIT), Trail("PREREAD"))
    for _ in range(2):
        forgetter()
    with planted.ledger.read() as view:
        kept = view.execute(select(schema.patient_order.c.patient_id)).scalars().all()
    assert (kept.count("PAT-STAN"), kept.count("PAT-GWEN")) == (AT_ONCE + 1, 0)


def test_no_order_gets_the_number_of_one_that_a_person_has_seen(planted: PlantedLedger) -> None:
    """A decision counts orders as known by their numbers: a new one under an old number would never be weighed."""
    hear(planted, order(GWEN, "ACC-GWEN"), days=900)
    forget(planted)
    with planted.ledger.read() as view:
        before = view.execute(select(schema.patient_order.c.id)).scalar_one()
    hear(planted, order(STAN, "ACC-STAN"), days=0)
    forget(planted)
    with planted.ledger.read() as view:
        (after,) = view.execute(select(schema.patient_order.c.id, schema.patient_order.c.patient_id)).all()
    assert (after.patient_id, after.id > before) == ("PAT-STAN", True)


def test_what_has_piled_up_goes_in_one_round(planted: PlantedLedger) -> None:
    _said(planted, *(order(GWEN, f"ACC-{number}") for number in range(AT_ONCE + 1)))
    newest(planted)
    assert forget(planted) == AT_ONCE + 1


def test_files_and_room_do_not_wait_for_all_that_has_piled_up(planted: PlantedLedger) -> None:
    _said(planted, *(order(GWEN, f"ACC-{number}") for number in range(AT_ONCE + 1)))
    newest(planted)
    forgetter = Forgetter(planted.ledger, planted.files, _Slow(), Keeping(orders_days=LIMIT), Trail("PREREAD"))
    assert [forgetter(), forgetter()] == [AT_ONCE, 1]


@pytest.mark.usefixtures("ledger_url")
def test_no_order_or_merge_gets_the_number_of_one_that_was_purged(planted: PlantedLedger) -> None:
    """What a person decided about another study would be taken to know of it, and it would never be weighed."""
    _study(planted, "PAT-GWEN", "ACC-GWEN")
    hear(planted, order(GWEN, "ACC-GWEN"), days=900)
    hear(planted, PatientsMerged(GWEN, Patient("PAT-FORMER", "")), days=900)
    before = _newest_numbers(planted)
    _purge(planted)
    assert _newest_numbers(planted) == before
    assert _named_in(planted, "PAT-GWEN", "Gone^Gwen", "ACC-GWEN", "PAT-FORMER") == []
    with planted.ledger.read() as view:
        assert orders.orders_by(view, ids=[before[0]]) == [], "nobody sees it, and nobody can choose it"
        assert identity.statements_about(view, ["PAT-GWEN", ""]) == ([], {"PAT-GWEN"})
    assert forget(planted) == 3, "three messages, and no order or patient that is none"
    assert not any(has(planted, "PAT-GWEN", "Gone^Gwen"))
    hear(planted, order(STAN, "ACC-STAN"), days=0)
    hear(planted, PatientSaid(STAN), days=0)
    assert all(new > old for new, old in zip(_newest_numbers(planted), before, strict=True))
    assert forget(planted) == 0


def test_a_merge_is_kept_for_those_who_rest_on_it(planted: PlantedLedger) -> None:
    """Of one patient under two numbers: the study that stays was compared with a film under the number that was merged away."""
    _study(planted, "PAT-FORMER", "ACC-1")
    planted.study(f"{STUDY}.9", state="read")
    with planted.ledger.begin() as tx:
        identity.remember_keys(tx, f"{STUDY}.9", {(identity.PATIENT, "PAT-GWEN")})
    hear(planted, PatientsMerged(GWEN, Patient("PAT-FORMER", "")), days=900)
    _purge(planted)
    with planted.ledger.read() as view:
        assert identity.statements_about(view, ["PAT-GWEN"])[1] == {"PAT-GWEN", "PAT-FORMER"}
        assert identity.existing(view, [STUDY]) == set()


def test_of_what_was_purged_no_more_than_the_newest_number_is_kept(planted: PlantedLedger) -> None:
    for _ in range(2):
        _study_of_nobody(planted)
        with planted.ledger.begin() as tx:
            identity.remember_keys(tx, STUDY, {(identity.PATIENT, "PAT-GWEN"), (identity.ACCESSION, "ACC-GWEN")})
        hear(planted, order(GWEN, "ACC-GWEN"), days=900)
        hear(planted, PatientSaid(GWEN), days=900)
        _purge(planted)
    assert _heard(planted) == {"patient_order": [""], "patient_statement": [""]}
    assert _newest_numbers(planted) == (2, 2)


def _purge(planted: PlantedLedger) -> None:
    with planted.ledger.begin() as tx:
        purging.purge(tx, STUDY, now=NOW)


def _newest_numbers(planted: PlantedLedger) -> tuple[int, int]:
    with planted.ledger.read() as view:
        return orders.newest_order(view), identity.newest_statement(view)


def _named_in(planted: PlantedLedger, *texts: str) -> list[str]:
    """Which of them the orders and the statements hold."""
    with planted.ledger.read() as view:
        rows = [r for t in (schema.patient_order, schema.patient_statement) for r in view.execute(t.select())]
    return [t for t in texts if t in str(rows)]


@given(st.integers(-12_000, 24_000), st.sampled_from([4, 6, 8, 10, 12, 14]))
def test_no_date_that_may_still_come_is_past(hours: int, digits: int) -> None:
    at = NOW + timedelta(hours=hours)
    scheduled = f"{at:%Y%m%d%H%M%S}"[:digits]
    moment = NOW - timedelta(days=LIMIT)
    assert is_past(f"{at:%Y-%m-%d}", moment) == is_past(f"{at:%Y%m%d}", moment), "as some systems write it"
    if at >= moment - timedelta(hours=14):
        assert not is_past(scheduled, moment)
    elif at < moment - timedelta(days=400):
        assert is_past(scheduled, moment)
