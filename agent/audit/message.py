"""An event as an audit message: XML by PS3.15 A.5.1."""

from __future__ import annotations

import base64
import re
from datetime import datetime
from xml.etree.ElementTree import Element, SubElement, tostring

from agent.audit.event import About, Actor, AuditEvent, What

_DCM, _RFC = "DCM", "RFC-3881"
# Characters that XML 1.0 has no place for, escaped or not (section 2.2).
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def encode(event: AuditEvent, *, at: datetime, source: str, process: int) -> str:
    """The message.

    Args:
        at: when it happened, aware.
        source: AE title and host of this node.
        process: id of the process that says so.
    """
    message = Element("AuditMessage")
    _identify(message, event, at)
    for actor in event.actors:
        _participant(message, actor, process)
    SubElement(message, "AuditSourceIdentification", AuditSourceID=_plain(source))
    if event.about is not None:
        if event.about.study_instance_uid:
            _study(message, event.about, event.reason)
        if event.about.patient_id:
            _patient(message, event.about.patient_id)
    if event.asked_of:
        _query(message, event.asked_of)
    if event.account:
        _account(message, event.account, event.reason)
    elif event.what is What.SECURITY_ALERT:
        _subject(message, event.reason)
    return tostring(message, encoding="unicode", xml_declaration=False)


def _identify(message: Element, event: AuditEvent, at: datetime) -> None:
    identification = SubElement(
        message,
        "EventIdentification",
        EventActionCode=event.what.action,
        EventDateTime=at.isoformat(timespec="milliseconds"),
        EventOutcomeIndicator=event.outcome.value,
    )
    _coded(identification, "EventID", event.what.code, event.what.meaning)
    if event.kind is not None:
        _coded(identification, "EventTypeCode", *event.kind.value)


def _participant(message: Element, actor: Actor, process: int) -> None:
    attributes = {"UserID": _plain(actor.id) or "unknown", "UserIsRequestor": str(actor.asked).lower()}
    if not actor.address:
        attributes["AlternativeUserID"] = str(process)
    else:
        is_number = actor.address.replace(".", "").isdigit() or ":" in actor.address
        attributes |= {
            "NetworkAccessPointID": _plain(actor.address),
            "NetworkAccessPointTypeCode": "2" if is_number else "1",
        }
    _coded(SubElement(message, "ActiveParticipant", attributes), "RoleIDCode", *actor.role.value)


def _study(message: Element, about: About, action: str) -> None:
    study = _object(message, about.study_instance_uid, "2", "3")
    _coded(study, "ParticipantObjectIDTypeCode", "110180", "Study Instance UID")
    SubElement(study, "ParticipantObjectName").text = _plain(about.study_instance_uid)
    if action:
        detail = base64.b64encode(action.encode()).decode()
        SubElement(study, "ParticipantObjectDetail", type="action", value=detail)
    description = SubElement(study, "ParticipantObjectDescription")
    for uid, count in about.sop_classes:
        SubElement(description, "SOPClass", UID=_plain(uid), NumberOfInstances=str(count))


def _patient(message: Element, patient_id: str) -> None:
    patient = _object(message, patient_id, "1", "1")
    _coded(patient, "ParticipantObjectIDTypeCode", "2", "Patient Number", _RFC)
    SubElement(patient, "ParticipantObjectName").text = ""


def _query(message: Element, model: str) -> None:
    """The keys that were asked for name a patient, and stay out: what is here says that somebody was asked, and of what."""
    query = _object(message, model, "2", "3")
    _coded(query, "ParticipantObjectIDTypeCode", "110181", "SOP Class UID")
    SubElement(query, "ParticipantObjectQuery").text = ""


def _subject(message: Element, reason: str) -> None:
    subject = _object(message, reason or "unknown", "2", "13")
    _coded(subject, "ParticipantObjectIDTypeCode", "110182", "Node ID")
    SubElement(subject, "ParticipantObjectName").text = _plain(reason)


def _account(message: Element, account: str, action: str) -> None:
    """The alert subject (PS3.15 A.5.3.11) when that is a user: a security user entity of RFC 3881 5.5.3, known by user id."""
    subject = _object(message, account, "2", "11")
    _coded(subject, "ParticipantObjectIDTypeCode", "11", "User Identifier", _RFC)
    SubElement(subject, "ParticipantObjectName").text = _plain(account)
    detail = base64.b64encode(action.encode()).decode()
    SubElement(subject, "ParticipantObjectDetail", type="Alert Description", value=detail)


def _object(message: Element, identifier: str, kind: str, role: str) -> Element:
    return SubElement(
        message,
        "ParticipantObjectIdentification",
        ParticipantObjectID=_plain(identifier) or "unknown",
        ParticipantObjectTypeCode=kind,
        ParticipantObjectTypeCodeRole=role,
    )


def _coded(parent: Element, name: str, code: str, meaning: str, system: str = _DCM) -> None:
    SubElement(parent, name, {"csd-code": code, "codeSystemName": system, "originalText": meaning})


def _plain(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)
