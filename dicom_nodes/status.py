"""DIMSE status codes of the storage, storage commitment and query/retrieve services: what they mean, and whether trying
again can help.

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
NO_SUCH_OBJECT_INSTANCE = 0x0112  # PS3.7 Annex C; PS3.3 C.14.1.1: in a commitment, the peer does not have it
INVALID_ARGUMENT = 0x0115  # PS3.7 Annex C: a parameter value is out of range, here a transaction nobody began
INVALID_SOP_INSTANCE = 0x0117  # PS3.7 Annex C: the UID implies a violation of the UID construction rules
CLASS_INSTANCE_CONFLICT = 0x0119  # PS3.7 Annex C; PS3.3 C.14.1.1: the instance is of another SOP class
SOP_CLASS_NOT_SUPPORTED = 0x0122  # PS3.7 Annex C; PS3.3 C.14.1.1: it does not commit that class
NOT_AUTHORISED = 0x0124  # PS3.7 Annex C
DUPLICATE_TRANSACTION_UID = 0x0131  # PS3.3 C.14.1.1
UNRECOGNISED_OPERATION = 0x0211  # PS3.7 Annex C
RESOURCE_LIMITATION = 0x0213  # PS3.7 Annex C
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


FAILURE_REASONS = {
    PROCESSING_FAILURE: "processing failure",
    NO_SUCH_OBJECT_INSTANCE: "no such object instance",
    RESOURCE_LIMITATION: "resource limitation",
    SOP_CLASS_NOT_SUPPORTED: "referenced SOP class not supported",
    CLASS_INSTANCE_CONFLICT: "class / instance conflict",
    DUPLICATE_TRANSACTION_UID: "duplicate transaction UID",
}
_PASSING = (PROCESSING_FAILURE, NO_SUCH_OBJECT_INSTANCE, RESOURCE_LIMITATION, DUPLICATE_TRANSACTION_UID)


def failure_words(reason: int) -> str:
    """A Failure Reason (0008,1197) as the standard writes it and means it (PS3.3 C.14.1.1)."""
    return f"{reason:04X} {FAILURE_REASONS.get(reason, 'a reason of its own')}"


def classify_commitment(reason: int) -> Disposition:
    """What a Failure Reason of a storage commitment, or the status of the N-ACTION that asks for one, means for the one
    that asked: what was lost or could not be done just then is sent and asked for again (PS3.4 J.3.3, J.3.2.1.4)."""
    if reason == SUCCESS:
        return Disposition.ACCEPTED
    return Disposition.TRY_AGAIN if reason in _PASSING else Disposition.GIVE_UP
