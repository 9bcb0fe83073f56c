"""Planted names, numbers and dates go through every path, errors included, and come out nowhere but where patients belong: in the
results and in the ledger. Not in a log, a metric, an address or the free text of the audit trail."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import Dataset
from pynetdicom import AE, evt

from agent.commands.common import existing_store
from agent.hl7.listener import MllpListener, acknowledge
from agent.store import audit
from dicom_nodes import scu
from dicom_nodes.contexts import COMPREHENSIVE_3D_SR
from dicom_nodes.roles import Peer
from tests.support.films import save, small_image
from tests.support.hl7_sender import Sender, framed, header, message, segment
from tests.support.site import PATIENCE_S, SENDER, Site, free_port, until
from tests.support.web import WebService

NAMES = ("Geheimnis", "Gertrud", "Zuweiser", "Verdachtswort", "Diagnosewort", "Merkname")
NUMBERS = ("SECRET-ID-4711", "SECRETACC99", "SECRETPLACER", "19331122", "1933-11-22", "OLDSECRET-1")
COMMENT = "Geheimnis^Gertrud SECRET-ID-4711 is not known"  # what a careless PACS or RIS says of a patient


@pytest.fixture
def pacs() -> Iterator[int]:
    """A PACS that refuses, and quotes the patient in its Error Comment."""

    def refuse(_: object) -> Dataset:
        answer = Dataset()
        answer.Status, answer.ErrorComment = 0x0124, COMMENT[:64]
        return answer

    ae = AE(ae_title="PACS")
    ae.add_supported_context(COMPREHENSIVE_3D_SR)
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, refuse)])
    yield int(server.server_address[1])
    server.shutdown()


@pytest.fixture
def program() -> Iterator[WebService]:
    """A program that takes results at one address, and refuses."""
    with WebService(lambda _: (422, "text/plain", COMMENT.encode())) as made:
        yield made


def _refusing(asked: bytes) -> bytes:
    """A RIS that quotes the patient in its refusal."""
    quoted = COMMENT.replace("^", "\\S\\")
    error = f"ERR||PID^1|101^{quoted}^HL70357|E|||{quoted}|{quoted}\r"
    return acknowledge(asked, code="AR", application="RIS", facility="H") + error.encode()


def secrets_in(text: str, *, numbers: bool = True) -> list[str]:
    return [s for s in (*NAMES, *(NUMBERS if numbers else ())) if s.casefold() in text.casefold()]


def test_a_scan_finds_what_was_planted() -> None:
    """It would pass for the wrong reason if it never found anything."""
    assert secrets_in(f"x {COMMENT} x") == ["Geheimnis", "Gertrud", "SECRET-ID-4711"]


def test_nothing_of_a_patient_is_in_logs_metrics_addresses_or_the_audit_trails_words(
    site: Site, pacs: int, program: WebService, tmp_path: Path
) -> None:
    secret, listens, web = tmp_path / "secret", free_port(), free_port()
    secret.write_text("a-secret-of-the-webhook", encoding="utf-8")
    with MllpListener(_refusing) as ris:
        site.set("log", level="debug").set("orders", port=listens, host="127.0.0.1").set("web", port=web)
        site.peer("pacs", "PACS", pacs, ["receive"])
        site.destination(name="to-pacs", type="dicom", peer="pacs")
        site.destination(name="to-ris", type="hl7", host="127.0.0.1", port=ris.port)
        site.destination(name="to-program", type="webhook", url=f"{program.url}/hook", secret_file=str(secret))
        site.destination(name="dead", type="hl7", host="127.0.0.1", port=free_port())
        for role in ("receive", "office"):
            site.serve("--role", role)
        _says(listens)
        uid = _send(site, tmp_path)
        until(lambda: _settled(site, uid), what="every destination has refused or failed")
        pages = [_get(web, page) for page in ("healthz", "readyz", "metrics")]
    site.stop()
    log = site.log.read_text(encoding="utf-8")
    assert uid in log, "the log does speak of the study"
    assert secrets_in(log) == []
    assert secrets_in("\n".join(pages)) == []
    assert secrets_in("\n".join(r.path for r in program.requests)) == []
    assert "a-secret-of-the-webhook" not in log
    ledger, _ = existing_store(site.settings())
    with ledger.read() as view:
        trail = "\n".join(r.message for r in audit.rows(view, most=10_000))
    ledger.close()
    assert "SECRET-ID-4711" in trail, "the standard wants the patient's number there"
    assert secrets_in(trail, numbers=False) == []
    assert [d for d in ("19331122", "SECRETACC99") if d in trail] == []


def _says(port: int) -> None:
    """Orders that are understood, that are not, and that contradict the film."""
    patient = segment("PID", f3="SECRET-ID-4711^^^^MR", f5="Geheimnis^Gertrud", f7="19331122")
    order = (
        segment("ORC", f1="NW", f2="SECRETPLACER", f3="FI1", f12="1^Zuweiser^Zoe"),
        segment("OBR", f1="1", f2="SECRETPLACER", f3="FI1", f4="36643-5^XR^LN", f13="Verdachtswort", f18="SECRETACC99"),
    )
    until(lambda: _is_open(port), what="the node listens")
    with Sender(port) as sender:
        for content in (
            message(header("ORM^O01", "M1"), patient, *order),
            message(header("ORM^O01", "M2"), *order),  # without a patient
            message(
                header("ADT^A08", "M3"), segment("PID", f3="SECRET-ID-4711^^^^MR", f5="Merkname^Maria", f7="19331122")
            ),
            message(header("ADT^A40", "M4"), patient, segment("MRG", f1="OLDSECRET-1^^^^MR")),
            message(header("ZZZ^Z99", "M5"), patient),
            b"Geheimnis^Gertrud is no message",
            message(header("ORM^O01", "M6", character_set="NONSENSE"), patient, *order),
        ):
            sender.send(framed(content)).answer()


def _send(site: Site, folder: Path) -> str:
    """Films that are taken, one that is not, and one with a header that nobody can read."""
    image = small_image(
        PatientName="Geheimnis^Gertrud", PatientID="SECRET-ID-4711", PatientBirthDate="19331122", AccessionNumber="SECRETACC99",
        ReferringPhysicianName="Zuweiser^Zoe", StudyDescription="Diagnosewort", BodyPartExamined="HAND",
    )  # fmt: skip
    node = Peer("node", "PREREAD", "127.0.0.1", site.port, frozenset())
    good = save(image, folder / "film.dcm")
    assert scu.store(node, [good], own_ae_title=SENDER, timeout_s=PATIENCE_S)[0].accepted
    image.PixelData = bytes(len(image.PixelData))
    other = save(image, folder / "other-pixels.dcm")
    assert not scu.store(node, [other], own_ae_title=SENDER, timeout_s=PATIENCE_S)[0].accepted
    return str(image.StudyInstanceUID)


def _settled(site: Site, uid: str) -> bool:
    (line,) = [s for s in site.studies() if s["study_instance_uid"] == uid] or [None]
    if line is None:
        return False
    counts = line["deliveries"]
    return bool(counts.get("parked", 0) >= 3 and counts.get("waiting", 0) >= 1)


def _get(port: int, page: str) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{page}", timeout=PATIENCE_S) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        return error.read().decode()


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
