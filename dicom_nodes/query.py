"""C-FIND in the study root: which studies a patient has, their series and images (PS3.4 Annex C).

A query has an end: after so many answers the peer is told to stop (C-CANCEL, PS3.7 9.3.2.3), after the deadline the
association is aborted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

from pydicom import Dataset
from pydicom.uid import UID
from pynetdicom.association import Association

from dicom_nodes import found
from dicom_nodes.contexts import STUDY_ROOT_FIND, query_contexts
from dicom_nodes.deadline import Deadline
from dicom_nodes.found import Answer, DatasetAnswer, Found, FoundImage, FoundSeries, FoundStudy, Reader
from dicom_nodes.roles import Peer
from dicom_nodes.scu import NodeError, PeerSilent, associated, who
from dicom_nodes.status import CANCELLED, SUCCESS, is_pending

MOST_ANSWERS = 200
# A peer that goes on after it was told to stop is listened to for so many answers, and then left.
_AFTER_CANCEL = 1000
_UTF_8 = "ISO_IR 192"
# In a key these have a meaning of their own: wild cards, and a list of values (PS3.4 C.2.2.2).
_NOT_IN_A_KEY = "*?\\"
T = TypeVar("T")


class QueryRefused(NodeError):
    """The peer answered with a failure. `status`: a DIMSE status, or that of HTTP."""

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


class UnusableKey(NodeError):
    """A value that cannot be asked for: it would match more than itself, or nothing is left of it."""


def exact(value: str, what: str) -> str:
    """The value, if as a key it matches itself alone.

    Raises:
        UnusableKey: it is empty, or holds a wild card; naming `what`.
    """
    if not value.strip() or any(c in value for c in _NOT_IN_A_KEY):
        raise UnusableKey(
            f"the {what} is empty or holds a character that matches others in a query (* ? or a backslash)"
        )
    return value


def find_studies(
    peer: Peer,
    patient_id: str,
    dates: tuple[str, str],
    *,
    own_ae_title: str,
    deadline: Deadline,
    most: int = MOST_ANSWERS,
) -> Found[FoundStudy]:
    """The studies of that Patient ID with a Study Date from the first to the last of `dates` (YYYYMMDD, both included).

    Raises:
        UnusableKey: that Patient ID matches others too.
        QueryRefused: the peer's failure. NodeError: no association, or none in time.
    """
    keys = {"PatientID": exact(patient_id, "Patient ID"), "StudyDate": "-".join(dates)}
    return find(
        peer, "STUDY", keys, found.STUDY_KEYS, found.as_study, own_ae_title=own_ae_title, deadline=deadline, most=most
    )


def find_studies_of(
    peer: Peer, dates: tuple[str, str], *, own_ae_title: str, deadline: Deadline, most: int
) -> Found[FoundStudy]:
    """Every study with a Study Date from the first to the last of `dates`, whoever it is of. Raises as :func:`find_studies`."""
    keys = {"StudyDate": "-".join(dates)}
    return find(
        peer, "STUDY", keys, found.STUDY_KEYS, found.as_study, own_ae_title=own_ae_title, deadline=deadline, most=most
    )


def find_series(
    peer: Peer, study_instance_uid: str, *, own_ae_title: str, deadline: Deadline, most: int = MOST_ANSWERS
) -> Found[FoundSeries]:
    """The series of a study. Raises as :func:`find_studies`."""
    keys = {"StudyInstanceUID": exact(study_instance_uid, "Study Instance UID")}
    return find(
        peer,
        "SERIES",
        keys,
        found.SERIES_KEYS,
        found.as_series,
        own_ae_title=own_ae_title,
        deadline=deadline,
        most=most,
    )


def find_images(
    peer: Peer,
    study_instance_uid: str,
    series_instance_uid: str,
    *,
    own_ae_title: str,
    deadline: Deadline,
    most: int = MOST_ANSWERS,
) -> Found[FoundImage]:
    """The images of a series. Raises as :func:`find_studies`."""
    keys = {
        "StudyInstanceUID": exact(study_instance_uid, "Study Instance UID"),
        "SeriesInstanceUID": exact(series_instance_uid, "Series Instance UID"),
    }
    return find(
        peer, "IMAGE", keys, found.IMAGE_KEYS, found.as_image, own_ae_title=own_ae_title, deadline=deadline, most=most
    )


def find(
    peer: Peer,
    level: str,
    keys: Mapping[str, str],
    wanted: Sequence[str],
    reader: Reader[T],
    *,
    own_ae_title: str,
    deadline: Deadline,
    most: int,
) -> Found[T]:
    """One C-FIND of the study root. `keys` are matched, `wanted` are asked for."""
    identifier = Dataset()
    identifier.SpecificCharacterSet = _UTF_8
    identifier.QueryRetrieveLevel = level
    for keyword in wanted:
        setattr(identifier, keyword, "")
    for keyword, value in keys.items():
        setattr(identifier, keyword, value)
    return find_with(peer, STUDY_ROOT_FIND, identifier, reader, own_ae_title=own_ae_title, deadline=deadline, most=most)


def find_with(
    peer: Peer,
    model: str,
    identifier: Dataset,
    reader: Reader[T],
    *,
    own_ae_title: str,
    deadline: Deadline,
    most: int,
) -> Found[T]:
    """One C-FIND of that information model with that identifier. Raises `NodeError`."""
    answers: list[T] = []
    last, told_to_stop = (SUCCESS, ""), 0
    with associated(peer, query_contexts(model), own_ae_title, max(deadline.left(), 0.1)) as association:
        for status, comment, answer in _responses(association, peer, model, identifier, deadline):
            last = status, comment
            if not is_pending(status):
                break
            if len(answers) < most:
                if answer is not None:
                    answers.append(reader(answer))
                continue
            if not told_to_stop:
                association.send_c_cancel(1, query_model=UID(model))
            told_to_stop += 1
            if told_to_stop > _AFTER_CANCEL:
                association.abort()
                return Found(tuple(answers), True, CANCELLED, "it went on after it was told to stop")
    if last[0] not in (SUCCESS, CANCELLED):
        raise QueryRefused(f"{who(peer)} answered the query with {last[0]:04X}", status=last[0])
    return Found(tuple(answers), told_to_stop > 0, *last)


def _responses(
    association: Association, peer: Peer, model: str, identifier: Dataset, deadline: Deadline
) -> Iterator[tuple[int, str, Answer | None]]:
    """(status, Error Comment, answer) of each response, within the deadline."""
    association.dimse_timeout = max(deadline.left(), 0.05)
    for status, answer in association.send_c_find(identifier, UID(model), msg_id=1):
        if "Status" not in status:
            raise PeerSilent(f"{who(peer)} did not answer the query in time, or the connection was lost")
        yield int(status.Status), str(status.get("ErrorComment", "") or ""), _answer(answer)
        # pynetdicom waits so long for the next response, however slowly its bytes trickle in.
        association.dimse_timeout = max(deadline.left(), 0.05)


def _answer(identifier: Dataset | None) -> Answer | None:
    """The answer, with its text decoded by the character set that it names. Where it names none although it was asked in
    UTF-8, and what it holds is UTF-8, it is taken as that: many peers repeat what they have without saying in what."""
    if identifier is None:
        return None
    if "SpecificCharacterSet" not in identifier and _is_utf_8(identifier):
        identifier.set_original_encoding(*identifier.original_encoding, character_encoding=["utf8"])
    return DatasetAnswer(identifier)


def _is_utf_8(identifier: Dataset) -> bool:
    raw = b"".join(v for e in identifier.values() if isinstance(v := e.value, bytes))
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return not raw.isascii()
