"""What an administrator would not be told if the doctor said that all is well."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pynetdicom import AE, evt

from agent.doctor import ledger, line, machine, network, secrets
from agent.doctor.check import Check, examined, tried
from agent.doctor.looks import HERE
from agent.doctor.model import device_check
from agent.plain import without_noise
from agent.sentence import Sentence
from dicom_nodes.contexts import COMPREHENSIVE_SR, MODALITY_WORKLIST_FIND, STUDY_ROOT_FIND, STUDY_ROOT_GET
from tests.support.planted_ledger import PlantedLedger
from tests.support.scripted_server import Script, ScriptedServer, reply
from tests.support.site import Site, free_port

HOUR = timedelta(hours=1)


@pytest.fixture
def planted(site: Site) -> Iterator[PlantedLedger]:
    made = PlantedLedger(site.settings())
    yield made
    made.close()


def bad(checks: object) -> dict[str, str]:
    assert isinstance(checks, list | tuple)
    return {c.what: c.words for c in checks if c.state == "bad"}


def test_a_delivery_that_nobody_tries_any_more_is_bad_news(site: Site, planted: PlantedLedger) -> None:
    planted.delivery(planted.study("1.2.3"), state="parked", words="status-0124: to-pacs refused the report")
    found = bad(ledger.ledger(site.settings()))
    assert list(found) == ["deliveries to to-pacs"]
    assert "1 parked, the last because of status-0124" in found["deliveries to to-pacs"]
    assert "preread retry" in found["deliveries to to-pacs"]
    assert site.run("doctor", "--no-network").returncode == 1


def test_a_stage_that_nobody_tries_any_more_is_bad_news(site: Site, planted: PlantedLedger) -> None:
    planted.job("read", str(planted.study("1.2.3")), state="parked", error="file-lost: gone")
    assert "file-lost" in bad(ledger.ledger(site.settings()))["stage read"]


@pytest.mark.parametrize("code", ["sr-not-made", "oru-not-made"])
def test_a_study_without_its_report_is_bad_news_until_it_is_read_again(
    site: Site, planted: PlantedLedger, code: str
) -> None:
    planted.study("1.2.3")
    planted.note("1.2.3", code)
    words = bad(ledger.ledger(site.settings()))["reports"]
    assert code in words
    assert "1.2.3" in words
    with planted.ledger.begin() as tx:
        tx.exec_driver_sql("UPDATE study_revision SET created_at = '2099-01-01T00:00:00.000000'")
    assert bad(ledger.ledger(site.settings())) == {}


def test_an_image_that_the_ledger_does_not_know_is_found(site: Site, planted: PlantedLedger) -> None:
    """After a ledger was restored from an older backup nobody would miss them."""
    stray = planted.files.root / "images" / "20260103" / "1.2.3-abc.dcm"
    stray.parent.mkdir()
    stray.write_bytes(b"film")
    assert bad(ledger.ledger(site.settings())) == {}, "it may have come this moment"
    old = time.time() - 3600
    os.utime(stray, (old, old))
    words = bad(ledger.ledger(site.settings()))["images"]
    assert str(stray) in words
    assert "preread send" in words


def test_a_role_that_is_missing_from_a_running_line_is_bad_news(site: Site, planted: PlantedLedger) -> None:
    planted.process("receive", "ready")
    planted.process("office", "stopped")
    found = bad(line.line(site.settings()))
    assert "is stopped" in found["process office"]
    assert "has never run" in found["process read"]
    assert "process receive" not in found


def test_a_process_that_died_is_bad_news(site: Site, planted: PlantedLedger) -> None:
    for role in line.ROLES:
        planted.process(role, "stopped")
    assert bad(line.line(site.settings())) == {}, "a line that was stopped, with nothing to do, is no trouble"
    planted.process("read", "ready", at=datetime.now(UTC) - HOUR)
    assert "last sign of life" in bad(line.line(site.settings()))["process read"]


def test_a_stopped_line_with_work_to_do_is_bad_news(site: Site, planted: PlantedLedger) -> None:
    for role in line.ROLES:
        planted.process(role, "stopped")
    planted.job("read", str(planted.study("1.2.3")), state="waiting")
    assert "work waits since 2026-01-03 10:00" in bad(line.line(site.settings()))["processes"]


def test_whatever_goes_wrong_in_a_check_is_a_finding(site: Site) -> None:
    def falls() -> tuple[Sentence, ...]:
        raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "see https://example.org/help")

    assert tried("x", falls).state == "bad"
    assert "https" not in tried("x", falls).words

    def half() -> list[Check]:
        raise RuntimeError("no")

    assert [c.state for c in examined("x", half)] == ["bad"]
    weights = site.folder / "weights"
    weights.mkdir()
    (weights / "config.json").write_text("{}")
    site.set("model", weights=str(weights))
    done = site.run("doctor", "--no-network")
    assert "Traceback" not in done.stderr
    assert set(HERE) >= {"database", "processes", "model"}


@pytest.fixture
def pacs() -> Iterator[Callable[..., int]]:
    servers = []

    def start(*sop_classes: str) -> int:
        ae = AE(ae_title="PACS")
        for sop_class in sop_classes:
            ae.add_supported_context(sop_class)
        servers.append(ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, lambda _: 0)]))
        return int(servers[-1].server_address[1])

    yield start
    for server in servers:
        server.shutdown()


def test_a_pacs_without_c_echo_is_a_note_and_one_without_reports_is_bad(site: Site, pacs: Callable[..., int]) -> None:
    site.peer("quiet", "PACS", pacs(COMPREHENSIVE_SR), ["receive"])
    site.peer("deaf", "PACS", pacs("1.2.840.10008.1.1"), ["receive"])
    site.destination(name="to-quiet", type="dicom", peer="quiet").destination(name="to-deaf", type="dicom", peer="deaf")
    found = {c.what: c for c in (*network.peers(site.settings()), *network.destinations(site.settings()))}
    states = {what: c.state for what, c in found.items()}
    assert states == {
        "peer quiet": "note",
        "peer deaf": "ok",
        "destination to-quiet": "note",
        "destination to-deaf": "bad",
    }
    assert "is there" in found["peer quiet"].words
    assert "Structured Reports" in found["destination to-deaf"].words


def test_an_address_that_is_not_ours_is_not_called_a_port_in_use(site: Site) -> None:
    site.set("node", host="192.0.2.1", port=free_port())
    assert "is no address of this machine" in bad(network.node(site.settings()))["port"]
    site.set("node", host="no-such-host.invalid")
    words = bad(network.node(site.settings()))["port"]
    assert "no-such-host.invalid is no address" in words
    assert "in use" not in words


def test_a_card_that_is_not_there_is_found_before_the_first_study() -> None:
    assert device_check("cuda", ("cpu",)).state == "bad"
    assert "auto" in device_check("cuda", ("cpu",)).words
    cards = ("cuda:0 (NVIDIA H100)", "cpu")
    assert device_check("cuda:1", cards).state == "bad"
    assert {device_check(d, cards).state for d in ("cuda", "cuda:0", "auto", "cpu")} == {"ok"}
    assert machine.versions()[0].state == "ok"


def test_the_words_of_a_library_are_cut_down_to_what_happened() -> None:
    noisy = (
        "Error no file named model.safetensors found in directory weights.\n\nIf you were trying to load it from the hub, make "
        "sure you don't have a local directory with the same name. See https://example.org/docs for more details. "
        "Please open an issue at https://example.org/issues"
    )
    assert without_noise(noisy) == "Error no file named model.safetensors found in directory weights."
    assert without_noise("See https://example.org/x") == "See "
    assert len(without_noise("x" * 1000)) == 300


def test_looking_leaves_a_site_as_it_was(site: Site) -> None:
    copies = site.folder / "copies"
    site.destination(name="copies", type="folder", path=str(copies))
    assert "will be made" in network.destinations(site.settings())[0].words
    assert ledger.ledger(site.settings())[0].state == line.line(site.settings())[0].state == "note"
    assert not copies.exists()
    assert not Path(site.settings().storage.root).exists()


def test_an_archive_that_may_not_be_asked_is_found_before_the_first_patient(
    site: Site, pacs: Callable[..., int]
) -> None:
    """A site that has forgotten to allow our queries would read every film without the earlier one."""
    asking: Any = {"from": "archive"}
    site.set("priors", **asking).set("worklist", **asking)
    site.peer("archive", "PACS", pacs("1.2.840.10008.1.1", STUDY_ROOT_FIND), ["query"])
    words = bad(network.peers(site.settings()))["peer archive"]
    assert "does not offer us Study Root C-GET, Modality Worklist C-FIND" in words


def test_an_archive_that_answers_our_questions_is_said_to(site: Site, pacs: Callable[..., int]) -> None:
    asking: Any = {"from": "archive"}
    site.set("priors", **asking).set("worklist", **asking)
    site.peer("archive", "PACS", pacs(STUDY_ROOT_FIND, STUDY_ROOT_GET, MODALITY_WORKLIST_FIND), ["query"])
    (found,) = network.peers(site.settings())
    assert (found.state, "offers Modality Worklist C-FIND" in found.words) == ("note", True)


@pytest.mark.parametrize(
    ("script", "words"),
    [(reply(200, "[]"), ""), (reply(401, ""), "answered 401 Unauthorized"), (reply(200, "<html>"), "not JSON")],
)
def test_a_web_service_that_refuses_our_questions_is_found_before_the_first_patient(
    site: Site, script: Script, words: str
) -> None:
    with ScriptedServer(listing=script) as server:
        site.table("dicomweb", name="archive", url=f"{server.url}/dicom-web")
        found = {c.what: c for c in network.services(site.settings())}["dicomweb archive"]
    assert (found.state, words in found.words) == ("bad" if words else "ok", True)


def test_a_secret_that_every_user_of_the_machine_can_read_is_noted(site: Site, tmp_path: Path) -> None:
    token, password = tmp_path / "token", tmp_path / "password"
    for file in (token, password):
        file.write_text("secret\n", "ascii")
    token.chmod(0o644)
    password.chmod(0o640)
    site.set("web", token_file=str(token))
    site.set("alarms.mail", host="127.0.0.1", user="u", password_file=str(password), to=["a@b"], **{"from": "c@d"})
    site.destination(name="hook", type="webhook", url="http://127.0.0.1:9", secret_file=str(token))
    found = {c.what: c.words for c in secrets.secrets(site.settings())}
    assert set(found) == {"web.token_file", "destinations (hook).secret_file"}
    assert f"chmod o-rwx {token}" in found["web.token_file"]
