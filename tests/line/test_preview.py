"""What `preread preview` shows is what the destination gets, byte for byte: before it is made, while it waits, and after."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.clock import SystemClock
from agent.delivery.build import build_destinations
from agent.delivery.outbox import Outbox
from agent.demo.ris import DemoRis
from agent.model.protocol import Model
from agent.reporting.stage import Reporting
from tests.line.test_flag_first import film
from tests.support.node import Node
from tests.support.site import Site
from tests.support.stages import Line
from tests.support.web import Archive, WebService

pytestmark = [pytest.mark.model, pytest.mark.xdist_group("flag")]

Preview = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture
def beside(line: Line, site: Site, ris: DemoRis) -> Site:
    """The commands of the same site: its storage, its RIS."""
    site.set("storage", root=str(line.settings.storage.root))
    return site.destination(name="to-ris", type="hl7", host="127.0.0.1", port=ris.port)


@pytest.fixture
def preview(beside: Site) -> Preview:
    def run(*arguments: str) -> subprocess.CompletedProcess[bytes]:
        return beside.run_raw("preview", "ACC1", *arguments)

    return run


def test_the_ris_gets_the_very_bytes_that_were_shown_before(line: Line, preview: Preview, tmp_path: Path) -> None:
    line.send(film(1))
    line.do("assemble", "flag")
    early = preview("--destination", "to-ris", "--raw")
    assert (early.returncode, early.stdout) == (1, b"")
    assert b"has not been read yet" in early.stderr
    line.do("read")
    before = preview("--destination", "to-ris", "--raw")
    assert before.stdout.startswith(b"MSH|"), before.stderr
    line.do("report")
    waiting = preview("--destination", "to-ris")
    assert preview("--destination", "to-ris", "--raw").stdout == before.stdout
    line.do("deliver")
    after = preview("--destination", "to-ris")
    (received,) = (tmp_path / "ris").glob("*.hl7")
    assert received.read_bytes() == before.stdout == preview("--destination", "to-ris", "--raw").stdout
    for shown, standing in ((waiting, "waiting after 0 attempts"), (after, "delivered after 1 attempts")):
        heading, *lines = shown.stdout.decode().splitlines()
        assert standing in heading
        assert lines[:-1] == before.stdout.decode().replace("\x1f", "").split("\r")[:-1], "a segment a line"
    assert b"MSA|AA|" in after.stdout


def test_a_preview_leaves_nothing_behind(line: Line, preview: Preview, tmp_path: Path) -> None:
    line.send(film(1))
    line.do("assemble", "flag", "read")
    kept = sorted(p for p in line.settings.storage.root.rglob("*") if "ledger" not in p.name)
    assert preview("--destination", "to-ris").returncode == 0
    assert sorted(p for p in line.settings.storage.root.rglob("*") if "ledger" not in p.name) == kept
    assert line.study().deliveries == {}
    assert list((tmp_path / "ris").iterdir()) == []


def test_the_archive_and_the_program_get_what_was_shown(
    line: Line, beside: Site, preview: Preview, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("correct horse", encoding="ascii")
    with Archive() as archive, WebService(lambda _: (204, "", b"")) as program:
        beside.destination(name="to-archive", type="stow", url=archive.url)
        beside.destination(name="to-program", type="webhook", url=program.url, secret_file=str(secret))
        beside.destination(name="copies", type="folder", path=str(tmp_path / "copies"))
        settings = beside.settings()
        ledger, files, clock = line.node.ledger, line.node.files, SystemClock()
        outbox = Outbox(ledger, files, line.queue, clock, settings.delivery, build_destinations(settings))
        line.stages["report"] = Reporting(ledger, files, line.queue, clock, settings)
        line.send(film(1))
        line.do("assemble", "flag", "read")
        report = preview("--destination", "to-archive", "--raw").stdout
        result = preview("--destination", "to-program", "--raw").stdout
        both = preview("--destination", "copies", "--raw")
        assert (both.returncode, both.stdout) == (2, b"")
        assert b"(sr, oru)" in both.stderr
        copies = [preview("--destination", "copies", "--raw", "--kind", kind).stdout for kind in ("sr", "oru")]
        line.do("report")
        while any(_deliver(line, outbox, d.name) for d in settings.destinations):
            pass
        assert list(archive.kept.values()) == [report]
        assert [r.body for r in program.requests] == [result]
        assert {p.read_bytes() for p in (tmp_path / "copies").iterdir()} == set(copies)
        for destination, content in (("to-archive", report), ("to-program", result)):
            assert preview("--destination", destination, "--raw").stdout == content
    dump = preview("--destination", "to-archive").stdout.decode()
    words = " ".join(json.loads(result)["narrative"]["reasoning"].split())
    assert words in " ".join(dump.split()), "the report's texts in full"
    shown = preview("--destination", "to-program").stdout.decode()
    assert json.loads(shown.partition("\n")[2]) == json.loads(result)


def _deliver(line: Line, outbox: Outbox, name: str) -> bool:
    job = line.queue.claim("deliver", name)
    if job is not None:
        outbox(job)
    return job is not None


def test_the_flag_is_shown_where_it_goes_before_the_report(
    tmp_path: Path, model: Model, ris: DemoRis, site: Site
) -> None:
    line = Line(Node(tmp_path / "node", quiet_time_s=0.0), model, ris.port, send_flag=True)
    site.set("storage", root=str(line.settings.storage.root))
    site.destination(name="to-ris", type="hl7", host="127.0.0.1", port=ris.port, send_flag=True)
    line.send(film(1))
    line.do("assemble", "flag")
    command = site.command("preview", "ACC1", "--destination", "to-ris", "--kind", "flag", "--raw")
    shown = subprocess.run(command, capture_output=True, timeout=120, check=True).stdout
    line.do("announce", "deliver")
    line.node.stop()
    (received,) = (tmp_path / "ris").glob("*.hl7")
    assert received.read_bytes() == shown


def test_what_cannot_be_shown_is_said(line: Line, preview: Preview) -> None:
    line.send(film(1))
    line.do("assemble", "flag", "read", "report")
    for arguments, status, words in (
        (["--destination", "to-nobody"], 1, b"there is no destination to-nobody; the settings name to-ris"),
        (["--destination", "to-ris", "--kind", "json"], 1, b"no json about this study goes to to-ris"),
        ([], 2, b"--destination"),
    ):
        done = preview(*arguments)
        assert (done.returncode, done.stdout) == (status, b"")
        assert words in done.stderr
