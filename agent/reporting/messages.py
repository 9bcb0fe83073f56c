"""HL7 messages for one destination: its parties, its form, and a control id that stands for exactly that content."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from agent.errors import Permanent
from agent.reading.build import derived_control_id
from agent.settings import DestinationSettings, Hl7DestinationSettings
from structured_report.content import PreRead
from structured_report.oru import encode_oru
from structured_report.oru_fields import IdentifierNotWritable

_WRITTEN = (
    "receiving_application", "receiving_facility", "sending_application", "sending_facility", "result_status", "version", "text",
    "priority_in", "study_uid_as", "longest_text", "character_set", "acknowledgement",
)  # fmt: skip


def control_id_for(preread: PreRead, destination: DestinationSettings) -> str:
    """MSH-10 of the message about that pre-read for that destination: the same as long as the same is written.

    A destination that refused a message may have been given another form since: what it gets then is another message, and
    a receiver that tells duplicates by MSH-10 must not take it for the one it refused.
    """
    return derived_control_id(preread.sr_instance_uid, destination.name, *_unlike_the_default(destination))


def message_for(preread: PreRead, destination: DestinationSettings) -> bytes:
    """The ORU for one destination; a folder gets the neutral form.

    Raises:
        Permanent: the destination's character set cannot hold an identifier of the study.
    """
    named = replace(preread, control_id=control_id_for(preread, destination))
    if not isinstance(destination, Hl7DestinationSettings):
        return encode_oru(
            named,
            sending_application="PREREAD",
            sending_facility="RADIOLOGY",
            receiving_application="",
            receiving_facility="",
        )
    try:
        return encode_oru(
            named,
            sending_application=destination.sending_application,
            sending_facility=destination.sending_facility,
            receiving_application=destination.receiving_application,
            receiving_facility=destination.receiving_facility,
            status=destination.result_status,
            form=destination.form(),
        )
    except IdentifierNotWritable as error:
        raise Permanent(
            f'{destination.name}: {error}, and a different identifier must not be sent; set its character_set to "UNICODE UTF-8", '
            "then: preread retry",
            code="oru-not-writable",
        ) from error


def _unlike_the_default(destination: DestinationSettings) -> list[str]:
    """A digest of what the settings say about how messages are written; nothing where they say nothing."""
    if not isinstance(destination, Hl7DestinationSettings):
        return []
    fields = Hl7DestinationSettings.model_fields
    said = {key: getattr(destination, key) for key in _WRITTEN if getattr(destination, key) != fields[key].default}
    if not said:
        return []
    text = "\0".join(f"{k}={sorted(v) if isinstance(v, frozenset) else v}" for k, v in sorted(said.items()))
    return [hashlib.sha256(text.encode()).hexdigest()]
