"""Orders and patients that change while a film is on its way: what the model is asked, and under whom the answer goes. The
stages are the real ones, stepped by hand."""

from __future__ import annotations

import json
from pathlib import Path

import hl7
import pytest
from pydicom import Dataset

from agent.clock import SystemClock
from agent.commissioning.films import make_study
from agent.demo.ris import DemoRis
from agent.intake.assembly import Assembly
from agent.model.protocol import Model
from agent.model.recorded import RecordingModel
from agent.store import identity, orders, overview, priors, results, studies
from agent.store.orders import StoredDecision
from structured_report.content import Priority
from tests.support.comparing import NAME, Comparing, film
from tests.support.hearing import hear, merged, ordered, reported, takes_back
from tests.support.node import Node
from tests.support.stages import Line

pytestmark = [pytest.mark.model, pytest.mark.xdist_group("identity")]

BORN = "19640517"


def frontal(patient: str = "OLD", accession: str = "ACC1", seed: int = 9) -> Dataset:
    (image,) = make_study("left-effusion", seed=seed, patient_id=patient, accession=accession, views=("PA",))
    image.PatientBirthDate = BORN
    return image


def sent(folder: Path) -> list[hl7.Message]:
    return [hl7.parse(p.read_bytes().decode()) for p in (folder / "ris").glob("*.hl7")]


def patients(folder: Path) -> list[str]:
    return sorted(str(m.segment("PID")[3]).split("^")[0] for m in sent(folder))


@pytest.mark.parametrize("assembled", [False, True])
def test_a_merge_in_mid_read_sends_nothing_under_either_name_until_it_has_been_weighed(
    line: Line, tmp_path: Path, assembled: bool
) -> None:
    line.send(frontal("OLD"))
    line.do("assemble", "flag")

    def merge() -> None:
        hear(line.node.ledger, merged("OLD", "NEW"))
        line.do("orders", *(["assemble"] if assembled else []))

    line.during_read = merge
    line.do("read", "report")
    assert line.idle("deliver")
    assert patients(tmp_path) == []
    # What was finished stands under the new name; what was overtaken is read anew.
    line.do(*(["flag", "read"] if assembled else ["assemble"]), "report", "deliver")
    assert patients(tmp_path) == ["NEW"]


def test_the_clinical_question_of_the_order_reaches_the_model(tmp_path: Path, model: Model, ris: DemoRis) -> None:
    recording = RecordingModel(model, tmp_path / "recordings")
    line = Line(Node(tmp_path / "node", quiet_time_s=0.0), recording, ris.port)
    hear(line.node.ledger, ordered("ACC1", "OLD", birth_date=BORN, indication="fever since a week"))
    line.do("orders")
    image = frontal()
    line.send(image)
    line.do("assemble", "flag", "read")
    kept = [json.loads(p.read_text()) for p in (tmp_path / "recordings").rglob("*.json") if p.name != "model.json"]
    assert any("fever since a week" in json.dumps(k) for k in kept)
    line.node.stop()


def test_a_clinical_question_that_comes_in_mid_read_is_asked(line: Line) -> None:
    image = frontal()
    line.send(image)
    line.do("assemble", "flag")

    def heard_of() -> None:
        hear(line.node.ledger, ordered("ACC1", "OLD", birth_date=BORN, indication="fever"))
        line.do("orders", "assemble")

    line.during_read = heard_of
    line.do("read")
    assert line.study().revision == 2
    assert line.study().about["order"]["indication"] == "fever"
    line.do("flag", "read", "report")
    assert line.study().revision == 2


def test_a_result_says_that_the_clinical_question_came_too_late_for_it(line: Line, tmp_path: Path) -> None:
    image = frontal()
    line.send(image)
    line.do("assemble", "flag", "read", "report")
    order = ordered("ACC1", "OLD", birth_date=BORN, placer="PL1", indication="fever")
    hear(line.node.ledger, order)
    line.do("orders", "assemble", "report", "deliver", "deliver")
    assert line.idle("flag"), "what was read stands"
    (message,) = sent(tmp_path)
    assert str(message.segment("OBR")[2]) == "PL1"
    assert "came after the images had been read" in str(message)


def test_an_urgent_order_is_looked_at_before_those_that_came_earlier(line: Line) -> None:
    hear(line.node.ledger, ordered("ACC2", "P2", birth_date=BORN, priority=Priority.CRITICAL))
    line.do("orders")
    first, urgent = frontal("P1", "ACC1"), frontal("P2", "ACC2", seed=4)
    line.send(first)
    line.send(urgent)
    line.do("assemble", "assemble", "flag")
    with line.node.ledger.read() as view:
        flagged = [e["code"] for e in overview.history(view, str(urgent.StudyInstanceUID))]
    assert "flagged" in flagged


def test_a_report_that_is_finished_in_mid_read_suppresses_the_pre_read(line: Line, tmp_path: Path) -> None:
    image = frontal()
    line.send(image)
    line.do("assemble", "flag")

    def finished() -> None:
        hear(line.node.ledger, reported("ACC1", "OLD", birth_date=BORN))
        line.do("orders", "assemble")

    line.during_read = finished
    line.do("read", "report")
    assert line.idle("deliver")
    assert line.study().state == "reported"
    assert sent(tmp_path) == []
    with line.node.ledger.read() as view:
        assert [d["kind"] for d in overview.documents(view, line.study().study_instance_uid)] == ["sr", "oru"]


def test_a_study_is_read_while_its_order_is_in_doubt_and_its_result_waits(line: Line, tmp_path: Path) -> None:
    hear(line.node.ledger, ordered("ACC1", "SOMEBODY"))
    line.do("orders")
    line.send(frontal())
    line.do("assemble", "flag", "read", "report")
    assert line.study().state == "needs-attention"
    assert line.study().reason == "order-of-another-patient"
    assert line.study().deliveries == {"held": 1}
    assert line.idle("deliver")
    assert sent(tmp_path) == []


def test_a_study_that_is_read_again_supersedes_what_it_said(line: Line, tmp_path: Path) -> None:
    line.send(frontal())
    line.do("assemble", "flag", "read", "report", "deliver")
    uid = line.study().study_instance_uid
    assembly = line.stages["assemble"]
    assert isinstance(assembly, Assembly)
    with line.node.ledger.begin() as tx:
        assert assembly.read_again(tx, uid)
    line.do("flag", "read", "report", "deliver")
    assert line.study().revision == 2
    first, second = sent(tmp_path)
    assert not takes_back(first)
    assert not takes_back(second)


def test_a_withdrawn_study_is_read_again_only_by_hand(line: Line, tmp_path: Path) -> None:
    line.send(frontal())
    line.do("assemble", "flag", "read", "report", "deliver")
    uid = line.study().study_instance_uid
    assembly = line.stages["assemble"]
    assert isinstance(assembly, Assembly)
    with line.node.ledger.begin() as tx:
        assembly.withdraw(tx, uid, "the film is of the wrong person")
    line.do("report", "deliver")
    assert line.study().state == "withdrawn"
    assert sum(map(takes_back, sent(tmp_path))) == 1
    with line.node.ledger.begin() as tx:
        assert overview.read_since(tx, SystemClock().now().replace(year=2000)) == []
        assert assembly.read_again(tx, uid)
    line.do("flag", "read", "report", "deliver")
    assert line.study().state == "read"
    assert len(sent(tmp_path)) == 3


def test_a_withdrawal_in_mid_read_is_the_last_word(line: Line, tmp_path: Path) -> None:
    line.send(frontal())
    line.do("assemble", "flag")
    uid = line.study().study_instance_uid
    assembly = line.stages["assemble"]
    assert isinstance(assembly, Assembly)

    def withdrawn() -> None:
        with line.node.ledger.begin() as tx:
            assembly.withdraw(tx, uid, "exposed by mistake")

    line.during_read = withdrawn
    line.do("read", "report", "report")
    assert line.idle("deliver")
    assert line.study().state == "withdrawn"
    assert sent(tmp_path) == []


def test_a_study_that_goes_to_another_patient_is_read_without_the_first_ones_film(
    tmp_path: Path, model: Model, ris: DemoRis
) -> None:
    """Every word of a comparison with somebody else's film is false."""
    line = Comparing(tmp_path / "line", model, ris)
    (earlier,), (image,) = film(day="20251001"), film(day="20260103", seed=2)
    line.send(earlier)
    line.do("assemble", "prior", "flag", "read")
    line.send(image)
    line.do("assemble", "prior", "flag", "read", "report", "report")
    uid = str(image.StudyInstanceUID)
    assert line.used(uid) is not None
    hear(line.node.ledger, ordered(str(image.AccessionNumber), "P2", name="Other^Person", birth_date="19800101"))
    line.do("orders", "assemble")
    now = SystemClock().now()
    with line.node.ledger.begin() as tx:
        match = orders.match_of(tx, uid)
        assert match is not None
        assert match.doubt == "order-of-another-patient"
        decision = StoredDecision(uid, "worklist mix-up", now, match.candidates[0], patient="order")
        orders.add_decision(tx, decision)
        identity.unsettle(tx, [uid], now=now)
    line.do("assemble", "prior", "flag", "read")
    assert line.used(uid) is None
    with line.node.ledger.read() as view:
        newest = studies.newest_revision(view, uid)
        assert newest is not None
        assert newest.study["patient"]["patient_id"] == "P2"
        assert newest.study["patient"]["name"] != NAME
        assert results.reading_of(view, newest.id) is not None
        assert priors.used_by(view, newest.id) is None
    line.node.stop()


@pytest.mark.parametrize("how", ["another patient", "withdrawn"])
def test_a_study_is_read_without_an_earlier_film_that_turns_out_to_be_somebody_elses(
    tmp_path: Path, model: Model, ris: DemoRis, how: str
) -> None:
    """The earlier film goes to another patient; what was compared with it must not stand."""
    line = Comparing(tmp_path / "line", model, ris)
    (earlier,), (image,) = film(day="20251001"), film(day="20260103", seed=2)
    line.send(earlier)
    line.do("assemble", "prior", "flag", "read")
    line.send(image)
    line.do("assemble", "prior", "flag", "read", "report", "report")
    uid, other = str(image.StudyInstanceUID), str(earlier.StudyInstanceUID)
    assert line.used(uid) is not None
    if how == "withdrawn":
        assembly = line.stages["assemble"]
        assert isinstance(assembly, Assembly)
        with line.node.ledger.begin() as tx:
            assembly.withdraw(tx, other, "of somebody else")
    else:
        earlier.PatientID = "SOMEBODY-ELSE"
        line.send(earlier)
        line.do("assemble")
    line.do("assemble", "prior", "flag", "read")
    assert line.used(uid) is None
    line.node.stop()
