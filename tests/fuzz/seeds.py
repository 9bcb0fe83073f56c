"""One good input for each target, from which a fuzzer finds the others."""

from __future__ import annotations

import json
import struct
from io import BytesIO

from pydicom import Dataset
from pydicom.filewriter import dcmwrite
from pynetdicom import AE, build_context
from pynetdicom.dimse_messages import C_ECHO_RQ, C_STORE_RQ
from pynetdicom.dimse_primitives import C_ECHO, C_STORE
from pynetdicom.pdu import A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import A_ASSOCIATE, ImplementationClassUIDNotification, MaximumLengthNotification

from dicom_nodes.contexts import COMPUTED_RADIOGRAPHY, VERIFICATION
from tests.support.films import small_image
from tests.support.node import encoded

_ACK = "MSH|^~\\&|RIS|H|PREREAD|R|20260101||ACK^R01^ACK|A1|P|2.5.1\rMSA|{}|PR1|words\rERR||OBX^1|{}^x^HL70357|E|||d|u\r"


def seeds_of(name: str) -> list[bytes]:
    """The seeds of that target."""
    made = globals()[name]()
    assert all(isinstance(one, bytes) for one in made)
    return list(made)


def association_request() -> list[bytes]:
    request = A_ASSOCIATE()
    request.application_context_name = "1.2.840.10008.3.1.1.1"
    request.calling_ae_title, request.called_ae_title = "SENDER", "PREREAD"
    contexts = [build_context(COMPUTED_RADIOGRAPHY), build_context(VERIFICATION)]
    for number, context in enumerate(contexts):
        context.context_id = 2 * number + 1
    request.presentation_context_definition_list = contexts
    length, implementation = MaximumLengthNotification(), ImplementationClassUIDNotification()
    length.maximum_length_received = 16382
    implementation.implementation_class_uid = AE().implementation_class_uid
    request.user_information = [length, implementation]
    pdu = A_ASSOCIATE_RQ()
    pdu.from_primitive(request)
    return [pdu.encode()]


def association() -> list[bytes]:
    echo, store = C_ECHO(), C_STORE()
    echo.MessageID, echo.AffectedSOPClassUID = 1, VERIFICATION
    image = small_image()
    store.MessageID, store.Priority = 2, 2
    store.AffectedSOPClassUID, store.AffectedSOPInstanceUID = COMPUTED_RADIOGRAPHY, image.SOPInstanceUID
    store.DataSet = BytesIO(encoded(image)[:2000])
    release = struct.pack(">BxII", 0x05, 4, 0)
    streams = []
    for message, primitive, context in ((C_ECHO_RQ(), echo, 3), (C_STORE_RQ(), store, 1)):
        message.primitive_to_message(primitive)
        pdvs = b"".join(
            struct.pack(">BxIIB", 0x04, len(value) + 5, len(value) + 1, context) + value
            for fragment in message.encode_msg(context, 16382)
            for _, value in fragment.presentation_data_value_list
        )
        streams.append(pdvs)
    return [
        streams[0] + release,
        streams[1] + release,
        streams[0] + streams[1] + release,
        struct.pack(">BxIxxBB", 7, 4, 0, 0),
    ]


def data_set() -> list[bytes]:
    image = small_image(PatientName="Müller^Jürgen", StudyDescription="CHEST")
    return [b"\0" + encoded(image), b"\1" + encoded(image, implicit=True), b"\2x", b"\3" + encoded(image)[:400]]


def commitment_report() -> list[bytes]:
    item, report = Dataset(), Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID, item.FailureReason = "1.2", "1.2.3", 0x0112
    report.TransactionUID, report.ReferencedSOPSequence, report.FailedSOPSequence = "2.25.1", [item], [item]
    buffer = BytesIO()
    dcmwrite(buffer, report, implicit_vr=False, little_endian=True)
    return [buffer.getvalue()]


def acknowledgement() -> list[bytes]:
    return [
        _ACK.format(code, error).encode() for code, error in (("AA", "0"), ("AE", "204"), ("AR", "101"), ("CA", "0"))
    ]


def heard_message() -> list[bytes]:
    from tests.support.hl7_sender import OBR, ORC, PID, header, message, segment

    merge = message(header("ADT^A40", "M1"), PID, segment("MRG", f1="P0^^^^MR"))
    final = message(header("ORU^R01", "M2"), PID, OBR.replace("CR", "") + "|F", segment("OBX", f1="1", f2="TX", f5="x"))
    japanese = message(header("ADT^A08", "M3", character_set="~ISO IR87"), PID)
    return [message(header(), PID, ORC, OBR), merge, final, japanese]


def retraction() -> list[bytes]:
    from structured_report.oru import encode_oru
    from tests.support.reports import images, preread

    parties = {"receiving_application": "RIS", "receiving_facility": "H"}
    own = {"sending_application": "PREREAD", "sending_facility": "R"}
    return [encode_oru(preread(images()), **parties, **own)]


def hl7_text() -> list[bytes]:
    return [b"left | effusion ^ \\ & ~ \r\n second \\X0A\\ \\.br\\ line", "Größe ≥ 3 mm 右 😀".encode()]


def model_reply() -> list[bytes]:
    return [
        b"<think>The heart is large. There is no pneumothorax.</think>\n**Final answer**: \\boxed{There is a small left "
        b"pleural effusion. No pneumothorax. Heart size is normal.}",
        b"\\boxed{\\text{Right upper lobe opacity, unchanged from 2024.}}",
    ]


def model_server() -> list[bytes]:
    top = [{"token": "yes", "logprob": -0.1, "bytes": None}]
    choice = {"index": 0, "message": {"role": "assistant", "content": "yes"}, "finish_reason": "stop"}
    scored = choice | {"logprobs": {"content": [{"token": "yes", "logprob": -0.1, "top_logprobs": top}]}}
    return [
        json.dumps({"id": "1", "choices": [scored], "usage": {"completion_tokens": 1}}).encode(),
        json.dumps({"object": "list", "data": [{"id": "m", "owned_by": "x", "created": 1}]}).encode(),
        json.dumps({"error": {"message": "too long", "code": 400}}).encode(),
    ]


def web_answer() -> list[bytes]:
    study = {"0020000D": {"vr": "UI", "Value": ["1.2.3"]}, "00100010": {"vr": "PN", "Value": [{"Alphabetic": "A^B"}]}}
    return [
        b"--b\r\nContent-Type: application/dicom\r\n\r\nDICM\r\n--b--\r\n",
        b'multipart/related; type="application/dicom"; boundary="b"',
        json.dumps(study).encode(),
    ]


def settings() -> list[bytes]:
    from pathlib import Path

    reference = Path(__file__).parents[2] / "settings.toml"
    small = b'[node]\nae_title = "A"\nport = 104\n[[peers]]\nname = "p"\nae_title = "P"\nhost = "10.0.0.1"\nmay = ["send"]\n'
    return [small, reference.read_bytes()]
