"""Who did what must be there afterwards, whole, and say nothing of what was found."""

from __future__ import annotations

import base64
import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree.ElementTree import Element, fromstring

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import DatabaseError

from agent import authority
from agent.audit.event import About, Actor, AuditEvent, Role, What
from agent.audit.message import encode
from agent.audit.syslog import Forwarder, frame
from agent.audit.trail import Trail
from agent.errors import Transient
from agent.settings import Syslog
from agent.store import audit, audit_checks
from agent.store.audit import AuditRow
from agent.store.engine import Ledger
from tests.support.films import small_image
from tests.support.node import Node
from tests.support.site import Site, free_port, until

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
DCM = {"110100", "110103", "110104", "110105", "110106", "110109", "110110", "110112", "110113", "110114"}


def written(ledger: Ledger, count: int) -> None:
    for number in range(count):
        with ledger.begin() as tx:
            Trail("PREREAD", "host").sent(tx, "to-pacs", About(f"1.2.{number}", "P1"), dicom=True, now=NOW)


def messages(ledger: Ledger) -> list[Element]:
    with ledger.read() as view:
        return [fromstring(r.message) for r in audit.rows(view)]


def test_a_whole_trail_is_whole(ledger: Ledger) -> None:
    written(ledger, 3)
    with ledger.read() as view:
        count, head, broken = audit.verify(view)
        last = audit.rows(view)[-1]
    assert (count, head, broken) == (3, last.link, None)


@pytest.mark.parametrize("statement", ["UPDATE audit SET message = 'x' WHERE id = 2", "DELETE FROM audit WHERE id = 2"])
def test_the_database_refuses_to_change_the_trail(ledger: Ledger, statement: str) -> None:
    written(ledger, 3)
    with pytest.raises(DatabaseError, match="only ever added to"), ledger.begin() as tx:
        tx.exec_driver_sql(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET message = replace(message, 'to-pacs', 'nobody') WHERE id = 2",
        "UPDATE audit SET at = '2020-01-01T00:00:00.000000' WHERE id = 2",
        "UPDATE audit SET link = (SELECT link FROM audit WHERE id = 1) WHERE id = 2",
        "DELETE FROM audit WHERE id = 2",
        "DELETE FROM audit WHERE id = 1",
    ],
)
def test_what_was_done_to_the_database_shows(ledger: Ledger, statement: str) -> None:
    written(ledger, 4)
    with ledger.begin() as tx:
        for trigger in ("audit_no_update", "audit_no_delete"):
            tx.exec_driver_sql(f"DROP TRIGGER {trigger}" + (" ON audit" if ledger.place.is_shared else ""))
        tx.exec_driver_sql(statement)
    with ledger.read() as view:
        _, _, broken = audit.verify(view)
    assert broken is not None
    assert broken.id in (2, 3)


def test_the_command_proves_the_chain_and_fails_when_it_is_broken(site: Site) -> None:
    written_by = Ledger(site.settings().database_url)
    written_by.create()
    written(written_by, 2)
    assert "2 messages, whole" in site.run("audit", "verify").stdout
    with written_by.begin() as tx:
        tx.exec_driver_sql("DROP TRIGGER audit_no_update")
        tx.exec_driver_sql("UPDATE audit SET message = '' WHERE id = 1")
    written_by.close()
    done = site.run("audit", "verify")
    assert (done.returncode, "breaks at message 1" in done.stderr) == (1, True)
    assert len(site.json("audit", "list")) == 2


def cut_off(ledger: Ledger, after: int) -> None:
    with ledger.begin() as tx:
        tx.exec_driver_sql("DROP TRIGGER audit_no_delete" + (" ON audit" if ledger.place.is_shared else ""))
        tx.exec_driver_sql(f"DELETE FROM audit WHERE id > {after}")


def proved(ledger: Ledger) -> str:
    """Why the trail is not whole."""
    with ledger.begin() as tx:
        check = audit_checks.proved(tx, "", now=NOW)
        audit_checks.keep(tx, check)
    return check.broken


def test_a_trail_that_was_cut_off_at_its_end_is_not_what_was_proved_before(ledger: Ledger) -> None:
    """What is left is a whole chain, and so it is when it has grown again."""
    written(ledger, 5)
    assert proved(ledger) == ""
    cut_off(ledger, 3)
    words = "message 3: it is the last, and there were 5 when the trail was proved whole on 2026-03-01 12:00 UTC"
    assert proved(ledger) == words
    with ledger.begin() as tx:
        Trail("PREREAD", "host").sent(tx, "another", About("1.9", "P1"), dicom=True, now=NOW)
        Trail("PREREAD", "host").sent(tx, "another", About("1.9", "P1"), dicom=True, now=NOW)
    assert "message 5: it is not the one that was the last" in proved(ledger)


def test_a_trail_that_grows_goes_on_being_whole(ledger: Ledger) -> None:
    for count in (1, 3, 2):
        written(ledger, count)
        assert proved(ledger) == ""


def test_a_trail_that_is_shorter_than_what_was_sent_is_not_whole(ledger: Ledger) -> None:
    written(ledger, 5)
    with ledger.begin() as tx:
        audit.set_forwarded(tx, 5)
    cut_off(ledger, 3)
    assert proved(ledger) == "message 3: it is the last, and the syslog server has been sent 5"


def test_the_command_says_that_the_end_was_cut_off(site: Site) -> None:
    written_by = Ledger(site.settings().database_url)
    written_by.create()
    written(written_by, 4)
    assert site.run("audit", "verify").returncode == 0
    cut_off(written_by, 2)
    written_by.close()
    done = site.run("audit", "verify")
    assert (done.returncode, "there were 4" in done.stderr) == (1, True)


@given(
    st.builds(
        AuditEvent,
        st.sampled_from(What),
        st.lists(st.builds(Actor, st.text(), st.sampled_from(Role), st.text(), st.booleans()), min_size=1).map(tuple),
        about=st.none() | st.builds(About, st.text(), st.text()),
        reason=st.text(),
        asked_of=st.text(),
        account=st.text(),
    )
)
def test_whatever_a_peer_calls_itself_the_message_can_be_read(event: AuditEvent) -> None:
    message = fromstring(encode(event, at=NOW, source="PREREAD@host", process=1))
    (found,) = message.findall("EventIdentification/EventID")
    assert found.get("csd-code") in DCM
    assert len(message.findall("ActiveParticipant")) == len(event.actors)
    assert all(p.get("UserID") for p in message.findall("ActiveParticipant"))
    assert next(e.tag for e in message) == "EventIdentification"
    order = [e.tag for e in message]
    assert order == sorted(order, key=_ORDER.index), "PS3.15 A.5.1 prescribes the order"


_ORDER = ["EventIdentification", "ActiveParticipant", "AuditSourceIdentification", "ParticipantObjectIdentification"]


def test_who_sent_what_and_who_was_not_let_in_is_in_the_trail(tmp_path: Path) -> None:
    node = Node(tmp_path / "node")
    try:
        image = small_image(PatientID="P-77", PatientName="Doe^Jane")
        assert node.send_image(image)[0] == 0
        assert node.associate(calling="STRANGER").is_rejected
        until(lambda: len(messages(node.ledger)) == 2, what="both are written down")
    finally:
        node.stop()
    by_code = {e.get("csd-code"): m for m in messages(node.ledger) if (e := m.find(".//EventID")) is not None}
    came, alert = by_code["110104"], by_code["110113"]
    source = came.find("ActiveParticipant")
    assert source is not None
    assert (source.get("UserID"), source.get("NetworkAccessPointID")) == ("SENDER", "127.0.0.1")
    objects = {o.get("ParticipantObjectID"): o for o in came.findall("ParticipantObjectIdentification")}
    assert set(objects) == {str(image.StudyInstanceUID), "P-77"}
    (counted,) = came.findall(".//SOPClass")
    assert (counted.get("UID"), counted.get("NumberOfInstances")) == (str(image.SOPClassUID), "1")
    assert alert.find("ActiveParticipant").get("UserID") == "STRANGER"  # type: ignore[union-attr]
    assert alert.find("EventIdentification").get("EventOutcomeIndicator") == "4"  # type: ignore[union-attr]
    assert "Doe" not in "".join(r.message for r in _rows(node.ledger)), "no names, no findings, no free text"


def test_who_signed_in_who_could_not_and_whose_rights_were_changed_is_in_the_trail(ledger: Ledger) -> None:
    trail = Trail("PREREAD", "host")
    with ledger.begin() as tx:
        trail.signed_in(tx, "anna", "10.0.0.7", now=NOW)
        trail.not_signed_in(tx, "", "10.0.0.8", now=NOW)
        trail.not_signed_in(tx, "anna", "10.0.0.8", serious=True, now=NOW)
        trail.locked(tx, "anna", "10.0.0.8", now=NOW)
        trail.signed_out(tx, "anna", "10.0.0.7", now=NOW)
        trail.acting("bert", "10.0.0.9").rights_changed(tx, "anna", "role-administrator", roles=True, now=NOW)
    said = [
        (
            m.find(".//EventID").get("csd-code"),  # type: ignore[union-attr]
            m.find(".//EventTypeCode").get("csd-code"),  # type: ignore[union-attr]
            m.find("EventIdentification").get("EventOutcomeIndicator"),  # type: ignore[union-attr]
            m.find("ActiveParticipant").get("UserID"),  # type: ignore[union-attr]
            m.find("ActiveParticipant").get("NetworkAccessPointID"),  # type: ignore[union-attr]
        )
        for m in messages(ledger)
    ]
    assert said == [
        ("110114", "110122", "0", "anna", "10.0.0.7"),
        ("110114", "110122", "4", "unknown", "10.0.0.8"),
        ("110114", "110122", "8", "anna", "10.0.0.8"),
        ("110113", "110137", "4", "unknown", "10.0.0.8"),
        ("110114", "110123", "0", "anna", "10.0.0.7"),
        ("110113", "110136", "0", "bert", "10.0.0.9"),
    ]
    subjects = [
        o.get("ParticipantObjectID") for m in messages(ledger) for o in m.findall("ParticipantObjectIdentification")
    ]
    assert subjects == ["anna", "anna"], "PS3.15 A.5.3.12: User Authentication has no participant object"
    detail = messages(ledger)[-1].find(".//ParticipantObjectDetail")
    assert detail is not None
    assert base64.b64decode(detail.get("value", "")) == b"role-administrator"


def _rows(ledger: Ledger) -> list[AuditRow]:
    with ledger.read() as view:
        return audit.rows(view)


class SyslogSink:
    """A server of RFC 5425: takes frames apart by their count."""

    def __init__(self, folder: Path, port: int) -> None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(folder / "ca.pem"))
        context.load_cert_chain(folder / "log.pem", folder / "log.key")
        context.verify_mode = ssl.CERT_REQUIRED
        self.messages: list[bytes] = []
        self._listener = context.wrap_socket(socket.create_server(("127.0.0.1", port)), server_side=True)
        self._open: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except ssl.SSLError:
                continue
            except OSError:
                return
            self._open.append(connection)
            threading.Thread(target=self._take, args=(connection,), daemon=True).start()

    def _take(self, connection: ssl.SSLSocket) -> None:
        with connection.makefile("rb") as stream:
            try:
                while count := b"".join(iter(lambda: stream.read(1).strip(), b"")):
                    self.messages.append(stream.read(int(count)))
            except (OSError, ValueError):
                return

    def stop(self) -> None:
        self._listener.close()
        for connection in self._open:
            connection.close()


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    folder = tmp_path / "tls"
    now = datetime.now(UTC)
    authority.authority_in(folder, now=now)
    authority.issue(folder, "log", ["127.0.0.1"], days=2, now=now)
    authority.issue(folder, "own", ["127.0.0.1"], days=2, now=now)
    return folder


def test_a_syslog_server_gets_every_message_once_and_what_it_missed_when_it_is_back(
    ledger: Ledger, certificates: Path, tmp_path: Path
) -> None:
    port = free_port()
    files = {
        "ca_file": certificates / "ca.pem",
        "certificate_file": certificates / "own.pem",
        "key_file": certificates / "own.key",
    }
    forwarder = Forwarder(ledger, _Clock(), Syslog(host="127.0.0.1", port=port, tls=files), "host", threading.Event())
    written(ledger, 2)
    with pytest.raises(Transient, match="did not take it"):
        forwarder.forward()
    sink = SyslogSink(certificates, port)
    try:
        assert forwarder.forward()
        until(lambda: len(sink.messages) == 2, what="both have arrived")
        written(ledger, 1)
        assert forwarder.forward()
        assert not forwarder.forward()
        until(lambda: len(sink.messages) == 3, what="the third has arrived")
    finally:
        sink.stop()
    first = sink.messages[0]
    header, _, message = first.partition(b"\xef\xbb\xbf")
    assert header.startswith(b"<85>1 2026-03-01T12:00:00.000000Z host cxr-preread - DICOM+RFC3881 [origin software=")
    assert [f'sequenceId="{n}"'.encode() in m for n, m in enumerate(sink.messages, 1)] == [True] * 3
    assert fromstring(message).tag == "AuditMessage"


def test_a_server_that_is_not_the_one_gets_nothing(ledger: Ledger, certificates: Path, tmp_path: Path) -> None:
    strange, port = tmp_path / "strange", free_port()
    authority.authority_in(strange, now=datetime.now(UTC))
    sink = SyslogSink(certificates, port)
    try:
        files = {
            "ca_file": strange / "ca.pem",
            "certificate_file": certificates / "own.pem",
            "key_file": certificates / "own.key",
        }
        settings = Syslog(host="127.0.0.1", port=port, tls=files)
        written(ledger, 1)
        with pytest.raises(Transient, match=r"unable to get local issuer certificate|self-signed"):
            Forwarder(ledger, _Clock(), settings, "host", threading.Event()).forward()
    finally:
        sink.stop()
    assert sink.messages == []


class _Clock:
    def now(self) -> datetime:
        return NOW


@given(st.integers(1, 2**40), st.text(max_size=200))
def test_a_frame_is_as_long_as_it_says(number: int, message: str) -> None:
    made = frame(AuditRow(number, NOW + timedelta(seconds=1), message, "0" * 64), "host")
    count, _, rest = made.partition(b" ")
    assert int(count) == len(rest)
    assert rest.endswith(message.encode("utf-8", "surrogatepass")) or not message.isprintable()
