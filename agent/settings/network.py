"""This node, its peers, and where results go."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from agent.settings.beside import Beside
from agent.settings.tls import NodeTls, Tls
from agent.settings.types import AeTitle, Frozen, Host, Line, Name, Number, Port, SomePath, Whole
from agent.settings.web import StowDestinationSettings, WebhookDestinationSettings
from dicom_nodes.roles import Peer
from structured_report.hl7_characters import UTF_8
from structured_report.oru_form import (
    LONGEST_CAP,
    SHORTEST_CAP,
    AcknowledgementMode,
    OruForm,
    PriorityField,
    Status,
    StudyUidForm,
    TextForm,
    Version,
)


class Node(Frozen):
    """This node on the DICOM network."""

    ae_title: AeTitle = "PREREAD"
    host: Host = "0.0.0.0"  # noqa: S104  a PACS must be able to reach it; who may send is decided by `peers`
    port: Port = 11112
    max_associations: Annotated[Whole, Field(ge=1, le=256)] = 16
    network_timeout_s: Annotated[Number, Field(gt=0, le=3600)] = 60.0
    tls: NodeTls | None = None

    @model_validator(mode="after")
    def _two_ports(self) -> Node:
        if self.tls is not None and self.tls.port == self.port:
            raise ValueError(f"tls.port: {self.port} is the port for plain DICOM already; TLS needs one of its own")
        return self


class PeerSettings(Frozen):
    """Another DICOM node and what it may do here."""

    name: Name
    ae_title: AeTitle
    host: Host
    port: Port = 104
    may: frozenset[Literal["send", "receive", "query"]] = frozenset()
    tls: bool = False
    certificate_name: Annotated[Line, Field(max_length=253)] = ""

    @model_validator(mode="after")
    def _looked_at(self) -> PeerSettings:
        if self.certificate_name and not self.tls:
            raise ValueError("certificate_name: without tls = true no certificate is ever looked at")
        return self

    def peer(self, own: NodeTls | None) -> Peer:
        """As the network knows it; `own` says with which certificate this node speaks TLS."""
        files = replace(own.files(), server_name=self.certificate_name or self.host) if self.tls and own else None
        return Peer(self.name, self.ae_title, self.host, self.port, frozenset(self.may), files)


class DicomDestinationSettings(Beside):
    """Structured Reports, and what else is switched on, by C-STORE to a peer."""

    name: Name
    type: Literal["dicom"]
    peer: Name
    commit: bool = False
    commit_deadline_s: Annotated[Number, Field(gt=0, le=7 * 86400)] = 3600.0


class Hl7DestinationSettings(Frozen):
    """ORU^R01 by MLLP."""

    name: Name
    type: Literal["hl7"]
    host: Host
    port: Port
    receiving_application: Annotated[Line, Field(max_length=180)] = "RIS"
    receiving_facility: Annotated[Line, Field(max_length=180)] = ""
    sending_application: Annotated[Line, Field(max_length=180)] = "PREREAD"
    sending_facility: Annotated[Line, Field(max_length=180)] = "RADIOLOGY"
    # R = stored, not verified. With P some archives mark the result as verified, so P is a decision of the site. F
    # does not exist here.
    result_status: Status = "R"
    send_flag: bool = False
    version: Version = "2.5.1"
    text: TextForm = "ft"
    priority_in: frozenset[PriorityField] | None = None
    study_uid_as: StudyUidForm = "st"
    longest_text: Annotated[Whole, Field(ge=SHORTEST_CAP, le=LONGEST_CAP)] = 60_000
    character_set: str = UTF_8
    acknowledgement: AcknowledgementMode = "original"
    tls: Tls | None = None

    @field_validator("character_set")
    @classmethod
    def _is_known(cls, value: str) -> str:
        OruForm(character_set=value)
        return value

    @model_validator(mode="after")
    def _is_a_form(self) -> Hl7DestinationSettings:
        self.form()
        return self

    def form(self) -> OruForm:
        """How the messages for this destination are written. Raises `ValueError` for choices that do not go together."""
        return OruForm(
            version=self.version,
            text=self.text,
            priority_in=self.priority_in,
            study_uid_as=self.study_uid_as,
            longest_text=self.longest_text,
            character_set=self.character_set,
            acknowledgement=self.acknowledgement,
        )


class FolderDestinationSettings(Beside):
    """Every document as a file."""

    name: Name
    type: Literal["folder"]
    path: SomePath


DestinationSettings = Annotated[
    DicomDestinationSettings
    | Hl7DestinationSettings
    | FolderDestinationSettings
    | StowDestinationSettings
    | WebhookDestinationSettings,
    Field(discriminator="type"),
]

DESTINATION_KINDS = {
    "dicom": DicomDestinationSettings,
    "hl7": Hl7DestinationSettings,
    "folder": FolderDestinationSettings,
    "stow": StowDestinationSettings,
    "webhook": WebhookDestinationSettings,
}
