"""One document that cannot be made must not cost anybody another, and is made once it can be."""

from __future__ import annotations

from pathlib import Path

import hl7
import pytest
from pydicom import Dataset

from agent.commissioning.films import make_study
from agent.reporting import making, messages
from agent.store import overview, results
from structured_report.content import PreRead
from tests.line.test_flag_first import film
from tests.support.node import encoded
from tests.support.peers import text_of
from tests.support.stages import Line

WHOLE = ("assemble", "flag", "read", "report")


def lacking(line: Line) -> bool:
    with line.node.ledger.read() as view:
        return results.lacks_documents(view, 1)


def kinds(line: Line) -> list[str]:
    with line.node.ledger.read() as view:
        return [str(d["kind"]) for d in overview.deliveries(view, line.study().study_instance_uid)]


def again(line: Line) -> None:
    """What `preread retry` sets off."""
    from agent.clock import SystemClock
    from agent.work.queue import revive

    with line.node.ledger.begin() as tx:
        revive(tx, "assemble", line.study().study_instance_uid, now=SystemClock().now())
    line.do("assemble")


def test_a_message_that_cannot_be_made_does_not_cost_the_report(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> bytes:
        raise ValueError("a header nobody thought of")

    whole = messages.encode_oru
    monkeypatch.setattr(messages, "encode_oru", fail)
    line.send(film(1))
    line.do(*WHOLE)
    assert (line.study().state, line.study().reason) == ("read", "oru-not-made")
    assert list((line.node.files.root / "documents").glob("*.dcm"))
    assert kinds(line) == []
    again(line)
    line.do("report")
    assert line.study().reason == "oru-not-made", "it is still missing, and still said"
    monkeypatch.setattr(messages, "encode_oru", whole)
    again(line)
    line.do("report", "deliver")
    assert line.study().reason == ""
    assert kinds(line) == ["oru"]
    assert not lacking(line)


def test_a_report_that_is_made_again_is_not_sent_again(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: PreRead, __: list[Dataset]) -> Dataset:
        raise ValueError("a header nobody thought of")

    whole = making.encode_sr
    monkeypatch.setattr(making, "encode_sr", fail)
    line.send(film(1))
    line.do(*WHOLE, "deliver")
    assert line.study().reason == "sr-not-made"
    monkeypatch.setattr(making, "encode_sr", whole)
    again(line)
    line.do("report")
    assert line.study().deliveries == {"delivered": 1}
    assert line.idle("deliver")
    assert list((line.node.files.root / "documents").glob("*.dcm"))


def test_a_lost_image_is_named_and_the_report_follows_when_it_is_sent_again(line: Line) -> None:
    image = film(1)
    line.send(image)
    line.do("assemble", "flag", "read")
    (kept,) = line.node.images(str(image.StudyInstanceUID))
    path: Path = line.node.files.path(kept.path)
    path.unlink()
    line.do("report")
    assert line.study().reason == "file-lost"
    assert str(image.SOPInstanceUID) in line.study().explanation
    line.send(image)
    assert path.read_bytes().endswith(encoded(image)[-64:])
    line.do("report")
    assert line.study().reason == ""
    assert list((line.node.files.root / "documents").glob("*.dcm"))


def test_a_study_of_two_orders_says_so_and_is_found_under_both(line: Line, tmp_path: Path) -> None:
    frontal, lateral = make_study("left-effusion", seed=3, patient_id="P3", accession="ORDER-1")
    lateral.AccessionNumber = "ORDER-2"
    line.send(frontal, lateral)
    uid = str(frontal.StudyInstanceUID)
    for moment in ((), WHOLE, ("deliver",)):
        line.do(*moment)
        with line.node.ledger.read() as view:
            assert overview.find_study(view, "ORDER-1") == overview.find_study(view, "ORDER-2") == (uid,)
    with line.node.ledger.read() as view:
        assert "accession-differs" in [e["code"] for e in overview.history(view, uid)]
    (message,) = [hl7.parse(p.read_bytes().decode()) for p in (tmp_path / "ris").glob("*.hl7")]
    assert any("2 accession numbers (ORDER-1, ORDER-2)" in text for text in text_of(message, "121106"))
