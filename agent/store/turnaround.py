"""How long after its last image a study got what it waits for: a flag, a report in the PACS, an acknowledged message.

Written by the stage that does it, in its own transaction; read by whoever measures the line, from where it read last.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, func, select

from agent.store.dialect import upsert
from agent.store.schema import image_use, instance, study_revision, turnaround
from agent.store.trouble import is_of_constancy_test

FLAG = "flag"


def measure(tx: Connection, revision_id: int, what: str, destination: str = "", *, now: datetime) -> None:
    """Write down, once, how long after its last image a revision got that.

    Nothing is measured of the films of the constancy test, which wait behind the patients, nor of a revision that no new
    image made: a correction of the patient, or a reading by hand, is about images that came long ago.

    Args:
        what: `FLAG`, or the kind of the document that the destination took.
    """
    last = _last_image(tx, revision_id)
    if last is None or not _brought_by_images(tx, revision_id, last):
        return
    values = {"what": what, "revision_id": revision_id, "destination": destination, "at": now}
    seconds = max(0.0, (now - last).total_seconds())
    tx.execute(upsert(turnaround).values(**values, seconds=seconds).on_conflict_do_nothing())


def _last_image(view: Connection, revision_id: int) -> datetime | None:
    found = view.execute(
        select(func.max(instance.c.received_at))
        .join(image_use, image_use.c.instance_id == instance.c.id)
        .where(image_use.c.revision_id == revision_id, ~is_of_constancy_test())
    ).scalar()
    return found if isinstance(found, datetime) else None


def _brought_by_images(view: Connection, revision_id: int, last: datetime) -> bool:
    own = study_revision.alias()
    before = (
        select(func.max(study_revision.c.created_at))
        .join(own, own.c.study_instance_uid == study_revision.c.study_instance_uid)
        .where(own.c.id == revision_id, study_revision.c.number < own.c.number)
    )
    previous = view.execute(before).scalar()
    return previous is None or last > previous
