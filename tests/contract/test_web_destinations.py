"""Destinations over HTTP: what the other end says of the document decides, and nobody else reads or forges it."""

from __future__ import annotations

import hashlib
import hmac
import json
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import dcmread

from agent.delivery.protocol import OutgoingDocument
from agent.delivery.stow_destination import StowDestination
from agent.delivery.web import _MENDABLE, _PASSING, WebPlace
from agent.delivery.webhook_destination import WebhookDestination
from agent.errors import Permanent, PrereadError, Transient
from dicom_nodes.contexts import COMPREHENSIVE_3D_SR, COMPREHENSIVE_SR
from dicom_nodes.stow import multipart
from structured_report.content import Narrative, Outcome, Patient
from structured_report.result_json import encode_result
from structured_report.sr import encode_sr, file_bytes
from tests.support.commitments import SetClock
from tests.support.reports import TEXTS, images, preread
from tests.support.site import PATIENCE_S, free_port
from tests.support.web import Answer, Archive, Request, WebService, certificates, objects_in

EVIDENCE = images()
VALUE = preread(EVIDENCE)
UID = VALUE.sr_instance_uid
JSON = "application/dicom+json"


@pytest.fixture
def report(tmp_path: Path) -> OutgoingDocument:
    file = tmp_path / "sr.dcm"
    file.write_bytes(file_bytes(encode_sr(VALUE, EVIDENCE)))
    return OutgoingDocument("sr", UID, file, VALUE.study.study_instance_uid)


@pytest.fixture
def result(tmp_path: Path) -> OutgoingDocument:
    file = tmp_path / "result.json"
    file.write_bytes(encode_result(VALUE))
    return OutgoingDocument("json", VALUE.control_id, file, VALUE.study.study_instance_uid)


def said(*, failed: int | None = None, warning: int | None = None, uid: str = UID) -> bytes:
    """A Store Instances Response Module as JSON (PS3.18 Annex I.2)."""
    item: dict[str, Any] = {
        "00081150": {"vr": "UI", "Value": [COMPREHENSIVE_3D_SR]},
        "00081155": {"vr": "UI", "Value": [uid]},
    }
    if failed is not None:
        item["00081197"] = {"vr": "US", "Value": [failed]}
    if warning is not None:
        item["00081196"] = {"vr": "US", "Value": [warning]}
    return json.dumps({"00081199" if failed is None else "00081198": {"vr": "SQ", "Value": [item]}}).encode()


XML = (
    '<?xml version="1.0"?><NativeDicomModel xmlns="http://dicom.nema.org/PS3.19/models/NativeDICOM">'
    f'<DicomAttribute tag="00081198" vr="SQ"><Item number="1"><DicomAttribute tag="00081155" vr="UI"><Value number="1">{UID}'
    '</Value></DicomAttribute><DicomAttribute tag="00081197" vr="US"><Value number="1">42752</Value></DicomAttribute></Item>'
    "</DicomAttribute></NativeDicomModel>"
).encode()


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ((200, JSON, said()), "HTTP 200"),
        ((200, "", b""), "HTTP 200"),
        ((200, JSON, b"[]"), "HTTP 200"),
        ((202, JSON, said(warning=0xB006)), "HTTP 202, Warning Reason B006"),
        ((409, JSON, said(failed=0x0111)), "HTTP 409, Failure Reason 0111"),
        ((200, "text/html", b"<html>Please sign in</html>"), Transient),
        ((202, "", b""), Transient),
        ((202, JSON, b"[]"), Transient),
        ((202, JSON, said(failed=0xA700)), Transient),
        ((200, JSON, said(failed=0x0110)), Transient),
        ((202, "application/dicom+xml", XML), Transient),
        ((409, JSON, said(failed=0xA900)), Permanent),
        ((409, JSON, said(failed=0xC000)), Permanent),
        ((409, JSON, said(failed=0xC122)), Permanent),
        ((200, JSON, said(failed=0xA900, uid="2.25.1")), Permanent),
        ((409, "text/html", b"<html>"), Permanent),
        ((400, JSON, b"{"), Permanent),
        ((415, "", b""), Permanent),
        ((404, "text/html", b"not here"), Permanent),
        ((301, "", b""), Permanent),
        ((401, "", b""), Transient),
        ((403, "", b""), Transient),
        ((429, "", b""), Transient),
        ((500, "", b"oops"), Transient),
        ((503, "", b""), Transient),
    ],
)
def test_what_the_archive_says_of_the_report_decides(
    report: OutgoingDocument, answer: Answer, outcome: str | type[PrereadError]
) -> None:
    """202 is no success, and 409 no failure: the item of the instance is what counts. The page of a proxy is no archive."""
    with WebService(lambda _: answer) as archive:
        destination = StowDestination(WebPlace("to-archive", archive.url, PATIENCE_S))
        if isinstance(outcome, str):
            assert destination.send(report).words == outcome
        else:
            with pytest.raises(outcome) as error:
                destination.send(report)
            assert str(answer[0]) in str(error.value), "the status is there for the administrator"


def test_the_archive_gets_the_file_as_it_is(report: OutgoingDocument) -> None:
    with Archive() as archive:
        StowDestination(WebPlace("to-archive", f"{archive.url}/dicom-web/", PATIENCE_S)).send(report)
        (request,) = archive.requests
        assert request.path == "/dicom-web/studies", "and nothing of the patient or the study stands in the URL"
        assert archive.kept == {UID: report.path.read_bytes()}


def test_an_archive_that_knows_no_3d_sr_gets_comprehensive_sr(report: OutgoingDocument) -> None:
    def answer(request: Request) -> Answer:
        (content,) = objects_in(request)
        new = dcmread(BytesIO(content)).SOPClassUID == COMPREHENSIVE_3D_SR
        return (409, JSON, said(failed=0x0122)) if new else (200, JSON, said())

    with WebService(answer) as archive:
        receipt = StowDestination(WebPlace("to-archive", archive.url, PATIENCE_S)).send(report)
        assert receipt.words == "HTTP 200 as Comprehensive SR"
        (last,) = objects_in(archive.requests[-1])
        assert dcmread(BytesIO(last)).SOPClassUID == COMPREHENSIVE_SR


@given(st.binary(max_size=300))
def test_any_bytes_are_one_part_of_the_body(content: bytes) -> None:
    from dicom_nodes.multipart import parts

    kind, body = multipart(content)
    assert [p.body for p in parts(body, kind)] == [content]


@settings(max_examples=60)
@given(st.binary(max_size=200), st.sampled_from([JSON, "application/dicom+xml", "text/html", ""]))
def test_an_answer_of_any_bytes_is_an_answer(body: bytes, kind: str) -> None:
    from dicom_nodes.stow import _read

    failed, stored = _read(kind, body)
    assert isinstance(failed, dict)
    assert isinstance(stored, dict)


def test_a_token_is_read_anew_for_every_document(report: OutgoingDocument, tmp_path: Path) -> None:
    token = tmp_path / "token"
    with Archive() as archive:
        destination = StowDestination(WebPlace("to-archive", archive.url, PATIENCE_S, token_file=token))
        with pytest.raises(Transient, match="token cannot be read"):
            destination.send(report)
        for value in ("first", "second"):
            token.write_text(f"{value}\n", encoding="ascii")
            destination.send(report)
        assert [r.headers["Authorization"] for r in archive.requests] == ["Bearer first", "Bearer second"]


@pytest.fixture(scope="module")
def trusted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    return certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def mutual(trusted: tuple[Path, Path, Path]) -> Iterator[WebService]:
    """A service that shows a certificate of the test's authority and wants to see one of it."""
    ca, own, key = trusted
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(ca))
    context.load_cert_chain(str(own), str(key))
    context.verify_mode = ssl.CERT_REQUIRED
    with WebService(lambda _: (200, "", b""), context) as service:
        yield service


def test_who_is_not_trusted_gets_nothing(
    mutual: WebService, report: OutgoingDocument, trusted: tuple[Path, Path, Path]
) -> None:
    ca, own, key = trusted
    whole = WebPlace("to-archive", mutual.url, PATIENCE_S, ca_file=ca, certificate_file=own, key_file=key)
    assert StowDestination(whole).send(report).words == "HTTP 200"
    asked = len(mutual.requests)
    for place in (
        WebPlace("to-archive", mutual.url, PATIENCE_S),
        WebPlace("to-archive", mutual.url, PATIENCE_S, ca_file=ca),
    ):
        with pytest.raises(Transient):
            StowDestination(place).send(report)
    with pytest.raises(Transient, match=r"ca_file .* cannot be used: no certificate in PEM"):
        StowDestination(WebPlace("to-archive", mutual.url, PATIENCE_S, ca_file=key)).send(report)
    assert len(mutual.requests) == asked


def test_a_program_can_tell_that_a_result_is_ours_and_new(result: OutgoingDocument, tmp_path: Path) -> None:
    secret, clock = tmp_path / "secret", SetClock()
    secret.write_bytes(b"correct horse battery\n")
    with WebService(lambda _: (202, "", b"")) as program:
        destination = WebhookDestination(WebPlace("to-program", f"{program.url}/hook", PATIENCE_S), secret, clock)
        assert destination.send(result).words == "HTTP 202"
        clock.go(seconds=60)
        destination.send(result)
        first, again = program.requests
    for request, seconds in ((first, 0), (again, 60)):
        moment = request.headers["Preread-Timestamp"]
        assert datetime.fromtimestamp(int(moment), UTC) == datetime(2026, 3, 1, 12, seconds // 60, tzinfo=UTC)
        signed = hmac.new(b"correct horse battery", f"{moment}.".encode() + request.body, hashlib.sha256)
        assert request.headers["Preread-Signature"] == f"v1={signed.hexdigest()}"
    assert first.body == again.body
    assert first.headers["Idempotency-Key"] == again.headers["Idempotency-Key"] == VALUE.control_id


def test_a_webhook_says_nothing_of_the_patient_outside_the_body(result: OutgoingDocument, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"x")
    with WebService(lambda _: (200, "", b"")) as program:
        WebhookDestination(WebPlace("to-program", f"{program.url}/hook", PATIENCE_S), secret).send(result)
        (request,) = program.requests
    assert request.path == "/hook"
    outside = str(request.headers)
    for private in (VALUE.study.patient.patient_id, "Müller", "19600101", "ACC0001", VALUE.study.study_instance_uid):
        assert private not in outside
    assert json.loads(request.body)["study"]["patient"]["name"] == "Müller^Jürgen"


@pytest.mark.parametrize(
    ("status", "error"),
    [(301, Permanent), (400, Permanent), (401, Transient), (404, Permanent), (409, Permanent), (410, Permanent),
     (413, Permanent), (429, Transient), (500, Transient), (503, Transient)],
)  # fmt: skip
def test_the_status_of_the_program_decides(
    result: OutgoingDocument, tmp_path: Path, status: int, error: type[PrereadError]
) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"x")
    with WebService(lambda _: (status, "", b"")) as program, pytest.raises(error, match=str(status)):
        WebhookDestination(WebPlace("to-program", program.url, PATIENCE_S), secret).send(result)


def test_without_its_secret_nothing_is_sent(result: OutgoingDocument, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    destination = WebhookDestination(WebPlace("to-program", f"http://127.0.0.1:{free_port()}", 1.0), secret)
    for content in (None, b"", b"  \n", b"two\nlines"):
        if content is not None:
            secret.write_bytes(content)
        with pytest.raises(Transient) as error:
            destination.send(result)
        assert error.value.code == "secret-unreadable"


@settings(max_examples=60)
@given(TEXTS, st.text(max_size=40))
def test_any_text_goes_into_a_result_and_comes_out_of_it(text: str, name: str) -> None:
    from structured_report.text import normalise_text

    value = preread(EVIDENCE, narrative=Narrative(text, text, text), patient=Patient("P", "H", name))
    found = json.loads(encode_result(value))
    assert found["narrative"]["findings"] == normalise_text(text)
    assert found["study"]["patient"]["name"] == name
    assert (found["status"], found["format"]) == ("unverified", "cxr-preread.result/1")
    assert found["banner"].startswith("AI PRE-READ")


def test_the_webhook_is_described_as_it_is() -> None:
    page = (Path(__file__).parents[2] / "docs" / "webhook.md").read_text(encoding="utf-8")
    result = json.loads(encode_result(VALUE))
    for word in (*result, *result["findings"][0], *result["narrative"], "Preread-Timestamp", "Preread-Signature"):
        assert f"`{word}`" in page, f"docs/webhook.md says nothing of {word}"
    for outcome in set(Outcome) - {Outcome.FLAGGED}:
        assert f"`{outcome}`" in page, f"docs/webhook.md says nothing of {outcome}"
    for status in (*_MENDABLE, *_PASSING):
        assert str(status) in page
