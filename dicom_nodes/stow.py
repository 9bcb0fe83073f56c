"""STOW-RS as user agent (PS3.18 10.5): one object to a DICOMweb service, and what the service says became of it.

What is said of the instance decides, not the status of the response: 202 may mean that nothing of it was stored.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from dicom_nodes.deadline import Deadline
from dicom_nodes.dicomweb import DicomWeb, UnreadableAnswer
from dicom_nodes.status import DUPLICATE_SOP_INSTANCE, SUCCESS

_FAILED, _STORED, _OTHER = "00081198", "00081199", "0008119A"
_INSTANCE, _FAILURE, _WARNING = "00081155", "00081197", "00081196"
_UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, RecursionError, ElementTree.ParseError)
_ACCEPT = "application/dicom+json, application/dicom+xml;q=0.5, application/json;q=0.4"
_ALL_STORED = 200
_DONE = (_ALL_STORED, 202)


@dataclass(frozen=True, slots=True)
class Stored:
    """What a service said of one object.

    Attributes:
        http_status: of the response.
        reason: 0 when it has the object; else the Failure Reason it gives (PS3.18 Table I.2-2, the codes of C-STORE), and
            None when it gives none.
        warning: Warning Reason (PS3.18 Table I.2-1); 0 for none.
    """

    http_status: int
    reason: int | None
    warning: int = 0

    @property
    def accepted(self) -> bool:
        """Whether the service has the object now. A duplicate is the same object: UIDs are derived from the content."""
        return self.reason in (SUCCESS, DUPLICATE_SOP_INSTANCE)

    @property
    def words(self) -> str:
        """The service's answer in its own numbers."""
        said = f"HTTP {self.http_status}"
        if self.reason:
            said += f", Failure Reason {self.reason:04X}"
        return f"{said}, Warning Reason {self.warning:04X}" if self.warning else said


def store(service: DicomWeb, content: bytes, sop_instance_uid: str, *, deadline: Deadline) -> Stored:
    """Store one object.

    Args:
        content: the object as a PS3.10 file.

    Raises:
        NodeError: no answer, or none that can be read: whether it was stored is unknown.
    """
    kind, body = multipart(content)
    answer = service.exchange("POST", "/studies", body, {"Content-Type": kind, "Accept": _ACCEPT}, deadline=deadline)
    failed, stored = _read(answer.content_type, answer.body)
    if sop_instance_uid in failed:
        return Stored(answer.status, failed[sop_instance_uid])
    if sop_instance_uid in stored:
        return Stored(answer.status, SUCCESS, stored[sop_instance_uid])
    if answer.status in _DONE and not failed:
        if answer.status != _ALL_STORED or not _is_readable(answer.content_type, answer.body):
            # The page of a proxy that wants a password, or 202, after which nothing may have been stored.
            words = f"{service.name} answered {answer.status} and does not say what became of the object"
            raise UnreadableAnswer(f"{words}; is its url that of a DICOMweb service?")
        return Stored(answer.status, SUCCESS)  # a response of 200 need not name what it stored
    return Stored(answer.status, next(iter(failed.values()), None))


def multipart(content: bytes) -> tuple[str, bytes]:
    """Content-Type and body with one object (PS3.18 8.6.1.2, RFC 2387)."""
    boundary = secrets.token_hex(16)
    while boundary.encode() in content:
        boundary = secrets.token_hex(16)
    head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode("ascii")
    kind = f'multipart/related; type="application/dicom"; boundary={boundary}'
    return kind, head + content + f"\r\n--{boundary}--\r\n".encode("ascii")


def _is_readable(content_type: str, body: bytes) -> bool:
    """Whether a body is empty, or one of the forms that a service may answer in."""
    try:
        _items(content_type, body)
    except _UNREADABLE:
        return False
    return True


def _items(content_type: str, body: bytes) -> dict[str, list[dict[str, Any]]]:
    return _from_xml(body) if body.strip() and "xml" in content_type.lower() else _from_json(body)


def _read(content_type: str, body: bytes) -> tuple[dict[str, int], dict[str, int]]:
    """(failed, stored): SOP Instance UID -> Failure Reason and Warning Reason of a Store Instances Response Module
    (PS3.18 Table I.2-1); both empty for a body that is none, which some services send with an error."""
    try:
        said = _items(content_type, body)
    except _UNREADABLE:
        return {}, {}
    failed = {i.get(_INSTANCE, ""): int(i.get(_FAILURE) or 0x0110) for i in said.get(_FAILED, [])}
    for item in said.get(_OTHER, []):  # what could not even be named
        failed[""] = int(item.get(_FAILURE) or 0x0110)
    return failed, {i.get(_INSTANCE, ""): int(i.get(_WARNING) or 0) for i in said.get(_STORED, [])}


def _from_json(body: bytes) -> dict[str, list[dict[str, Any]]]:
    """Tag of a sequence -> its items, each as tag -> first value (PS3.18 Annex F.2)."""
    found = json.loads(body) if body.strip() else {}
    if isinstance(found, list):
        found = found[0] if found else {}
    return {
        tag: [{t: (e.get("Value") or [None])[0] for t, e in item.items()} for item in found[tag].get("Value") or []]
        for tag in (_FAILED, _STORED, _OTHER)
        if tag in found
    }


def _from_xml(body: bytes) -> dict[str, list[dict[str, Any]]]:
    """The same from the Native DICOM Model (PS3.19 Annex A.1)."""
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise ValueError("a response with a document type of its own")
    said: dict[str, list[dict[str, Any]]] = {}
    for sequence in ElementTree.fromstring(body):  # noqa: S314  without a document type there are no entities
        items = [i for i in sequence if i.tag.rpartition("}")[2] == "Item"]
        if sequence.get("tag", "").upper() in (_FAILED, _STORED, _OTHER):
            said[sequence.get("tag", "").upper()] = [
                {e.get("tag", "").upper(): next((v.text for v in e if v.text), None) for e in item} for item in items
            ]
    return said
