"""DIMSE status codes of the storage and query/retrieve services: what they mean, and whether trying again can help.

PS3.4 Table B.2-1 (C-STORE), C.4-1, C.4-2 and C.4-3 (C-FIND, C-MOVE, C-GET), and PS3.7 Annex C (general).
"""

from __future__ import annotations

from enum import Enum

SUCCESS = 0x0000  # PS3.7 C.1: for C-STORE it means stored (PS3.4 B.2.2)
OUT_OF_RESOURCES = 0xA700  # PS3.4 B.2-1: refused, out of resources
DATA_SET_DOES_NOT_MATCH = 0xA900  # PS3.4 B.2-1: data set does not match SOP class
CANNOT_UNDERSTAND = 0xC000  # PS3.4 B.2-1
COERCION = 0xB000  # PS3.4 B.2-1, warning: coercion of data elements
ELEMENTS_DISCARDED = 0xB006  # PS3.4 B.2-1, warning
WARNING_DOES_NOT_MATCH = 0xB007  # PS3.4 B.2-1, warning
PROCESSING_FAILURE = 0x0110  # PS3.7 Annex C: general failure of processing the operation
DUPLICATE_SOP_INSTANCE = 0x0111  # PS3.7 Annex C: the SOP Instance UID is already allocated
INVALID_SOP_INSTANCE = 0x0117  # PS3.7 Annex C: the UID implies a violation of the UID construction rules
SOP_CLASS_NOT_SUPPORTED = 0x0122  # PS3.7 Annex C
NOT_AUTHORISED = 0x0124  # PS3.7 Annex C
UNRECOGNISED_OPERATION = 0x0211  # PS3.7 Annex C
PENDING = 0xFF00  # PS3.4 C.4-1: matches, or sub-operations, are continuing
PENDING_KEYS_NOT_SUPPORTED = 0xFF01  # PS3.4 C.4-1: the same, and some optional keys are not matched
CANCELLED = 0xFE00  # PS3.4 C.4-1: terminated due to a cancel request
MOVE_DESTINATION_UNKNOWN = 0xA801  # PS3.4 C.4-2
SUBOPERATIONS_FAILED = 0xA702  # PS3.4 C.4-2: out of resources, unable to perform sub-operations


class Disposition(Enum):
    """What a C-STORE SCU does after an answer."""

    ACCEPTED = "accepted"
    TRY_AGAIN = "try-again"
    GIVE_UP = "give-up"


def classify(status: int) -> Disposition:
    """What the answer to a C-STORE means for the sender.

    Success and warnings mean that the peer has the object. Out of resources (A7xx) and a processing failure pass;
    everything else is about the object or the configuration and stays as it is until a person changes something.
    """
    if status == SUCCESS or status == 0x0001 or status & 0xF000 == 0xB000:
        return Disposition.ACCEPTED
    if status & 0xFF00 == 0xA700 or status == PROCESSING_FAILURE:
        return Disposition.TRY_AGAIN
    return Disposition.GIVE_UP


def is_pending(status: int) -> bool:
    """Whether more answers follow this one."""
    return status in (PENDING, PENDING_KEYS_NOT_SUPPORTED)
