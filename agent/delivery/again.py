"""What follows a retraction that went out late: the result that was sent meanwhile, and that still holds, once more.

A retraction that was parked and is tried again reaches its receiver after the right result. Where results are filed by the order alone
it would be the last word about it.
"""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from agent.errors import Permanent, Transient
from agent.reading.build import derived_control_id
from agent.store import messages, results, studies
from agent.store.engine import Ledger
from agent.store.files import FileStore
from agent.store.messages import StandingResult
from agent.store.outlet import outlet_of
from agent.store.results import Outgoing, StoredDocument
from agent.work.queue import enqueue
from structured_report.retraction import is_filed_with, sent_anew


@dataclass(frozen=True, slots=True)
class Again:
    """The message that has to follow. `document`: its file, which is there; None where it could not be made, and `words` say why."""

    standing: StandingResult
    document: StoredDocument | None
    words: str = ""


def prepare(ledger: Ledger, files: FileStore, row: Outgoing) -> Again | None:
    """What has to follow that message once it is out; None mostly.

    Raises:
        Transient: it cannot be kept at the moment.
    """
    with ledger.read() as view:
        standing = _overtaken(view, row)
    if standing is None:
        return None
    try:
        taken_back = files.verified(row.path, offset=0, digest=row.digest).read_bytes()
        result = files.verified(standing.path, offset=0, digest=standing.digest).read_bytes()
        if not is_filed_with(taken_back, result):
            return None
        # Of this try of the retraction: whoever tries it once more has the result follow once more, as another message.
        control_id = derived_control_id("again", standing.identifier, row.identifier, row.created_at.isoformat())
        content = sent_anew(result, control_id=control_id, at=row.created_at)
    except (Permanent, ValueError) as error:
        return Again(standing, None, str(error))
    path = files.put_document(content, f"{control_id}.hl7")
    return Again(standing, StoredDocument("oru", control_id, path, hashlib.sha256(content).hexdigest()))


def follow(
    tx: Connection, files: FileStore, row: Outgoing, again: Again, *, may_be_out: bool = True, now: datetime
) -> None:
    """Put it into the outbox behind the retraction, in the transaction that says that this is out; forget it where the retraction
    cannot be, or where a newer result, or none, holds by now."""
    if not may_be_out or _overtaken(tx, row) != again.standing:
        forget(files, again)
        return
    uid = row.study_instance_uid
    if again.document is None:
        words = f"the result that {row.destination} has was taken back after it had come, and could not be sent again"
        studies.note(tx, uid, "deliver", "not-sent-again", f"{words}: {again.words}; then: preread reread", now=now)
        return
    outlet = outlet_of(tx, uid)
    hold = outlet.holds(again.document.kind)
    document_id = results.add_document(tx, again.standing.revision_id, again.document, now=now)
    files.must_be_there([again.document.path])
    delivery_id = results.add_delivery(tx, document_id, row.destination, hold=hold, now=now)
    if outlet.reported:  # wanted if the report is taken back
        words = f"{results.REPORTED}{outlet.reported}"
        results.supersede_undelivered(tx, uid, again.standing.revision + 1, kinds=("oru",), words=words, now=now)
        return
    if delivery_id is not None and not hold:
        enqueue(tx, "deliver", str(delivery_id), lane=row.destination, now=now)
    words = (
        f"{row.destination} had the result of revision {again.standing.revision} before what takes an earlier one back"
    )
    studies.note(tx, uid, "deliver", "sent-again", f"{words}: it gets it once more", now=now)


def forget(files: FileStore, again: Again) -> None:
    """Nothing follows, or not yet: a file that no row names would outlive its study."""
    if again.document is not None:
        with contextlib.suppress(Transient):
            files.delete(again.document.path)


def _overtaken(view: Connection, row: Outgoing) -> StandingResult | None:
    """The result that has to be with the destination after that message, if it holds: it is of the newest revision."""
    standing = messages.left_before(view, row)
    if standing is None:
        return None
    newest = studies.newest_revision(view, row.study_instance_uid)
    return standing if newest is not None and newest.number == standing.revision else None
