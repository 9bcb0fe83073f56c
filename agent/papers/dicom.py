"""What this node accepts, proposes and answers, from the tables that it negotiates with."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydicom.uid import UID
from pynetdicom import PYNETDICOM_IMPLEMENTATION_UID, PYNETDICOM_IMPLEMENTATION_VERSION
from pynetdicom.presentation import PresentationContext, build_context

from agent.delivery.dicom_destination import BESIDE, FORMS
from agent.imaging.characters import WHOLE_SETS, extended_sets
from agent.intake.listen import node_contexts
from agent.papers.blocks import MissingRow, table
from agent.settings import Node, Settings
from dicom_nodes import contexts, roles, scp, status, upper_layer
from dicom_nodes.contexts import (
    MODALITY_WORKLIST_FIND,
    STORAGE_COMMITMENT,
    STUDY_ROOT_FIND,
    STUDY_ROOT_MOVE,
    UNCOMPRESSED,
    VERIFICATION,
)
from dicom_nodes.roles import Rejection
from dicom_nodes.status import DUPLICATE_SOP_INSTANCE, Disposition, classify, classify_commitment, is_pending

ALWAYS, _SCP_OF_IMAGES = "always", "SCP of the images"
_DICOM_DESTINATION = {"name": "d", "type": "dicom", "peer": "p", "commit": True}
_RECEIVER = {"name": "p", "ae_title": "P", "host": "192.0.2.1", "may": ["receive"]}
# What of the settings makes this node accept more, in words, and settings that have it.
SWITCHES: tuple[tuple[str, dict[str, Any]], ...] = (
    (ALWAYS, {}),
    ("`intake.secondary_capture = true`", {"intake": {"secondary_capture": True}}),
    ("a destination with `commit = true`, from the peer it is sent to", {"peers": [_RECEIVER], "destinations": [_DICOM_DESTINATION]}),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Accepted:
    """A presentation context that is accepted, and when."""

    context: PresentationContext
    when: str


@dataclass(frozen=True, slots=True)
class Proposed:
    """Presentation contexts that are proposed together, and for what. `roles`: what is said of roles (PS3.7 D.3.3.4)."""

    what: str
    when: str
    contexts: tuple[PresentationContext, ...]
    roles: str = "SCU"


def accepted() -> tuple[Accepted, ...]:
    """Everything that this node accepts under any settings, each with the first switch that brings it."""
    found: dict[str, Accepted] = {}
    for words, values in SWITCHES:
        for context in node_contexts(Settings(**values)):
            found.setdefault(str(context.abstract_syntax), Accepted(context, words))
    return tuple(found.values())


def proposed() -> tuple[Proposed, ...]:
    """Everything that this node proposes."""

    def plain(*uids: str) -> tuple[PresentationContext, ...]:
        return tuple(build_context(uid, list(UNCOMPRESSED)) for uid in uids)

    return (
        Proposed("Verification", "`preread echo`, `preread doctor`", plain(VERIFICATION)),
        Proposed(
            "Storage of the report: the first that is accepted is sent",
            "a destination of type `dicom`",
            plain(*FORMS),
        ),
        *(
            Proposed(f"Storage of a {name} beside the report", f"... with `{switch} = true`", plain(uid))
            for uid, name, switch in BESIDE.values()
        ),
        Proposed("Request of a storage commitment", "... with `commit = true`", plain(STORAGE_COMMITMENT)),
        Proposed(
            "Search for earlier films, or for what is missing",
            "`priors.from` names a peer; `preread reconcile`",
            contexts.query_contexts(STUDY_ROOT_FIND),
        ),
        Proposed(
            "Retrieval by C-GET, each transfer syntax in a context of its own",
            '`priors.retrieve = "get"`',
            contexts.get_contexts(secondary_capture=True),
            f"SCU of the query model, {_SCP_OF_IMAGES}; Secondary Capture with `intake.secondary_capture`",
        ),
        Proposed(
            "Retrieval by C-MOVE",
            '`priors.retrieve = "move"`; `preread reconcile --fetch`',
            contexts.query_contexts(STUDY_ROOT_MOVE),
        ),
        Proposed("Modality worklist", "`worklist.from` names a peer", contexts.query_contexts(MODALITY_WORKLIST_FIND)),
    )  # fmt: skip


def check_complete() -> None:
    """Raises `MissingRow` when `dicom_nodes.contexts` names a SOP class that no table of the papers has."""
    known = {str(a.context.abstract_syntax) for a in accepted()}
    known |= {str(c.abstract_syntax) for p in proposed() for c in p.contexts}
    for name, value in sorted(vars(contexts).items()):
        if name.isupper() and isinstance(value, str) and _is_sop_class(value) and value not in known:
            raise MissingRow(
                f"{name} of dicom_nodes.contexts is in no table; add it to proposed() in agent/papers/dicom.py"
            )


def _is_sop_class(uid: str) -> bool:
    return UID(uid).type in ("SOP Class", "Meta SOP Class")


def accepted_table() -> str:
    check_complete()
    rows = (
        (
            UID(str(a.context.abstract_syntax)).name,
            f"`{a.context.abstract_syntax}`",
            _all_or_plain(a.context),
            "SCU, by role selection" if a.context.scp_role else "SCP",
            a.when,
        )
        for a in accepted()
    )
    return table(("Abstract syntax", "UID", "Transfer syntaxes", "Role of this node", "Accepted"), rows)


def _all_or_plain(context: PresentationContext) -> str:
    offered = [str(t) for t in context.transfer_syntax]
    if offered == [t.uid for t in contexts.TRANSFER_SYNTAXES]:
        return "all of the table below"
    return ", ".join(UID(t).name for t in offered)


def syntaxes_table() -> str:
    rows = ((t.name, f"`{t.uid}`", "yes" if t.compressed else "no") for t in contexts.TRANSFER_SYNTAXES)
    return table(("Transfer syntax", "UID", "Encapsulated"), rows)


def proposed_table() -> str:
    check_complete()
    rows = []
    for p in proposed():
        for uid, syntaxes in _grouped(p.contexts):
            names = "each of the table above" if len(syntaxes) > 2 else ", ".join(UID(t).name for t in syntaxes)
            rows.append((p.what, UID(uid).name, f"`{uid}`", names, p.roles, p.when))
    return table(("For", "Abstract syntax", "UID", "Transfer syntaxes", "Role of this node", "When"), rows)


def _grouped(several: Sequence[PresentationContext]) -> list[tuple[str, list[str]]]:
    found: dict[str, list[str]] = {}
    for context in several:
        found.setdefault(str(context.abstract_syntax), []).extend(str(t) for t in context.transfer_syntax)
    return list(found.items())


def services_table() -> str:
    """The overview: one row a SOP class, and in which roles."""
    as_scp = {str(a.context.abstract_syntax): not a.context.scp_role for a in accepted()}
    as_scu = {str(c.abstract_syntax): False for p in proposed() for c in p.contexts}
    sub_operations = set[str]()
    for p in proposed():
        for uid in (str(c.abstract_syntax) for c in p.contexts):
            if _SCP_OF_IMAGES in p.roles and uid in as_scp:
                sub_operations.add(uid)
            else:
                as_scu[uid] = True
    rows = []
    for uid in dict.fromkeys((*as_scp, *as_scu)):
        sub_operation, scu = uid in sub_operations, as_scu.get(uid, False)
        received = "yes, C-GET included" if sub_operation else "yes" if as_scp.get(uid) else "no"
        rows.append((UID(uid).name, f"`{uid}`", "yes" if scu else "no", received))
    return table(("SOP class", "UID", "SCU", "SCP"), rows)


@dataclass(frozen=True, slots=True)
class Status:
    """One status of `dicom_nodes.status`: name, code, and what its line says of it."""

    name: str
    code: int
    words: str


_STATUS = re.compile(r"^([A-Z_]+) = 0x([0-9A-F]{4})  # (.+)$", re.MULTILINE)


def statuses() -> tuple[Status, ...]:
    """Every status, as the module has it. Raises `MissingRow` for one without words."""
    found = tuple(Status(n, int(c, 16), w) for n, c, w in _STATUS.findall(inspect.getsource(status)))
    codes = {n for n, v in vars(status).items() if n.isupper() and type(v) is int}
    if silent := sorted(codes - {s.name for s in found}):
        raise MissingRow(f"{', '.join(silent)} of dicom_nodes.status has no words after it on its line")
    return found


# What this node answers as SCP: (service, name of the status, when).
ANSWERS = (
    ("C-ECHO", "SUCCESS", "always"),
    ("C-STORE", "SUCCESS", "the image is on the disk (fsync, rename, fsync of the folder) and in the ledger, or was already"),
    ("C-STORE", "OUT_OF_RESOURCES", "less free space than `storage.reserve_gb`, or files or ledger cannot be written: send again later"),
    ("C-STORE", "DATA_SET_DOES_NOT_MATCH", "SOP class or instance differs between command and data set; the bytes are quarantined"),
    ("C-STORE", "CANNOT_UNDERSTAND", "unparsable, truncated, no pixel data, no or no valid UIDs, or a picture of ours; quarantined"),
    ("C-STORE", "DUPLICATE_SOP_INSTANCE", "another image with this SOP Instance UID is kept; the first stays, the bytes are quarantined"),
    ("C-STORE", "SOP_CLASS_NOT_SUPPORTED", "the SOP class is not that of the presentation context; quarantined"),
    ("N-EVENT-REPORT", "SUCCESS", "the answer of a storage commitment is written down"),
    ("N-EVENT-REPORT", "INVALID_ARGUMENT", "no such transaction, or no Event Information of a storage commitment"),
    ("N-EVENT-REPORT", "PROCESSING_FAILURE", "it cannot be written down at the moment: report again later"),
    ("C-STORE sub-operation of a C-GET of ours", "SUCCESS", "the image that was asked for is kept"),
    ("C-STORE sub-operation of a C-GET of ours", "NOT_AUTHORISED", "an image that was not asked for"),
    ("C-STORE sub-operation of a C-GET of ours", "OUT_OF_RESOURCES", "it cannot be written to the disk"),
    ("any other", "UNRECOGNISED_OPERATION", "the operation is none of these"),
)  # fmt: skip


def answers_table() -> str:
    by_name = {s.name: s for s in statuses()}
    rows = ((service, f"{by_name[name].code:04X}", when) for service, name, when in ANSWERS)
    return table(("Operation", "Status", "When"), rows)


_MEANS = {
    Disposition.ACCEPTED: "delivered",
    Disposition.TRY_AGAIN: "the same object again, later and later, for `delivery.give_up_after_h`",
    Disposition.GIVE_UP: "parked, shown to a person, until `preread retry`",
}
_OF_QUERIES = ("PENDING", "PENDING_KEYS_NOT_SUPPORTED", "CANCELLED", "MOVE_DESTINATION_UNKNOWN", "SUBOPERATIONS_FAILED")
_RANGES = (("A7xx", 0xA7FF), ("A9xx", 0xA9FF), ("Bxxx", 0xBFFF), ("Cxxx", 0xCFFF), ("any other", 0x0999))


def store_answers_table() -> str:
    """What every answer to a C-STORE of ours leads to."""
    rows = [(f"{s.code:04X}", s.words, _behaviour(s.code)) for s in statuses() if s.name not in _OF_QUERIES]
    rows += [(words, "the rest of the range", _behaviour(code)) for words, code in _RANGES]
    return table(("Status", "Meaning", "Behaviour"), rows)


def _behaviour(code: int) -> str:
    if code == DUPLICATE_SOP_INSTANCE:  # the UID is derived from the content, and stands for nothing else
        return "delivered: the peer has it already"
    return _MEANS[classify(code)]


def commitment_table() -> str:
    """What a Failure Reason, or the status of the N-ACTION, leads to."""
    rows = [(f"{code:04X}", words, _MEANS[classify_commitment(code)]) for code, words in status.FAILURE_REASONS.items()]
    return table(("Failure Reason", "Meaning", "Behaviour"), [*rows, ("any other", "", _MEANS[Disposition.GIVE_UP])])


def query_table() -> str:
    known = [s for s in statuses() if s.name in _OF_QUERIES or s.code == 0]
    rows = [(f"{s.code:04X}", s.words, "more is awaited" if is_pending(s.code) else _end(s.code)) for s in known]
    return table(("Status", "Meaning", "Behaviour"), [*rows, ("any other", "", _end(1))])


def _end(code: int) -> str:
    return (
        "the answer is complete"
        if code in (0, status.CANCELLED)
        else "there is no earlier film, or no order; the study is read"
    )


_WHY = {
    "called-ae-title-not-recognised": "the called AE title is not `node.ae_title`",
    "calling-ae-title-not-recognised": "no peer has the calling AE title",
    "calling-address-not-recognised": "a peer has that AE title, and another address",
    "tls-required": "the peer has `tls = true`, and called in the clear",
    "certificate-of-another": "over TLS: the certificate does not stand for that peer, or the peer has no `tls`",
    "peer-may-not-send": "the peer may neither send nor answer a commitment",
    "application-context-not-supported": "another application context than that of DICOM",
    "too-many-associations": "`node.max_associations` are open, or all but a quarter of them by this caller",
}


def rejections_table() -> str:
    """Every A-ASSOCIATE-RJ. Raises `MissingRow` for one without words."""
    known = [v for v in vars(roles).values() if isinstance(v, Rejection)]
    if silent := sorted(r.reason for r in known if r.reason not in _WHY):
        raise MissingRow(f"the rejection {', '.join(silent)} has no words; add them in agent/papers/dicom.py")
    rows = ((str(r.result), str(r.source), str(r.diagnostic), _WHY[r.reason], f"`{r.reason}`") for r in known)
    return table(("Result", "Source", "Reason/diag.", "When", "In `preread refusals`"), rows)


def association_table() -> str:
    node = Node()
    return table(
        ("Parameter", "Value"),
        (
            ("Application context", f"`{scp.APPLICATION_CONTEXT}`"),
            ("Implementation Class UID", f"`{PYNETDICOM_IMPLEMENTATION_UID}`"),
            ("Implementation Version Name", f"`{PYNETDICOM_IMPLEMENTATION_VERSION}`"),
            (
                "Associations accepted at the same time",
                f"`node.max_associations`, {node.max_associations} by default; of one caller all but a quarter of them",
            ),
            ("Connections that have not asked for one yet", f"{scp.MAX_UNDECIDED}"),
            ("Time to ask for an association (ARTIM)", f"{scp.REQUEST_TIMEOUT_S:.0f} s"),
            ("Silence after which an association is aborted", f"`node.network_timeout_s`, {node.network_timeout_s:.0f} s by default"),
            ("Maximum length received, as SCP", f"{upper_layer.MAX_PDU} bytes"),
            ("Maximum length received, as SCU", "unlimited (0)"),
            ("Asynchronous operations", "none; one operation at a time"),
            ("Associations begun at the same time", "one for each destination, and one for each search for an earlier film or an order"),
        ),
    )  # fmt: skip


def character_sets_table() -> str:
    rows = [
        (f"`{term}`", "read" if term != "ISO_IR 192" else "read; and written, always")
        for term in ("ISO_IR 6", *WHOLE_SETS)
    ]
    rows += [(f"`{term}`", "read, with code extension (PS3.5 6.1.2.5)") for term in extended_sets()]
    return table(("Specific Character Set", "Support"), rows)


def uids_named(rows: Iterable[str]) -> Iterator[str]:
    """The UIDs in backquotes in some text."""
    for row in rows:
        yield from re.findall(r"`(1\.2\.840\.[0-9.]+)`", row)
