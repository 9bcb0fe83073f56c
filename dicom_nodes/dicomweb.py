"""DICOMweb as user agent: QIDO-RS for what a patient has, WADO-RS for one image (PS3.18 10.4 and 10.6).

Nothing is tried again here, redirects are not followed, and no proxy of the environment is used: what is asked names a patient,
and goes where the settings say and nowhere else. PS3.18 puts the keys of a query into its URL; it is never logged, and stands
in no message.
"""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import quote

import httpx2

from dicom_nodes import found
from dicom_nodes.deadline import Deadline
from dicom_nodes.found import Found, FoundImage, FoundSeries, FoundStudy, JsonAnswer, Reader
from dicom_nodes.multipart import MalformedMultipart, parts
from dicom_nodes.query import MOST_ANSWERS, QueryRefused, exact
from dicom_nodes.retrieve import MOST_BYTES, ImageAddress, NotSent, TooLarge
from dicom_nodes.scu import NodeError, PeerSilent, PeerUnreachable, UnusableCertificates
from dicom_nodes.tls import TlsFiles, TlsFilesUnusable, client_context

_CONNECT_S = 10.0
_MOST_JSON = 16_000_000
_JSON = "application/dicom+json"
_DICOM = 'multipart/related; type="application/dicom"; transfer-syntax=*'
T = TypeVar("T")


class UnreadableAnswer(NodeError):
    """What came is not what was asked for."""


@dataclass(frozen=True, slots=True)
class WebPeer:
    """A DICOMweb service.

    Attributes:
        url: of the service, for example ``https://pacs/dicom-web``.
        ca_file: certificates to trust instead of the system's. They are always verified.
        certificate, private_key: what this node shows of itself, where the service wants that.
        token: sent as a bearer token; empty for none.
    """

    name: str
    url: str
    ca_file: Path | None = None
    certificate: Path | None = None
    private_key: Path | None = None
    token: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """Status, Content-Type and body of a response."""

    status: int
    content_type: str
    body: bytes


class DicomWeb:
    """Asks one service. A context manager; leaving it closes the connections. Raises `UnusableCertificates`."""

    def __init__(self, peer: WebPeer) -> None:
        self._peer = peer
        headers = {"User-Agent": "cxr-preread", "Accept-Encoding": "identity"}
        if peer.token:
            headers["Authorization"] = f"Bearer {peer.token}"
        self._client = httpx2.Client(verify=_trust(peer), headers=headers, trust_env=False, follow_redirects=False)

    @property
    def name(self) -> str:
        """What the settings call the service."""
        return self._peer.name

    def __enter__(self) -> DicomWeb:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def find_studies(
        self, patient_id: str, dates: tuple[str, str], *, deadline: Deadline, most: int = MOST_ANSWERS
    ) -> Found[FoundStudy]:
        """The studies of that Patient ID with a Study Date from the first to the last of `dates` (YYYYMMDD).

        Raises:
            UnusableKey: that Patient ID matches others too. QueryRefused: the service's refusal.
            NodeError: no answer, or none that can be read.
        """
        keys = {"PatientID": exact(patient_id, "Patient ID"), "StudyDate": "-".join(dates)}
        return self._find("/studies", keys, found.STUDY_KEYS, found.as_study, deadline, most)

    def find_series(
        self, study_instance_uid: str, *, deadline: Deadline, most: int = MOST_ANSWERS
    ) -> Found[FoundSeries]:
        """The series of a study. Raises as :meth:`find_studies`."""
        path = f"/studies/{_uid(study_instance_uid)}/series"
        return self._find(path, {}, found.SERIES_KEYS, found.as_series, deadline, most)

    def find_images(
        self, study_instance_uid: str, series_instance_uid: str, *, deadline: Deadline, most: int = MOST_ANSWERS
    ) -> Found[FoundImage]:
        """The images of a series. Raises as :meth:`find_studies`."""
        path = f"/studies/{_uid(study_instance_uid)}/series/{_uid(series_instance_uid)}/instances"
        return self._find(path, {}, found.IMAGE_KEYS, found.as_image, deadline, most)

    def get_image(self, address: ImageAddress, file: Path, *, deadline: Deadline, most_bytes: int = MOST_BYTES) -> None:
        """WADO-RS of one image into a file (PS3.10, in the transfer syntax in which the service has it).

        Raises:
            TooLarge: it is longer than `most_bytes`. NotSent: the answer holds no image.
            QueryRefused: the service's refusal. NodeError: no answer, or none that can be read.
        """
        path = (
            f"/studies/{_uid(address.study_instance_uid)}/series/{_uid(address.series_instance_uid)}"
            f"/instances/{_uid(address.sop_instance_uid)}"
        )
        reply = self._get(path, (), _DICOM, deadline, most_bytes)
        try:
            images = [p.body for p in parts(reply.body, reply.content_type)]
        except MalformedMultipart as error:
            raise UnreadableAnswer(f"{self._peer.name}: {error}") from error
        if len(images) != 1:
            raise NotSent(f"{self._peer.name} was asked for one image and sent {len(images)}")
        try:
            file.write_bytes(images[0])
        except OSError as error:
            raise NodeError(f"the image could not be kept ({error.strerror})") from error

    def exchange(
        self,
        method: str,
        path: str,
        content: bytes,
        headers: Mapping[str, str],
        *,
        deadline: Deadline,
        most_bytes: int = _MOST_JSON,
    ) -> Reply:
        """One request with a body, and whatever is answered to it, errors of the service included.

        Raises:
            PeerUnreachable, PeerSilent, TooLarge: no answer, or not a whole one.
        """
        return self._stream(method, path, deadline, most_bytes, content=content, headers=dict(headers))

    def _find(
        self,
        path: str,
        keys: Mapping[str, str],
        wanted: Sequence[str],
        reader: Reader[T],
        deadline: Deadline,
        most: int,
    ) -> Found[T]:
        # One more than wanted: so it shows whether there were more.
        asked = [*keys.items(), *(("includefield", k) for k in wanted), ("limit", str(most + 1))]
        reply = self._get(path, asked, _JSON, deadline, _MOST_JSON)
        if reply.status == 204 or not reply.body.strip():
            return Found((), False, reply.status)
        try:
            rows = json.loads(reply.body)
        except (ValueError, RecursionError) as error:
            raise UnreadableAnswer(f"{self._peer.name} answered a query with something that is not JSON") from error
        if not isinstance(rows, list):
            raise UnreadableAnswer(f"{self._peer.name} answered a query with something that is no list")
        return Found(tuple(reader(JsonAnswer(row)) for row in rows[:most]), len(rows) > most, reply.status)

    def _get(
        self, path: str, asked: Sequence[tuple[str, str]], accept: str, deadline: Deadline, most_bytes: int
    ) -> Reply:
        parameters = httpx2.QueryParams(list(asked))
        reply = self._stream("GET", path, deadline, most_bytes, params=parameters, headers={"Accept": accept})
        if not 200 <= reply.status < 300:
            phrase = httpx2.codes.get_reason_phrase(reply.status)
            raise QueryRefused(f"{self._peer.name} answered {reply.status} {phrase}".rstrip(), status=reply.status)
        return reply

    def _stream(self, method: str, path: str, deadline: Deadline, most_bytes: int, **request: Any) -> Reply:
        left = max(deadline.left(), 0.05)
        timeout = httpx2.Timeout(left, connect=min(_CONNECT_S, left))
        url = self._peer.url.rstrip("/") + path
        try:
            with self._client.stream(method, url, timeout=timeout, **request) as answer:
                body = bytearray()
                for piece in answer.iter_raw():
                    body += piece
                    if len(body) > most_bytes:
                        raise TooLarge(f"{self._peer.name} sent more than {most_bytes // 1_000_000} MB")
                    if deadline.passed:
                        raise PeerSilent(f"{self._peer.name} did not answer in time")
                return Reply(answer.status_code, answer.headers.get("content-type", ""), bytes(body))
        except UnicodeError as error:  # the system's answer to a name that cannot be one
            raise PeerUnreachable(f"{self._peer.name} has a name that cannot be resolved") from error
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise self._mapped(error) from error

    def _mapped(self, error: Exception) -> NodeError:
        if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.UnsupportedProtocol):
            return PeerUnreachable(f"{self._peer.name} {_why(error)}")
        if isinstance(error, httpx2.TimeoutException):
            return PeerSilent(f"{self._peer.name} did not answer in time")
        return PeerSilent(f"{self._peer.name} broke off ({type(error).__name__})")


def _uid(value: str) -> str:
    """A UID as a segment of a path."""
    return quote(exact(value, "UID"), safe="")


def _trust(peer: WebPeer) -> ssl.SSLContext:
    try:
        return client_context(TlsFiles(peer.ca_file, peer.certificate, peer.private_key))
    except TlsFilesUnusable as error:
        raise UnusableCertificates(f"{peer.name}: {error}") from error


def _why(error: BaseException) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"shows a certificate that is not trusted ({cause.verify_message})"
        if isinstance(cause, ssl.SSLError):
            return "does not speak TLS as expected"
        if isinstance(cause, socket.gaierror):
            return "has a name that cannot be resolved"
        if isinstance(cause, OSError) and cause.strerror:
            return f"cannot be reached ({cause.strerror})"
        cause = cause.__cause__ or cause.__context__
    return "cannot be reached"
