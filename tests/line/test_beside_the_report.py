"""Who sees no Structured Report gets what its switch promises, once; who switched nothing on gets nothing else; and a picture that
comes back does not start it all again."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread
from sqlalchemy import update

from agent.clock import SystemClock
from agent.delivery.build import build_destinations
from agent.delivery.outbox import Outbox
from agent.imaging.render import Rendered, render
from agent.reporting import beside
from agent.reporting.stage import Reporting
from agent.settings import Settings
from agent.store import overview
from agent.store.schema import reading
from agent.work.queue import Job
from dicom_nodes.contexts import SECONDARY_CAPTURE, storage_contexts
from dicom_nodes.scp import StorageSCP
from structured_report.content import Finding, Outcome, Presence, Region
from structured_report.plain import finding_to_json, region_to_json
from tests.line.test_flag_first import film
from tests.support import pictures
from tests.support.site import PATIENCE_S
from tests.support.stages import Line

pytestmark = [pytest.mark.model, pytest.mark.xdist_group("flag")]
SWITCHED = {"summary_image": True, "presentation_state": True, "plain_sr": True}


def reported(line: Line, folder: Path, **switches: bool) -> tuple[Outbox, dict[str, str]]:
    """One study, read, with a box, reported to a folder; the outbox, and the identifiers of its documents by kind."""
    copies = {"name": "copies", "type": "folder", "path": folder, **switches}
    settings = line.settings.model_copy(update={"destinations": Settings(destinations=[copies]).destinations})
    ledger, files, clock = line.node.ledger, line.node.files, SystemClock()
    line.stages["report"] = Reporting(ledger, files, line.queue, clock, settings)
    image = film(1)
    line.send(image)
    line.do("assemble", "flag", "read")
    finding = Finding("pleural_effusion", Presence.PRESENT, None, "An effusion.")
    box = Region("pleural_effusion", str(image.SOPInstanceUID), 100, 500, 300, 700)
    with ledger.begin() as tx:
        values = {"outcome": "read", "findings": [finding_to_json(finding)], "regions": [region_to_json(box)]}
        tx.execute(update(reading).values(**values))
    line.do("report")
    with ledger.read() as view:
        made = overview.documents(view, str(image.StudyInstanceUID))
    outbox = Outbox(ledger, files, line.queue, clock, settings.delivery, build_destinations(settings))
    return outbox, {d["kind"]: d["identifier"] for d in made}


def deliver(line: Line, outbox: Outbox) -> None:
    while (job := line.queue.claim("deliver", "copies")) is not None:
        outbox(job)


def test_what_is_switched_on_is_made_and_sent_once(line: Line, tmp_path: Path) -> None:
    outbox, made = reported(line, tmp_path / "copies", **SWITCHED)
    assert set(made) == {"sr", "oru", "sc", "gsps", "plain-sr"}
    deliver(line, outbox)
    assert line.study().deliveries == {"delivered": 5}
    files = {p.stem: p for p in (tmp_path / "copies").iterdir()}
    assert set(files) == set(made.values())
    for kind, sop_class in (("sc", ".7"), ("gsps", ".11.1"), ("plain-sr", ".88.11"), ("sr", ".88.34")):
        held = dcmread(files[made[kind]])
        assert str(held.SOPClassUID) == f"1.2.840.10008.5.1.4.1.1{sop_class}"
        assert str(held.SOPInstanceUID) == made[kind]
        assert held.SeriesDescription == "AI pre-read (unverified)"


def test_with_the_switches_off_there_is_nothing_but_the_report(line: Line, tmp_path: Path) -> None:
    outbox, made = reported(line, tmp_path / "copies")
    assert set(made) == {"sr", "oru"}
    deliver(line, outbox)
    assert {p.stem for p in (tmp_path / "copies").iterdir()} == set(made.values())


def test_a_picture_that_cannot_be_made_costs_nobody_the_report(line: Line, tmp_path: Path) -> None:
    """The pixels of the film were damaged after it was read: its header still makes a report."""
    truncate = line.stages["read"]

    def read_then_damage(job: Job) -> None:
        truncate(job)
        (path,) = (line.node.files.path(i.path) for i in line.node.images(str(film(1).StudyInstanceUID)))
        path.chmod(0o600)
        path.write_bytes(path.read_bytes()[:-1000])

    line.stages["read"] = read_then_damage
    outbox, made = reported(line, tmp_path / "copies", **SWITCHED)
    assert set(made) == {"sr", "oru", "plain-sr"}
    deliver(line, outbox)
    assert line.study().deliveries == {"delivered": 3}
    assert "undecodable" in {h["code"] for h in history(line)}


def history(line: Line) -> list[dict[str, Any]]:
    with line.node.ledger.read() as view:
        return overview.history(view, line.study().study_instance_uid)


def test_a_picture_that_an_archive_sends_back_makes_no_new_result(line: Line, tmp_path: Path) -> None:
    outbox, made = reported(line, tmp_path / "copies", summary_image=True)
    deliver(line, outbox)
    picture = dcmread(tmp_path / "copies" / f"{made['sc']}.dcm")
    line.node.scp.stop(2.0)
    scp = StorageSCP(
        line.node.admission, host="127.0.0.1", port=0, contexts=storage_contexts(secondary_capture=True),
        max_associations=4, network_timeout_s=PATIENCE_S,
    )  # fmt: skip
    scp.start()
    line.node.scp = scp
    status, words = line.node.send_image(picture, sop_class=SECONDARY_CAPTURE, context=SECONDARY_CAPTURE)
    assert (status, words) == (0xC000, "a summary picture of a pre-read is no image to read")
    assert line.node.refusals()[0]["reason"] == "own-picture"
    assert line.idle("assemble")


def rendered(image: Dataset) -> Rendered:
    return render(image, image.pixel_array)


def test_a_re_run_makes_the_same_objects_and_another_reading_others() -> None:
    image = pictures.film(window=False)
    value = pictures.about(image)
    other = replace(value, sr_instance_uid="2.25.99")
    for kind in beside.KINDS:
        one, again, new = (
            beside.make(kind, v, [image], lambda _: rendered(image), None) for v in (value, value, other)
        )
        assert one == again
        assert len(one) == 1
        assert {u for u, _ in one}.isdisjoint({u for u, _ in new})


def test_boxes_that_hold_no_longer_are_taken_off_the_film_where_they_have_gone() -> None:
    image = pictures.film()
    bare = replace(pictures.about(image), regions=())
    for value in (bare, replace(bare, outcome=Outcome.WITHDRAWN)):
        assert beside.make("gsps", value, [image], lambda _: rendered(image), None) == []
        assert len(beside.make("gsps", value, [image], lambda _: rendered(image), "2.25.8")) == 1


def test_a_state_has_the_window_of_the_reading_where_the_film_has_none() -> None:
    image = pictures.film(window=False)
    ((_, content),) = beside.make("gsps", pictures.about(image), [image], lambda _: rendered(image), None)
    (voi,) = dcmread(BytesIO(content)).SoftcopyVOILUTSequence
    values = image.pixel_array.astype(float)
    shown = ((values - (float(voi.WindowCenter) - 0.5)) / (float(voi.WindowWidth) - 1) + 0.5).clip(0, 1) * 255
    assert abs(shown - rendered(image).picture).max() <= 1
