"""A message that shows whether a RIS takes what this program writes, about a patient that nobody is."""

from __future__ import annotations

import tempfile
import uuid
from dataclasses import replace
from pathlib import Path

from agent.delivery.build import build_destinations
from agent.delivery.protocol import OutgoingDocument, Receipt
from agent.errors import Permanent
from agent.papers.example import bare
from agent.reporting.messages import control_id_for, message_for
from agent.settings import Hl7DestinationSettings, Settings
from structured_report.content import Patient

_TRAINING = b"T"  # MSH-11, table 0103
_PROCESSING_ID = 10  # place of MSH-11 in the segment, whose separator is MSH-1
PATIENT = Patient("PREREAD-TEST", "", "Test^Preread", "19000101", "O")


def send_test_message(settings: Settings, name: str) -> Receipt:
    """An ORU^R01 in the form of that destination that says "not analysed", of a test patient and marked as training (MSH-11 T):
    a receiver that keeps to the standard answers and files nothing.

    Raises:
        PrereadError: as `Destination.send`; `Permanent` when there is no such destination.
    """
    wanted = next((d for d in settings.destinations if d.name == name), None)
    if not isinstance(wanted, Hl7DestinationSettings):
        raise Permanent(f"{name} is no destination of HL7 messages", code="not-hl7")
    said = bare()
    about = replace(said.study, study_instance_uid=f"2.25.{uuid.uuid4().int}", patient=PATIENT)
    about = replace(about, order=replace(about.order, accession_number="PREREADTEST"))
    message = replace(said, study=about, sr_instance_uid=f"2.25.{uuid.uuid4().int}")
    content = _as_training(message_for(message, wanted))
    identifier = control_id_for(message, wanted)
    with tempfile.TemporaryDirectory(prefix="preread-test-") as folder:
        path = Path(folder) / "message.hl7"
        path.write_bytes(content)
        document = OutgoingDocument("oru", identifier, path, about.study_instance_uid)
        return build_destinations(settings)[name].send(document)


def _as_training(message: bytes) -> bytes:
    header, _, rest = message.partition(b"\r")
    fields = header.split(b"|")
    fields[_PROCESSING_ID] = _TRAINING
    return b"|".join(fields) + b"\r" + rest
