"""Command sets: the part of a DIMSE message that says what is wanted. Always Implicit VR Little Endian (PS3.7
6.3.1)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

C_STORE_RQ, C_ECHO_RQ, C_CANCEL_RQ, N_EVENT_REPORT_RQ = 0x0001, 0x0030, 0x0FFF, 0x0100
RESPONSE = 0x8000
NO_DATA_SET = 0x0101
MAX_COMMAND_SET = 64 * 1024

_AFFECTED_SOP_CLASS_UID = 0x0002
_COMMAND_FIELD = 0x0100
_MESSAGE_ID = 0x0110
_MESSAGE_ID_RESPONDED_TO = 0x0120
_COMMAND_DATA_SET_TYPE = 0x0800
_STATUS = 0x0900
_ERROR_COMMENT = 0x0902
_AFFECTED_SOP_INSTANCE_UID = 0x1000
_EVENT_TYPE_ID = 0x1002
_MOVE_ORIGINATOR_AE_TITLE = 0x1030


class MalformedCommand(ValueError):
    """The bytes are not a command set that can be answered."""


@dataclass(frozen=True, slots=True)
class Command:
    """A request. UIDs are as sent, without padding, and may be empty or too long: that is for the service to judge.

    Attributes:
        event_type: Event Type ID of an N-EVENT-REPORT-RQ (PS3.7 10.3.1); 0 in every other command.
        move_originator_ae_title: whose C-MOVE a C-STORE comes of (PS3.7 9.3.1.1); empty when nobody says so.
    """

    field: int
    message_id: int
    has_data_set: bool
    sop_class_uid: str
    sop_instance_uid: str
    event_type: int = 0
    move_originator_ae_title: str = ""


def decode_command(data: bytes) -> Command:
    """Parse a command set.

    Raises:
        MalformedCommand: lengths do not fit, or the Command Field or Message ID is missing.
    """
    elements, position = dict[int, bytes](), 0
    while position < len(data):
        if position + 8 > len(data):
            raise MalformedCommand("the command set ends in the middle of an element")
        group, element, length = struct.unpack_from("<HHI", data, position)
        position += 8
        if group != 0x0000 or position + length > len(data):
            raise MalformedCommand("the command set holds an element of another group or a length beyond its end")
        elements[element] = data[position : position + length]
        position += length
    field = _us(elements, _COMMAND_FIELD)
    return Command(
        field=field,
        message_id=_us(elements, _MESSAGE_ID),
        has_data_set=_us(elements, _COMMAND_DATA_SET_TYPE) != NO_DATA_SET,
        sop_class_uid=_ui(elements, _AFFECTED_SOP_CLASS_UID),
        sop_instance_uid=_ui(elements, _AFFECTED_SOP_INSTANCE_UID),
        event_type=_us(elements, _EVENT_TYPE_ID) if field == N_EVENT_REPORT_RQ else 0,
        move_originator_ae_title=_ui(elements, _MOVE_ORIGINATOR_AE_TITLE).strip(" "),
    )


def encode_response(command: Command, status: int, comment: str = "") -> bytes:
    """The response to a request, without a data set (PS3.7 9.3.1.2, 9.3.5.2, 10.3.1.2).

    Args:
        comment: Error Comment (0000,0902), an LO of at most 64 characters; only the default character repertoire
            survives.
    """
    body = b""
    if command.sop_class_uid:
        body += _element(_AFFECTED_SOP_CLASS_UID, _padded(command.sop_class_uid, b"\0"))
    body += _element(_COMMAND_FIELD, struct.pack("<H", command.field | RESPONSE))
    body += _element(_MESSAGE_ID_RESPONDED_TO, struct.pack("<H", command.message_id))
    body += _element(_COMMAND_DATA_SET_TYPE, struct.pack("<H", NO_DATA_SET))
    body += _element(_STATUS, struct.pack("<H", status))
    if comment:
        body += _element(_ERROR_COMMENT, _padded(comment[:64], b" "))
    if command.sop_instance_uid:
        body += _element(_AFFECTED_SOP_INSTANCE_UID, _padded(command.sop_instance_uid, b"\0"))
    if command.event_type:
        body += _element(_EVENT_TYPE_ID, struct.pack("<H", command.event_type))
    return _element(0x0000, struct.pack("<I", len(body))) + body


def _element(element: int, value: bytes) -> bytes:
    return struct.pack("<HHI", 0x0000, element, len(value)) + value


def _padded(text: str, pad: bytes) -> bytes:
    value = text.encode("ascii", "replace")
    return value + pad if len(value) % 2 else value


def _us(elements: dict[int, bytes], element: int) -> int:
    value = elements.get(element, b"")
    if len(value) != 2:
        raise MalformedCommand(f"(0000,{element:04X}) is missing or not an unsigned short")
    return int(struct.unpack("<H", value)[0])


def _ui(elements: dict[int, bytes], element: int) -> str:
    return elements.get(element, b"").decode("ascii", "replace").rstrip("\0 ")
