"""A ledger that came out of a backup: what it believes was true then, and may not be any more."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, case, delete, select, update

from agent.store import home, studies
from agent.store.dialect import upsert
from agent.store.messages import MESSAGES
from agent.store.schema import delivery, document, process, study_revision, unanswered


def mark_doubt(tx: Connection, made_at: datetime, *, now: datetime) -> int:
    """What waited when the backup was made may have gone out since: it is counted as tried, so that whatever supersedes it
    takes it back first. It is sent with the same bytes and identifiers, which receivers know again. Returns how many."""
    words = f"restored from the backup of {made_at:%Y-%m-%d %H:%M} UTC: may have been sent after it was made"
    waiting = delivery.c.state == "waiting"
    messages = tx.execute(
        select(delivery.c.id)
        .join(document, document.c.id == delivery.c.document_id)
        .where(waiting, document.c.kind.in_(MESSAGES))
    ).scalars()
    for delivery_id in list(messages):
        tx.execute(upsert(unanswered).values(delivery_id=delivery_id, sent_at=made_at).on_conflict_do_nothing())
    touched = list(
        tx.execute(
            select(study_revision.c.study_instance_uid)
            .join(document, document.c.revision_id == study_revision.c.id)
            .join(delivery, delivery.c.document_id == document.c.id)
            .where(waiting)
            .distinct()
            .order_by(study_revision.c.study_instance_uid)
        ).scalars()
    )
    changed = tx.execute(
        update(delivery)
        .where(waiting)
        .values(attempts=case((delivery.c.attempts < 1, 1), else_=delivery.c.attempts), words=words, next_try_at=now)
    )
    for uid in touched:
        studies.note(tx, uid, "restore", "restored", words, now=now)
    tx.execute(delete(process))
    home.leave(tx)
    return int(changed.rowcount)
