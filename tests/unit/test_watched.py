"""What monitors and administrators would not be told, would be told twice, or must never be told."""

from __future__ import annotations

import json
import ssl
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, insert, select, update

from agent import authority
from agent.clock import SystemClock
from agent.delivery.webhook_destination import SIGNATURE, TIMESTAMP, signature
from agent.health.counted import BOUNDS, code
from agent.health.movement import Movement
from agent.health.tellers import tellers
from agent.health.telling import TELL, Telling
from agent.health.watch import Watch
from agent.settings import Settings, load
from agent.store import alarms, audit, schema, turnaround
from agent.web.context import WebContext
from agent.web.server import WebServer
from agent.work.queue import Queue
from agent.work.worker import Running, Worker
from tests.support.mail import Mailbox
from tests.support.planted_ledger import PlantedLedger
from tests.support.site import PATIENCE_S, Site, free_port
from tests.support.watched import Samples, ask, samples, url_of, value
from tests.support.web import WebService, certificates

NOW = datetime(2026, 1, 3, 12, tzinfo=UTC)


class HandClock:
    """Stands until it is moved."""

    def __init__(self, at: datetime = NOW) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def move(self, **by: float) -> None:
        self.at += timedelta(**by)


class Watched:
    """A planted ledger, a clock that is moved by hand, and somebody who looks."""

    def __init__(self, site: Site) -> None:
        self.settings: Settings = site.settings()
        self.planted, self.clock = PlantedLedger(self.settings), HandClock()
        self.ledger, self.files = self.planted.ledger, self.planted.files
        self.tellers = tellers(self.settings)
        self.watch = Watch(self.ledger, self.files, self.clock, self.settings, tellers=tuple(self.tellers))
        self.queue = Queue(self.ledger, self.clock, "office")
        self.beat()
        self.clock.move(minutes=1)

    def beat(self, *roles: str, state: str = "ready") -> None:
        for role in roles or ("receive", "read", "office"):
            self.planted.process(role, state, at=self.clock.now())

    def look(self, times: int = 1, *, beating: tuple[str, ...] = ("receive", "read", "office")) -> None:
        for _ in range(times):
            self.clock.move(seconds=15)
            with self.ledger.begin() as tx:
                known = schema.process.c.role.in_(beating)
                tx.execute(update(schema.process).where(known).values(beat_at=self.clock.now()))
            self.watch.look()

    def standing(self) -> list[tuple[str, str]]:
        with self.ledger.read() as view:
            return [(a.code, a.about) for a in alarms.raised(view)]

    def tell(self, name: str) -> bool:
        """One step of the worker that tells; returns whether there was something to do."""
        stage = Telling(self.ledger, self.queue, self.clock, "PREREAD", self.tellers)
        stop = threading.Event()
        worker = Worker(
            ledger=self.ledger, queue=self.queue, clock=self.clock, kind=TELL, lane=name, stage=stage,
            running=Running(), stop=stop,
        )  # fmt: skip
        return worker.work_once()


@pytest.fixture
def watched(site: Site) -> Iterator[Watched]:
    made = Watched(site)
    yield made
    made.planted.close()


def test_a_line_in_order_raises_nothing(watched: Watched) -> None:
    watched.look(4)
    assert watched.standing() == []


def test_a_silent_process_is_raised_once_and_is_over_when_it_beats_again(watched: Watched) -> None:
    watched.look(4, beating=("read", "office"))
    assert watched.standing() == [("process-silent", "receive")]
    watched.look(3, beating=("read", "office"))
    watched.look(1)
    assert watched.standing() == [("process-silent", "receive")], "one beat is no recovery"
    watched.look(1)
    with watched.ledger.read() as view:
        (only,) = alarms.newest(view, 10)
    assert only.recovered_at == watched.clock.now()


def test_a_role_that_is_restarted_by_hand_is_no_alarm_and_one_that_stays_stopped_is(watched: Watched) -> None:
    watched.beat("receive", state="stopped")
    watched.look(1)
    watched.beat("receive")
    watched.look(1)
    assert watched.standing() == []
    watched.beat("receive", state="stopped")
    watched.look(2)
    assert watched.standing() == [("process-stopped", "receive")]


def test_a_line_that_is_asked_to_stop_raises_nothing(site: Site) -> None:
    watched, stop = Watched(site), threading.Event()
    watched.watch = Watch(watched.ledger, watched.files, watched.clock, watched.settings, stop=stop)
    stop.set()
    watched.look(9, beating=())
    assert watched.standing() == []
    watched.planted.close()


def test_what_comes_and_goes_is_one_alarm(watched: Watched) -> None:
    for _ in range(4):
        watched.planted.job("read", "1", state="parked", error="file-lost: gone")
        watched.look(1)
        with watched.ledger.begin() as tx:
            tx.execute(delete(schema.job))
        watched.look(1)
    with watched.ledger.read() as view:
        assert len(alarms.newest(view, 10)) == 1


@pytest.mark.parametrize("state", ["loading", "failed"])
def test_a_model_that_is_not_loaded_is_missed_until_it_is_ready(watched: Watched, state: str) -> None:
    watched.beat("read", state=state)
    watched.look(2)
    assert watched.standing() == ([("model-not-loaded", "")] if state == "failed" else []), "loading takes its time"
    watched.clock.move(minutes=11)
    watched.look(1)
    assert watched.standing() == [("model-not-loaded", "")]
    watched.beat("read", state="loading")
    watched.look(3)
    assert watched.standing() == [("model-not-loaded", "")], "a model that is loaded again is not loaded"
    watched.beat("read")
    watched.look(2)
    assert watched.standing() == []


def test_parked_work_is_raised_by_destination_and_by_stage(watched: Watched) -> None:
    study = watched.planted.study("1.2.3")
    watched.planted.delivery(study, state="parked", words="DOE^JANE is not known here")
    watched.planted.job("read", str(study), state="parked", error="file-lost: gone")
    watched.look(1)
    assert watched.standing() == [("deliveries-parked", "to-pacs"), ("stage-parked", "read")]


def test_a_disk_at_its_brink_is_one_alarm(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.set("storage", reserve_gb=10.0)
    watched = Watched(site)
    free = [9e9, 10.5e9, 9e9, 10.5e9, 10.5e9, 10.5e9]
    for now in free:
        monkeypatch.setattr("shutil.disk_usage", lambda _, now=now: type("Usage", (), {"free": now})())
        watched.look(1)
    assert watched.standing() == [("disk-low", "")]
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 40e9})())
    watched.look(2)
    assert watched.standing() == []
    watched.planted.close()


def test_a_certificate_that_runs_out_is_raised_in_time(site: Site, tmp_path: Path) -> None:
    ca, own, key = certificates(tmp_path / "tls")
    site.set("node.tls", ca_file=str(ca), certificate_file=str(own), key_file=str(key))
    watched = Watched(site)
    watched.clock.at = datetime.now(UTC)
    watched.look(1)
    assert ("certificate-ends", "node.tls.certificate_file") in watched.standing()
    own.write_text("nothing")
    watched.look(1)
    assert ("certificate-unusable", "node.tls.certificate_file") in watched.standing()
    watched.planted.close()


def _own(site: Site, tmp_path: Path) -> tuple[Path, Path]:
    """Certificate and key of the node, which last longer than an alarm wants."""
    folder, now = tmp_path / "tls", datetime.now(UTC)
    authority.authority_in(folder, now=now)
    made = authority.issue(folder, "own", ["127.0.0.1"], days=300, now=now)
    site.set("node.tls", ca_file=str(folder / "ca.pem"), certificate_file=str(made.certificate), key_file=str(made.key))
    return made.certificate, made.key


def _of_tls(watched: Watched) -> list[tuple[str, str]]:
    watched.clock.at = datetime.now(UTC)
    watched.look(1)
    return [(code, about) for code, about in watched.standing() if about.startswith("node.tls")]


@pytest.mark.parametrize("how", ["of another", "under a password", "gone"])
def test_a_key_that_nobody_can_be_shown_is_raised_before_a_caller_finds_out(
    site: Site, tmp_path: Path, how: str
) -> None:
    _, key = _own(site, tmp_path)
    watched = Watched(site)
    assert _of_tls(watched) == []
    if how == "of another":
        authority.issue(tmp_path / "tls", "another", ["127.0.0.1"], days=300, now=datetime.now(UTC))
        key.write_bytes((tmp_path / "tls" / "another.key").read_bytes())
    elif how == "under a password":
        command = ["openssl", "pkcs8", "-topk8", "-in", str(key), "-out", str(key) + ".new", "-passout", "pass:secret"]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        key.write_bytes(Path(str(key) + ".new").read_bytes())
    else:
        key.unlink()
    assert _of_tls(watched) == [("certificate-unusable", "node.tls.key_file")]
    said = {c["what"]: c["words"] for c in site.json("doctor", "--no-network") if c["state"] == "bad"}
    assert str(key) in said["node.tls.key_file"]
    watched.planted.close()


def test_a_chain_that_begins_with_the_authority_is_told_from_a_key_that_is_lost(site: Site, tmp_path: Path) -> None:
    certificate, _ = _own(site, tmp_path)
    certificate.write_bytes((tmp_path / "tls" / "ca.pem").read_bytes() + certificate.read_bytes())
    said = {c["what"]: c["words"] for c in site.json("doctor", "--no-network") if c["state"] == "bad"}
    assert "comes first in the file" in said["node.tls.key_file"]


def test_a_certificate_that_is_not_valid_yet_is_no_good_one(site: Site, tmp_path: Path) -> None:
    """Or the clock of this machine is wrong; either way nobody gets in."""
    _own(site, tmp_path)
    authority.issue(tmp_path / "tls", "own", ["127.0.0.1"], days=300, now=datetime.now(UTC) + timedelta(days=2))
    watched = Watched(site)
    assert _of_tls(watched) == [("certificate-unusable", "node.tls.certificate_file")]
    said = {c["what"]: c["words"] for c in site.json("doctor", "--no-network") if c["state"] == "bad"}
    assert "is not valid before" in said["node.tls.certificate_file"]
    watched.planted.close()


def test_a_trail_that_reaches_nobody_is_raised_and_is_over_when_it_moves(site: Site, tmp_path: Path) -> None:
    site.set("audit.syslog", host="127.0.0.1", port=free_port())
    site.set("audit.syslog.tls", ca_file=str(certificates(tmp_path / "tls")[0]))
    site.set("alarms", certificate_days=1)
    watched = Watched(site)

    def standing() -> list[tuple[str, str]]:
        return [one for one in watched.standing() if one[0] == "audit-not-forwarded"]

    with watched.ledger.begin() as tx:
        for number in range(3):
            audit.append(tx, f"<{number}/>", now=NOW)
    watched.look(59)
    assert standing() == []
    watched.look(2)
    assert standing() == [("audit-not-forwarded", "")]
    with watched.ledger.begin() as tx:
        audit.set_forwarded(tx, 1)  # it moves, though there is more
    watched.look(2)
    assert standing() == []
    with watched.ledger.begin() as tx:
        audit.set_forwarded(tx, 3)
    watched.look(70)
    assert standing() == []
    words = {c["what"]: c["words"] for c in site.json("doctor") if c["state"] == "bad"}
    assert "did not take it: Connection refused" in words["syslog server"]
    watched.planted.close()


def test_a_constancy_test_that_failed_is_raised(watched: Watched) -> None:
    row = {"id": "260103120000", "started_by": "hand", "started_at": NOW, "finished_at": NOW, "passed": False}
    with watched.ledger.begin() as tx:
        tx.execute(insert(schema.qc_run).values(**row, build={}, films=[], checks=[]))
    watched.look(1)
    assert watched.standing() == [("constancy-test", "")]


def test_a_stage_that_has_work_and_finishes_none_is_raised(watched: Watched) -> None:
    study = watched.planted.study("1.2.3")
    watched.planted.job("flag", str(study), state="waiting")
    watched.look(59)
    assert watched.standing() == []
    watched.look(2)
    assert watched.standing() == [("stage-stands", "flag")]


def test_a_study_that_still_grows_is_no_stage_that_stands(watched: Watched) -> None:
    with watched.ledger.begin() as tx:
        later = NOW + timedelta(days=1)
        tx.execute(
            insert(schema.job).values(
                kind="assemble", key="1.2", state="waiting", run_at=later, rank_at=later, created_at=NOW
            )
        )
    watched.look(70)
    assert watched.standing() == []


@given(st.lists(st.frozensets(st.integers(0, 5), max_size=4), min_size=1, max_size=12))
def test_a_stage_stands_exactly_as_long_as_nothing_has_left_it(looks: list[frozenset[int]]) -> None:
    movement, began = Movement(), NOW
    for number, jobs in enumerate(looks):
        now = NOW + timedelta(minutes=number)
        before = looks[number - 1] if number else frozenset()
        if not before or before - jobs:
            began = now
        still = movement.look({("read", ""): jobs} if jobs else {}, now)
        assert still == ({("read", ""): now - began} if jobs else {})


def _secret(tmp_path: Path, words: str = "key") -> str:
    file = tmp_path / f"secret-{words}"
    file.write_text(f"{words}\n", encoding="ascii")
    return str(file)


def _alarms(site: Site, **tables: dict[str, Any]) -> None:
    """`[alarms.*]` in the settings of the site."""
    for name, values in tables.items():
        site.set(f"alarms.{name}", **values)


def test_a_program_is_told_once_signed_and_again_when_it_is_over(site: Site, tmp_path: Path) -> None:
    with WebService(lambda _: (204, "", b"")) as service:
        _alarms(site, webhook={"url": service.url, "secret_file": _secret(tmp_path)})
        watched = Watched(site)
        watched.beat("read", state="failed")
        watched.look(3)
        assert watched.tell("webhook")
        assert not watched.tell("webhook"), "told once"
        watched.beat("read")
        watched.look(3)
        assert watched.tell("webhook")
        assert not watched.tell("webhook")
    first, second = (json.loads(r.body) for r in service.requests)
    assert (first["event"], first["code"], first["recovered_at"]) == ("raised", "model-not-loaded", None)
    assert (second["event"], second["code"], second["raised_at"]) == (
        "recovered",
        "model-not-loaded",
        first["raised_at"],
    )
    for request in service.requests:
        made = signature(b"key", str(request.headers[TIMESTAMP]), request.body)
        assert request.headers[SIGNATURE] == made
    with watched.ledger.read() as view:
        (alarm,) = alarms.newest(view, 9)
    assert alarm.told_at is not None
    assert alarm.recovery_told_at is not None
    watched.planted.close()


def test_a_teller_that_fails_is_tried_again_and_is_seen(site: Site, tmp_path: Path) -> None:
    answers = [500, 404, 200]
    with WebService(lambda _: (answers.pop(0), "", b"")) as service:
        _alarms(site, webhook={"url": service.url, "secret_file": _secret(tmp_path)})
        watched = Watched(site)
        watched.beat("read", state="failed")
        watched.look(1)
        for status in (500, 404):
            assert watched.tell("webhook")
            seen = {c["what"]: c["words"] for c in site.json("doctor", "--no-network")}
            assert f"http-{status}" in seen["teller webhook"]
            assert "nobody was told yet" in seen["alarm model-not-loaded"]
            watched.clock.move(minutes=10)
        assert watched.tell("webhook")
        assert len(service.requests) == 3
        with watched.ledger.read() as view:
            assert alarms.untold(view) == {}
        watched.planted.close()


def test_what_was_over_before_it_could_be_told_is_told_once_as_over(site: Site, tmp_path: Path) -> None:
    with WebService(lambda _: (200, "", b"")) as service:
        _alarms(site, webhook={"url": service.url, "secret_file": _secret(tmp_path)})
        watched = Watched(site)
        watched.beat("read", state="failed")
        watched.look(1)
        watched.beat("read")
        watched.look(3)
        while watched.tell("webhook"):
            pass
        watched.planted.close()
    (only,) = service.requests
    assert json.loads(only.body)["event"] == "recovered"


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_people_are_told_by_mail_over_tls_only(site: Site, tmp_path: Path, security: str) -> None:
    ca, own, key = certificates(tmp_path / "tls")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own, key)
    with Mailbox(context, at_once=security == "tls", login=("preread", "hunter2")) as box:
        mail = {
            "host": "127.0.0.1", "port": box.port, "security": security, "ca_file": str(ca), "user": "preread",
            "password_file": _secret(tmp_path, "hunter2"), "from": "line@hospital", "to": ["it@hospital", "night@hospital"],
        }  # fmt: skip
        _alarms(site, mail=mail)
        watched = Watched(site)
        watched.beat("read", state="failed")
        watched.look(1)
        assert watched.tell("mail")
        (message,) = box.messages
        assert message["Subject"] == "[PREREAD] ALARM: model-not-loaded"
        assert (box.recipients, box.encrypted) == ([["it@hospital", "night@hospital"]], [True])
        assert "studies wait" in message.get_content()
        _alarms(site, mail=mail | {"ca_file": str(_other_authority(tmp_path))})
        watched.tellers = tellers(site.settings())
        watched.beat("read")
        watched.look(3)
        assert watched.tell("mail")
        assert len(box.messages) == 1, "a mail server that cannot prove itself gets neither password nor message"
        with watched.ledger.read() as view:
            assert "mail-unreachable" in alarms.untold(view)["mail"]
        watched.planted.close()


def _other_authority(tmp_path: Path) -> Path:
    return certificates(tmp_path / "others")[0]


@pytest.mark.parametrize(("refuses", "login"), [(True, None), (False, ("preread", "another"))])
def test_a_mail_server_that_refuses_is_not_taken_for_one_that_took_it(
    site: Site, tmp_path: Path, refuses: bool, login: tuple[str, str] | None
) -> None:
    with Mailbox(login=login, refuses=refuses) as box:
        _alarms(site, mail={"host": "127.0.0.1", "port": box.port, "security": "none", "from": "a@b", "to": ["c@d"]})
        watched = Watched(site)
        watched.beat("read", state="failed")
        watched.look(1)
        assert watched.tell("mail")
        with watched.ledger.read() as view:
            assert "mail-refused" in alarms.untold(view)["mail"]
        assert box.messages == []
        watched.planted.close()


def test_who_has_a_message_is_not_written_to_again_and_again_because_of_another(site: Site, tmp_path: Path) -> None:
    """Somebody who has left: each look at the queue would have written to everybody else, for a week."""
    with Mailbox(knows={"it@hospital"}) as box:
        mail = {
            "host": "127.0.0.1",
            "port": box.port,
            "security": "none",
            "from": "a@b",
            "to": ["it@hospital", "gone@hospital"],
        }
        _alarms(site, mail=mail)
        watched = Watched(site)
        watched.beat("read", state="failed")
        watched.look(1)
        for _ in range(3):
            assert watched.tell("mail")
            watched.clock.move(minutes=10)
        assert box.recipients == [["it@hospital"]]
        with watched.ledger.read() as view:
            assert "refused 1 of the 2 of alarms.mail.to" in alarms.untold(view)["mail"]
        box.knows = None
        assert watched.tell("mail")
        assert box.recipients == [["it@hospital"], ["gone@hospital"]]
        with watched.ledger.read() as view:
            assert alarms.untold(view) == {}
        watched.planted.close()


class Served:
    """The web server over a planted ledger."""

    def __init__(self, site: Site, planted: PlantedLedger) -> None:
        self._stop = threading.Event()
        context = WebContext(site.settings(), planted.ledger, planted.files, SystemClock())
        self.server = WebServer(context, self._stop, lambda: None)
        self.site = site
        self.server.start()
        assert "web server on" in self.server.words, self.server.words

    def metrics(self) -> Samples:
        status, text = ask(url_of(self.site, "/metrics"))
        assert status == 200
        return samples(text)

    def stop(self) -> None:
        self._stop.set()
        self.server.join(PATIENCE_S)


@pytest.fixture
def planted(site: Site) -> Iterator[PlantedLedger]:
    made = PlantedLedger(site.settings())
    yield made
    made.close()


@pytest.fixture
def served(site: Site, planted: PlantedLedger) -> Iterator[Served]:
    made = Served(site, planted)
    yield made
    made.stop()


def test_a_line_that_is_not_whole_is_not_ready_and_says_why(site: Site, planted: PlantedLedger, served: Served) -> None:
    def reasons() -> tuple[int, set[tuple[str, str]]]:
        status, body = ask(url_of(site, "/readyz"))
        return status, {(r["code"], r["about"]) for r in json.loads(body)["reasons"]}

    assert ask(url_of(site, "/healthz")) == (200, '{"alive":true}')
    assert reasons() == (503, {("process-missing", r) for r in ("receive", "read", "office")})
    for role in ("receive", "read", "office"):
        planted.process(role, "ready")
    assert reasons() == (200, set())
    planted.process("read", "ready", at=datetime.now(UTC) - timedelta(minutes=1))
    planted.process("receive", "stopped")
    assert reasons() == (503, {("process-silent", "read"), ("process-stopped", "receive")})


def test_a_disk_below_its_reserve_is_not_ready(site: Site) -> None:
    site.set("storage", reserve_gb=1e9)
    planted = PlantedLedger(site.settings())
    served = Served(site, planted)
    status, body = ask(url_of(site, "/readyz"))
    served.stop()
    planted.close()
    assert status == 503
    assert {"code": "disk-low", "about": ""} in json.loads(body)["reasons"]


def _image(planted: PlantedLedger, revision: int, uid: str, at: datetime, **facts: str) -> None:
    with planted.ledger.begin() as tx:
        row = {
            "sop_instance_uid": f"{uid}.1", "version": 1, "study_instance_uid": uid, "series_instance_uid": "1", "sop_class_uid": "1",
            "transfer_syntax_uid": "1", "digest": "d", "size": 1, "data_set_offset": 0, "path": "p", "calling_ae_title": "A",
            "address": "a", "received_at": at, "facts": json.dumps(facts),
        }  # fmt: skip
        made = tx.execute(insert(schema.instance).values(**row)).inserted_primary_key[0]
        used = {"revision_id": revision, "instance_id": made, "used": True, "role": "frontal"}
        tx.execute(insert(schema.image_use).values(**used, reason="", explanation=""))


def test_what_a_department_waits_for_is_measured_from_the_last_image(planted: PlantedLedger, served: Served) -> None:
    revision = planted.study("1.2.3")
    _image(planted, revision, "1.2.3", NOW)
    with planted.ledger.begin() as tx:
        for _ in range(2):
            turnaround.measure(tx, revision, "flag", now=NOW + timedelta(seconds=12))
            turnaround.measure(tx, revision, "sr", "to-pacs", now=NOW + timedelta(seconds=100))
    for _ in range(2):
        found = served.metrics()
        flag = {str(b): value(found, "preread_last_image_to_flag_seconds_bucket", le=str(b)) for b in BOUNDS}
        assert flag == {str(b): float(b >= 12) for b in BOUNDS}, "each row is counted once, however often it is asked"
        assert value(found, "preread_last_image_to_sr_stored_seconds_sum", destination="to-pacs") == 100
    with planted.ledger.begin() as tx:
        turnaround.measure(tx, revision, "oru", "to-ris", now=NOW + timedelta(seconds=130))
    assert value(served.metrics(), "preread_last_image_to_oru_acknowledged_seconds_sum", destination="to-ris") == 130


def test_what_nobody_waits_for_is_not_measured(planted: PlantedLedger) -> None:
    """A drawn film of the constancy test, and a result that no new image brought."""
    drawn = planted.study("1.2.4")
    made_by = {"manufacturer": "cxr-preread", "manufacturer_model_name": "phantom"}
    from agent.imaging.facts import PHANTOM, QC_MARK

    made_by = dict(zip(("manufacturer", "manufacturer_model_name"), PHANTOM, strict=True))
    _image(planted, drawn, "1.2.4", NOW, **made_by, patient_id=f"{QC_MARK}1", accession_number=f"{QC_MARK}1")
    again = planted.study("1.2.5")
    _image(planted, again, "1.2.5", NOW - timedelta(days=1))
    with planted.ledger.begin() as tx:
        row = {"study_instance_uid": "1.2.5", "number": 2, "set_key": "x", "study": {}, "created_at": NOW}
        second = tx.execute(insert(schema.study_revision).values(**row)).inserted_primary_key[0]
        tx.execute(update(schema.image_use).where(schema.image_use.c.revision_id == again).values(revision_id=second))
        for revision in (drawn, second):
            turnaround.measure(tx, revision, "flag", now=NOW + timedelta(seconds=5))
        assert tx.execute(select(schema.turnaround)).all() == []


def test_every_number_an_administrator_asks_for_is_there(planted: PlantedLedger, served: Served, site: Site) -> None:
    revision = planted.study("1.2.3")
    planted.delivery(revision, state="parked", words="w")
    planted.delivery(planted.study("1.2.9"), state="delivered", words="w", destination="to-ris")
    planted.job("read", str(revision), state="waiting")
    planted.process("read", "ready")
    (planted.files.root / "quarantine" / "x.dcm").write_bytes(b"12345")
    with planted.ledger.begin() as tx:
        tx.execute(
            insert(schema.reply).values(
                revision_id=revision, task="report", about="", text="t", tokens=40, finished=True, seconds=2.0
            )
        )
        refused = {
            "at": NOW,
            "what": "instance",
            "calling_ae_title": "DOE^JANE",
            "called_ae_title": "P",
            "address": "a",
            "status": "A700",
        }
        tx.execute(insert(schema.refusal).values(**refused, reason="not-an-image", comment="DOE^JANE"))
        tx.execute(insert(schema.refusal).values(**refused, reason="DOE^JANE", comment=""))
        alarms.raise_alarm(tx, "disk-low", "", 1, now=NOW)
    found = served.metrics()
    expected = [
        ("preread_deliveries_open", {"destination": "to-pacs", "state": "parked"}, 1),
        ("preread_deliveries_closed", {"destination": "to-ris", "state": "delivered"}, 1),
        ("preread_backlog_jobs", {"stage": "read", "lane": "", "state": "waiting"}, 1),
        ("preread_model_tokens_total", {"task": "report"}, 40),
        ("preread_model_seconds_total", {"task": "report"}, 2),
        ("preread_refusals_total", {"what": "instance", "reason": "not-an-image"}, 1),
        ("preread_refusals_total", {"what": "instance", "reason": "other"}, 1),
        ("preread_quarantine_bytes", {}, 5),
        ("preread_process_up", {"role": "read"}, 1),
        ("preread_process_up", {"role": "receive"}, 0),
        ("preread_model_loaded", {}, 1),
        ("preread_alarm", {"code": "disk-low", "about": ""}, 1),
        ("preread_ledger_up", {}, 1),
        ("preread_disk_reserve_bytes", {}, 0),
    ]  # fmt: skip
    assert [value(found, name, **labels) for name, labels, _ in expected] == [n for *_, n in expected]
    assert (value(found, "preread_disk_free_bytes") or 0) > 0
    assert (value(found, "preread_backlog_oldest_seconds", stage="read", lane="", state="waiting") or 0) > 0
    assert "DOE" not in ask(url_of(site, "/metrics"))[1]


@given(st.text(max_size=70))
def test_no_free_text_becomes_a_label(text: str) -> None:
    assert code(text) == "other" or (text == text.lower().strip() and not set(text) & set(" ^=\n\"'"))


def test_metrics_beyond_this_machine_need_the_token(site: Site, tmp_path: Path) -> None:
    site.set("web", host="0.0.0.0")
    planted = PlantedLedger(site.settings())
    served = Served(site, planted)
    assert ask(url_of(site, "/metrics"))[0] == 403
    assert ask(url_of(site, "/healthz"))[0] == 200
    served.stop()
    site.set("web", token_file=_secret(tmp_path, "letmein"))
    served = Served(site, planted)
    url = url_of(site, "/metrics")
    told = [ask(url, {"Authorization": a})[0] for a in ("", "Bearer letmein", "Bearer letmei", "letmein")]
    served.stop()
    planted.close()
    assert told == [401, 200, 401, 401]


def test_a_misplaced_password_or_certificate_is_refused(tmp_path: Path) -> None:
    from agent.errors import SettingsError

    file, mail = tmp_path / "settings.toml", "[alarms.mail]\nhost = 'mail'\nfrom = 'a@b'\nto = ['c@d']\n"
    for text, words in (
        (mail + "user = 'u'", "password_file belong together"),
        (mail + "security = 'none'", "this machine"),
        (mail.replace("a@b", "a@b, x@y"), "alarms.mail.from"),
        ("[web]\nport = 11112", "node.port already"),
    ):
        file.write_text(text, encoding="utf-8")
        with pytest.raises(SettingsError, match=words.replace(".", "\\.")):
            load(file)


def test_a_disk_that_fills_is_an_alarm_before_images_are_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.set("storage", reserve_gb=10.0)
    watched = Watched(site)
    for free, standing in ((25e9, [("disk-filling", "")]), (40e9, []), (9e9, [("disk-low", "")])):
        monkeypatch.setattr("shutil.disk_usage", lambda _, free=free: type("Usage", (), {"free": free})())
        watched.look(2)
        assert watched.standing() == standing
