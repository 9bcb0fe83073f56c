"""Messages about orders, patients and reports that other systems send here (HL7 v2 by MLLP)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator

from agent.settings.tls import Tls
from agent.settings.types import Frozen, Host, Line, Number, Whole
from agent.settings.values import check_networks
from structured_report.hl7_characters import CHARACTER_SETS

AccessionField = Literal["ipc-1", "obr-18", "obr-19", "obr-20", "obr-3", "obr-2", "orc-3", "orc-2"]


class Orders(Frozen):
    """The listener, and how the site writes its messages."""

    host: Host = "0.0.0.0"  # noqa: S104  a RIS must be able to reach it; who may send is decided by `allow` and `tls`
    port: Annotated[Whole, Field(ge=0, le=65535)] = 0
    allow: Annotated[tuple[str, ...], AfterValidator(check_networks)] = ()
    tls: Tls | None = None
    max_connections: Annotated[Whole, Field(ge=1, le=1024)] = 64
    message_timeout_s: Annotated[Number, Field(gt=0, le=600)] = 30.0
    idle_timeout_s: Annotated[Number, Field(gt=0, le=7 * 86400)] = 3600.0
    processing_ids: Annotated[tuple[Literal["P", "T", "D"], ...], Field(min_length=1)] = ("P",)
    character_set: str = ""
    issuer: Annotated[Line, Field(max_length=64)] = ""
    identifier_type: Annotated[Line, Field(min_length=1, max_length=5)] = "MR"
    accession_in: Annotated[tuple[AccessionField, ...], Field(min_length=1)] = ("ipc-1", "obr-18", "obr-3")

    @field_validator("character_set")
    @classmethod
    def _is_known(cls, value: str) -> str:
        if value and value not in CHARACTER_SETS:
            raise ValueError(f'"{value}" is not allowed; allowed: {", ".join(CHARACTER_SETS)}, or nothing')
        return value
