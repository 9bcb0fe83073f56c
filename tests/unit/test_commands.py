"""What a person or a script loses when a command misunderstands it, or says nothing, or falls over."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from agent.bench.web import run as measure_pages
from agent.cli import preread
from agent.commands import offline
from agent.commands.common import existing_store
from agent.doctor.ledger import ledger as doctor_of_the_ledger
from agent.errors import Permanent, Transient
from agent.store.arrivals import Refusal, refuse
from tests.support.films import save, small_image
from tests.support.kept_roles import tame
from tests.support.planted_ledger import NOW, PlantedLedger
from tests.support.site import PATIENCE_S, Site, free_port


@pytest.fixture
def planted(site: Site) -> Iterator[PlantedLedger]:
    made = PlantedLedger(site.settings())
    yield made
    made.close()


def run(site: Site, *arguments: str, **how: Any) -> subprocess.CompletedProcess[str]:
    how.setdefault("stdout", subprocess.PIPE)
    environment = dict(os.environ) | how.pop("env", {})
    return subprocess.run(
        site.command(*arguments), stderr=subprocess.PIPE, text=True, timeout=60, check=False, env=environment, **how
    )


@pytest.mark.parametrize(
    ("arguments", "code", "status"),
    [
        (["show", "1.2.3"], "no-such-study", 1),
        (["echo", "nobody"], "unknown-peer", 1),
        (["studies", "--limit", "0"], "usage", 2),
        (["show", ""], "usage", 2),
    ],
)
def test_a_script_gets_an_error_as_json(
    site: Site, planted: PlantedLedger, arguments: list[str], code: str, status: int
) -> None:
    done = site.run(*arguments, "--json")
    error = json.loads(done.stdout)["error"]
    assert (error["code"], error["exit_status"], done.returncode) == (code, status, status)
    assert error["message"]
    assert done.stderr.strip(), "the person is told, too"


def test_a_script_gets_a_mistake_in_the_settings_as_json(site: Site) -> None:
    site.settings_file.write_text("[node]\nprot = 1")
    done = site.run("doctor", "--json")
    assert done.returncode == 78
    assert json.loads(done.stdout)["error"]["code"] == "settings-invalid"


@pytest.mark.parametrize(
    "arguments",
    [
        ["show", ""], ["retry", ""], ["retry", " "], ["echo", ""], ["send", ""], ["send", ".", "--to", ""], ["send", ".", "--to="],
        ["send", ".", "--as", ""], ["read", ""], ["settings", "check", ""],
    ],
)  # fmt: skip
def test_an_empty_argument_is_not_taken_for_any(site: Site, planted: PlantedLedger, arguments: list[str]) -> None:
    """`preread retry "$STUDY"` with nothing in it must not retry the only study there is."""
    planted.study("1.2.3")
    done = site.run(*arguments)
    assert done.returncode == 2
    assert "is empty" in done.stderr


@pytest.mark.parametrize("title", ["12345678901234567", "A\\B", "ÄE"])
def test_an_ae_title_that_nobody_can_have_is_refused_before_anything_is_sent(site: Site, title: str) -> None:
    film = save(small_image(), site.folder / "film.dcm")
    for arguments in (["send", str(film), "--as", title], ["echo", "self", "--as", title]):
        done = site.run(*arguments)
        assert done.returncode == 2
        assert "an AE title" in done.stderr


def test_sending_nothing_is_not_success(site: Site) -> None:
    empty = site.folder / "empty"
    empty.mkdir()
    done = site.run("send", str(empty), "--as", "SENDER")
    assert done.returncode == 1
    assert "nothing to send" in done.stderr
    assert str(empty) in done.stderr


def test_a_list_that_is_cut_says_so(site: Site, planted: PlantedLedger) -> None:
    for number in range(3):
        planted.study(f"1.2.{number}")
    assert "2 of 3 shown" in site.run("studies", "--limit", "2").stdout
    assert "shown" not in site.run("studies").stdout
    assert site.json("studies", "--limit", "2")["total"] == 3
    assert site.run("studies", "--limit", "0").returncode == site.run("studies", "--limit", "-5").returncode == 2


def test_trouble_is_not_lost_among_the_studies_that_are_well(site: Site, planted: PlantedLedger) -> None:
    planted.study("1.2.well")
    planted.delivery(planted.study("1.2.delivered"), state="delivered", words="0000")
    planted.delivery(planted.study("1.2.parked"), state="parked", words="status-0124: refused, said the peer")
    planted.delivery(planted.study("1.2.failing"), state="waiting", words="peer-unreachable")
    planted.study("1.2.differs", state="needs-attention")
    planted.study("1.2.declined", state="not-analysed")
    planted.study("1.2.abstained", state="abstained")
    planted.study("1.2.no-sr", reason="sr-not-made")
    planted.job("read", str(planted.study("1.2.stage")), state="parked", error="file-lost: gone")
    found = site.json("studies", "--trouble")
    names = {s["study_instance_uid"].removeprefix("1.2.") for s in found["studies"]}
    assert names == {"parked", "failing", "differs", "declined", "abstained", "no-sr", "stage"}
    assert found["total"] == 7
    assert "2 of 7 shown" in site.run("studies", "--trouble", "--limit", "2").stdout
    assert "parked: SR to to-pacs: status-0124: refused, said the peer" in site.run("studies").stdout


def test_no_trouble_is_said(site: Site, planted: PlantedLedger) -> None:
    planted.study("1.2.well")
    assert "no study is in trouble" in site.run("studies", "--trouble").stdout


def test_a_refused_image_can_be_found_in_the_pacs(site: Site, planted: PlantedLedger) -> None:
    refused = Refusal(
        what="instance", calling_ae_title="S", called_ae_title="PREREAD", address="127.0.0.1", status="A900", reason="why",
        comment="because", sop_instance_uid="1.2.840.99", path="",
    )  # fmt: skip
    with planted.ledger.begin() as tx:
        refuse(tx, refused, now=NOW)
    assert "1.2.840.99" in site.run("refusals").stdout


def test_a_retry_that_nobody_will_do_says_so(site: Site, planted: PlantedLedger) -> None:
    planted.job("read", str(planted.study("1.2.3")), state="parked", error="internal: planted")
    for role in ("receive", "read", "office"):
        planted.process(role, "stopped")
    assert "read and office do not run" in site.run("retry", "1.2.3").stdout
    planted.process("office", "ready")
    said = site.run("retry", "1.2.3").stdout
    assert "read does not run" in said
    planted.process("read", "loading")
    done = site.json("retry", "1.2.3")
    assert done["not_running"] == []
    assert "note" not in site.run("retry", "1.2.3").stdout


def test_a_process_that_has_nothing_to_do_about_a_study_is_not_complained_of(
    site: Site, planted: PlantedLedger
) -> None:
    planted.delivery(planted.study("1.2.3"), state="parked", words="refused")
    planted.process("read", "stopped")
    planted.process("office", "ready")
    said = site.run("retry", "1.2.3").stdout
    assert "1 delivery and 0 stages will be tried again now" in said
    assert "not run" not in said
    assert site.json("match", "1.2.3", "--none", "--reason", "none of them")["not_running"] == []
    assert "it is weighed anew now" in site.run("match", "1.2.3", "--none", "--reason", "none of them").stdout
    planted.process("office", "stopped")
    assert site.json("match", "1.2.3", "--none", "--reason", "none of them")["not_running"] == ["office"]


def test_of_which_revision_a_document_is_can_be_seen(site: Site, planted: PlantedLedger) -> None:
    planted.delivery(planted.study("1.2.3"), state="delivered", words="success")
    assert "SR   of revision 1 to to-pacs: delivered after 1 attempt; success" in site.run("show", "1.2.3").stdout


def test_any_locale_can_print_any_study(site: Site, planted: PlantedLedger) -> None:
    planted.delivery(planted.study("1.2.3"), state="parked", words="Größe ≥ 2")
    odd = site.folder / os.fsdecode(b"odd-\xff.toml")
    odd.write_text(site.settings_file.read_text())
    for env in (
        {"LC_ALL": "C", "LANG": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
        {"PYTHONIOENCODING": "latin-1"},
        {"PYTHONIOENCODING": "utf-8"},
    ):
        done = subprocess.run(
            site.command("studies"), capture_output=True, timeout=60, check=False, env=dict(os.environ) | env
        )
        assert done.returncode == 0, done.stderr
        assert b"Gr" in done.stdout
        for arguments in (["settings", "check", str(odd)], ["show", odd.name]):
            done = subprocess.run(
                site.command(*arguments), capture_output=True, timeout=60, check=False, env=dict(os.environ) | env
            )
            assert b"Traceback" not in done.stderr, done.stderr
            assert b"odd-" in done.stdout + done.stderr


def test_a_full_disk_behind_the_output_is_a_sentence(site: Site, planted: PlantedLedger) -> None:
    planted.study("1.2.3")
    for arguments in (["studies"], ["studies", "--json"], ["show", "nothing", "--json"], ["--help"]):
        with Path("/dev/full").open("w") as full:
            done = run(site, *arguments, stdout=full)
        assert done.returncode == 1, arguments
        assert "Traceback" not in done.stderr
        assert "Exception ignored" not in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr


def test_a_reader_that_has_gone_is_no_news(site: Site, planted: PlantedLedger) -> None:
    planted.study("1.2.3")
    for arguments in (["studies"], ["show", "nothing", "--json"]):
        reading, writing = os.pipe()
        os.close(reading)
        done = run(site, *arguments, stdout=writing)
        os.close(writing)
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        assert "Exception ignored" not in done.stderr


def test_a_reading_is_printed_though_its_report_cannot_be_made(site: Site, tmp_path: Path) -> None:
    """A header that defeats the encoder costs the document, and not the minutes that the reading took."""
    path = save(small_image(PatientAge="007Y"), tmp_path / "film.dcm")
    for target in ("--sr", "--oru"):
        done = site.run("read", str(path), target, str(tmp_path))  # a folder: nothing can be written there
        assert done.returncode == 1
        assert "Outcome: " in done.stdout
        assert f"{tmp_path} was not written" in done.stderr
    done = site.run("read", str(path), "--sr", str(tmp_path), "--json")
    assert "was not written" in json.loads(done.stdout)["not_written"][0]

    def defeated() -> bytes:
        raise ValueError("a header nobody thought of")

    assert "(ValueError: a header nobody thought of)" in offline._why_not_written(tmp_path / "x.dcm", defeated)
    assert not (tmp_path / "x.dcm").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["bench", "receive", "--rounds", "0"], "not in the range"),
        (["bench", "receive", "--scale", "-3"], "not in the range"),
        (["bench", "read", "--tokens", "0"], "not in the range"),
        (["bench", "web", "--database", "mysql://db/x"], "postgresql+psycopg://"),
        (["bench", "web", "--database", "sqlite:///x.db"], "without --database SQLite is measured"),
        (["bench", "web", "--database", "nonsense"], "postgresql+psycopg://"),
        (["demo", "--timeout", "-1"], "not in the range"),
        (["qc", "--timeout", "-1"], "not in the range"),
        (["reload", "--timeout", "-1"], "not in the range"),
        (["certs", "a=10.0.0.5", "a=10.0.0.6"], "one certificate would take the other's place"),
    ],
)
def test_a_value_that_means_nothing_is_refused_before_anything_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(preread, arguments)
    assert (done.exit_code, words in done.output) == (2, True), done.output
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_cannot_be_measured_is_named(tmp_path: Path) -> None:
    url = f"postgresql+psycopg://somebody:secret@127.0.0.1:{free_port()}/x"
    with pytest.raises(Transient, match=r"the database x on 127\.0\.0\.1:\d+ cannot be used") as raised:
        measure_pages(tmp_path, [10], database=url, rounds=1, say=print)
    assert "secret" not in str(raised.value)


def test_settings_named_behind_the_command_are_told_where_they_go(site: Site) -> None:
    done = run(site, "studies", "--settings", str(site.settings_file))
    assert done.returncode == 2
    assert "preread --settings FILE COMMAND" in done.stderr


def _somebody_elses(file: Path) -> None:
    with closing(sqlite3.connect(file)) as database:
        database.execute("CREATE TABLE invoice (id INTEGER)")
        database.commit()


@pytest.mark.parametrize(
    ("plant", "words"),
    [
        (lambda file: file.touch(), "holds no ledger"),
        (_somebody_elses, "holds no ledger"),
        (lambda file: file.write_bytes(b"no database at all, but a letter"), "restore it from a backup"),
    ],
)
def test_a_file_that_is_no_ledger_is_said_to_be_none(site: Site, plant: Callable[[Path], None], words: str) -> None:
    root = site.settings().storage.root
    root.mkdir()
    plant(root / "preread.db")
    with pytest.raises(Permanent, match=words):
        existing_store(site.settings())
    assert [c.state for c in doctor_of_the_ledger(site.settings())] == ["bad" if "backup" in words else "note"]


@pytest.mark.skipif(os.geteuid() == 0 and not tame(), reason="root may read everything, and there is no setpriv")
@pytest.mark.parametrize("modes", [(0o000, 0o644), (0o555, 0o444)])
def test_another_user_of_the_machine_is_told_to_be_the_one_who_runs_the_line(
    site: Site, planted: PlantedLedger, modes: tuple[int, int]
) -> None:
    root = planted.files.root
    planted.close()
    (root / "preread.db").chmod(modes[1])
    root.chmod(modes[0])
    try:
        done = subprocess.run([*tame(), *site.command("studies")], capture_output=True, text=True, timeout=PATIENCE_S)
        looked = subprocess.run(
            [*tame(), *site.command("doctor", "--no-network")], capture_output=True, text=True, timeout=PATIENCE_S
        )
    finally:
        root.chmod(0o755)
    assert done.returncode == 1
    assert "run the command as the user that runs preread" in done.stderr
    assert "could not be examined" not in looked.stdout
    if modes[0] == 0:
        assert "cannot be written by this user" in looked.stdout
