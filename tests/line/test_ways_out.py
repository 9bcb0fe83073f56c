"""A study becomes what each way out takes: a report for the archive, a result for the program, and nothing else."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread

from agent.clock import SystemClock
from agent.delivery.build import build_destinations
from agent.delivery.outbox import Outbox
from agent.reporting.stage import Reporting
from agent.settings import Settings
from agent.store import overview
from structured_report.read_sr import read_narrative
from tests.line.test_flag_first import film
from tests.support.stages import Line
from tests.support.web import Archive, WebService

pytestmark = [pytest.mark.model, pytest.mark.xdist_group("flag")]


def test_the_archive_gets_the_report_and_the_program_the_result(line: Line, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("correct horse", encoding="ascii")
    with Archive() as archive, WebService(lambda _: (204, "", b"")) as program:
        ways = [
            {"name": "to-archive", "type": "stow", "url": archive.url},
            {"name": "to-program", "type": "webhook", "url": program.url, "secret_file": secret},
        ]
        settings = line.settings.model_copy(update={"destinations": Settings(destinations=ways).destinations})
        ledger, files, clock = line.node.ledger, line.node.files, SystemClock()
        line.stages["report"] = Reporting(ledger, files, line.queue, clock, settings)
        outbox = Outbox(ledger, files, line.queue, clock, settings.delivery, build_destinations(settings))
        line.send(film(1))
        line.do("assemble", "flag", "read", "report")
        for way in ("to-archive", "to-program"):
            job = line.queue.claim("deliver", way)
            assert job is not None
            outbox(job)
            assert line.queue.claim("deliver", way) is None, "one document each"
        assert line.study().deliveries == {"delivered": 2}
        ((uid, content),) = archive.kept.items()
        (request,) = program.requests
    with ledger.read() as view:
        kinds = {d["kind"] for d in overview.deliveries(view, line.study().study_instance_uid)}
    assert kinds == {"sr", "json"}
    result = json.loads(request.body)
    assert result["sr_instance_uid"] == uid
    assert result["study"]["order"]["accession_number"] == "ACC1"
    report = read_narrative(dcmread(BytesIO(content)))
    assert result["narrative"]["reasoning"] == report.reasoning != "", "the same words in both"
