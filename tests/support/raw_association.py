"""Associations made of bytes, for callers that do what no library lets them do: open a hundred, and drip."""

from __future__ import annotations

import socket
import struct

from dicom_nodes.contexts import COMPUTED_RADIOGRAPHY, IMPLICIT_LE
from tests.support.site import PATIENCE_S

ACCEPTED, REJECTED = 0x02, 0x03  # PDU types of PS3.8 9.3.1
_APPLICATION_CONTEXT = b"1.2.840.10008.3.1.1.1"


def request(calling: str, called: str = "PREREAD") -> bytes:
    """A-ASSOCIATE-RQ (PS3.8 9.3.2) that proposes Computed Radiography in Implicit VR Little Endian."""
    context = bytes((1, 0, 0, 0)) + _item(0x30, COMPUTED_RADIOGRAPHY.encode()) + _item(0x40, IMPLICIT_LE.encode())
    user = _item(0x51, struct.pack(">I", 16_384)) + _item(0x52, b"1.2.3.4")
    items = _item(0x10, _APPLICATION_CONTEXT) + _item(0x20, context) + _item(0x50, user)
    titles = called.ljust(16).encode() + calling.ljust(16).encode() + bytes(32)
    body = struct.pack(">HH", 1, 0) + titles + items
    return struct.pack(">BxI", 0x01, len(body)) + body


def _item(kind: int, content: bytes) -> bytes:
    return struct.pack(">BxH", kind, len(content)) + content


def associate(port: int, calling: str, *, address: str = "127.0.0.1") -> tuple[socket.socket, bytes]:
    """A connection from that address of this machine, and the answer to its request: a whole PDU, or nothing where it was
    closed instead."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S, source_address=(address, 0))
    try:
        connection.sendall(request(calling))
        return connection, _pdu(connection)
    except ConnectionError:
        return connection, b""


def _pdu(connection: socket.socket) -> bytes:
    head = _exactly(connection, 6)
    return head + _exactly(connection, int(struct.unpack(">xxI", head)[0])) if len(head) == 6 else b""


def _exactly(connection: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        piece = connection.recv(count - len(found))
        if not piece:
            return found
        found += piece
    return found
