"""What may be let go because of its age. Never anything of a study that is not finished: undelivered, held, in work, or doubted."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, and_, delete, exists, or_, select, update

from agent.store.dialect import upsert
from agent.store.overview import any_job_of
from agent.store.schema import (
    delivery,
    document,
    forgotten_file,
    instance,
    prior_image,
    reading,
    refusal,
    reply,
    study,
    study_revision,
    study_unsettled,
)

FINISHED = ("read", "abstained", "not-analysed", "withdrawn", "reported")
AT_ONCE = 200  # studies in one transaction: nobody waits long for it


def finished_before(view: Connection, moment: datetime, *, most: int = AT_ONCE) -> list[str]:
    """Studies that last grew before then and are finished, oldest first."""
    uid = study.c.study_instance_uid
    open_delivery = (
        select(delivery.c.id)
        .join(document, document.c.id == delivery.c.document_id)
        .join(study_revision, study_revision.c.id == document.c.revision_id)
        .where(study_revision.c.study_instance_uid == uid, delivery.c.state.in_(("waiting", "parked", "held")))
    )
    unsettled = select(study_unsettled.c.since).where(study_unsettled.c.study_instance_uid == uid)
    query = (
        select(uid)
        .where(
            study.c.state.in_(FINISHED),
            study.c.last_received_at < moment,
            ~exists(open_delivery),
            ~exists(unsettled),
        )
        .order_by(study.c.last_received_at)
        .limit(most)
    )
    return [str(u) for u in view.execute(query).scalars() if not any_job_of(view, str(u))]


def with_images(view: Connection, moment: datetime, *, most: int = AT_ONCE) -> list[str]:
    """Of those the ones whose images are still here."""
    found = []
    for uid in finished_before(view, moment, most=100_000):
        if images_here(view, uid):
            found.append(uid)
        if len(found) == most:
            break
    return found


def images_here(view: Connection, study_instance_uid: str) -> list[str]:
    """Paths of the images of a study, and of the earlier films that came for it alone, that have not been let go."""
    gone = select(forgotten_file.c.path)
    of_it = select(instance.c.path).where(
        instance.c.study_instance_uid == study_instance_uid, instance.c.path.not_in(gone)
    )
    return [str(p) for p in view.execute(of_it).scalars()]


def old_priors(view: Connection, moment: datetime, *, most: int = AT_ONCE) -> list[str]:
    """Paths of films that were fetched before then to be compared with."""
    gone = select(forgotten_file.c.path)
    c = prior_image.c
    query = select(c.path).where(c.kept_at < moment, c.path.startswith("priors/"), c.path.not_in(gone)).limit(most)
    return [str(p) for p in view.execute(query).scalars()]


def forget_file(tx: Connection, path: str, *, now: datetime) -> None:
    """Something goes on naming that file, and it was deleted on purpose."""
    tx.execute(upsert(forgotten_file).values(path=path, at=now).on_conflict_do_nothing())


def is_back(tx: Connection, path: str) -> None:
    """That file is here again: it was sent again."""
    tx.execute(delete(forgotten_file).where(forgotten_file.c.path == path))


def forgotten_of(view: Connection, study_instance_uid: str) -> datetime | None:
    """When images of that study were let go, if they were."""
    c = instance.c
    query = (
        select(forgotten_file.c.at)
        .join(instance, c.path == forgotten_file.c.path)
        .where(c.study_instance_uid == study_instance_uid)
    )
    found: datetime | None = view.execute(query.order_by(forgotten_file.c.at.desc()).limit(1)).scalar()
    return found


def paths_let_go(view: Connection, study_instance_uid: str) -> set[str]:
    """Paths of the images of a study that were let go and have not come back."""
    c = instance.c
    of_it = select(c.path).join(forgotten_file, c.path == forgotten_file.c.path)
    return {str(p) for p in view.execute(of_it.where(c.study_instance_uid == study_instance_uid)).scalars()}


def forget_replies(tx: Connection, moment: datetime, *, most: int = AT_ONCE) -> int:
    """What the model wrote, word for word, in readings that were finished before then; what is reported of it stays. Returns
    of how many readings."""
    has_words = or_(
        reading.c.reply != "", exists(select(reply.c.id).where(reply.c.revision_id == reading.c.revision_id))
    )
    old = select(reading.c.revision_id).where(and_(reading.c.completed_at < moment, has_words)).limit(most)
    ids = list(tx.execute(old).scalars())
    tx.execute(delete(reply).where(reply.c.revision_id.in_(ids)))
    tx.execute(update(reading).where(reading.c.revision_id.in_(ids)).values(reply=""))
    return len(ids)


def forget_quarantine(tx: Connection, moment: datetime) -> set[str]:
    """Refused bytes that were last refused before then lose their names; returns the files. That they were refused stays."""
    c = refusal.c
    newer = select(c.path).where(c.at >= moment)
    old = {str(p) for p in tx.execute(select(c.path).where(c.path != "", c.path.not_in(newer)).distinct()).scalars()}
    tx.execute(update(refusal).where(c.path.in_(old)).values(path=""))
    return old
