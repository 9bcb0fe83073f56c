"""What may be let go because of its age. Never anything of a study that is not finished: undelivered, held, in work, or doubted.

What may go is looked for in a view, which holds up nobody; each study is let go in a transaction of its own, which asks again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Select, delete, exists, or_, select, update

from agent.store.dialect import upsert
from agent.store.doomed import spare
from agent.store.identity import HELD
from agent.store.overview import any_job_of, studies_with_jobs
from agent.store.schema import (
    delivery,
    document,
    forgotten_file,
    instance,
    prior_image,
    prior_search,
    reading,
    refusal,
    reply,
    study,
    study_revision,
    study_stop,
    study_unsettled,
)

FINISHED = ("read", "abstained", "not-analysed", "withdrawn", "reported")
AT_ONCE = 200  # studies in one round
_FILES_AT_ONCE = 5000  # SQLite takes some thousands of values in one statement


def finished_before(view: Connection, moment: datetime, *, most: int = AT_ONCE) -> list[str]:
    """Studies that last grew before then and are finished, oldest first."""
    return _idle(view, _finished(moment), most)


def with_images(view: Connection, moment: datetime, *, most: int = AT_ONCE) -> list[str]:
    """Of those the ones whose images are still here."""
    gone = exists(select(forgotten_file.c.path).where(forgotten_file.c.path == instance.c.path))
    here = select(instance.c.id).where(instance.c.study_instance_uid == study.c.study_instance_uid, ~gone)
    return _idle(view, _finished(moment).where(exists(here)), most)


def with_replies(view: Connection, moment: datetime, *, most: int = AT_ONCE) -> list[str]:
    """Finished studies, whenever they grew, of a reading of which that was made before then the model's own words are here."""
    of_it = study_revision.c.study_instance_uid == study.c.study_instance_uid
    read = study_revision.join(reading, reading.c.revision_id == study_revision.c.id)
    old = select(reading.c.revision_id).select_from(read).where(of_it, _has_words(), reading.c.completed_at < moment)
    return _idle(view, _finished().where(exists(old)), most)


def is_finished(view: Connection, study_instance_uid: str, moment: datetime | None = None) -> bool:
    """Whether that study still is one of them, in the transaction that lets go of it. `moment`: before which it last grew."""
    query = _finished(moment).where(study.c.study_instance_uid == study_instance_uid)
    return view.execute(query).first() is not None and not any_job_of(view, study_instance_uid)


def _finished(moment: datetime | None = None) -> Select[tuple[str]]:
    """What has come to its end, but for the work that may be left to do about it."""
    uid = study.c.study_instance_uid
    open_delivery = (
        select(delivery.c.id)
        .join(document, document.c.id == delivery.c.document_id)
        .join(study_revision, study_revision.c.id == document.c.revision_id)
        .where(study_revision.c.study_instance_uid == uid, delivery.c.state.in_(("waiting", "parked", "held")))
    )
    unsettled = select(study_unsettled.c.since).where(study_unsettled.c.study_instance_uid == uid)
    held = select(study_stop.c.since).where(study_stop.c.study_instance_uid == uid, study_stop.c.kind == HELD)
    query = select(uid).where(study.c.state.in_(FINISHED), ~exists(open_delivery), ~exists(unsettled), ~exists(held))
    return query if moment is None else query.where(study.c.last_received_at < moment)


def _idle(view: Connection, query: Select[tuple[str]], most: int) -> list[str]:
    """The oldest of these studies about which there is no work. However many of them wait for a person, for ever perhaps, the others
    are found behind them."""
    busy = studies_with_jobs(view)
    rows = view.execute(query.order_by(study.c.last_received_at).limit(most + len(busy))).scalars()
    return [uid for uid in map(str, rows) if uid not in busy][:most]


def images_here(view: Connection, study_instance_uid: str) -> list[str]:
    """Paths of the images of a study, and of the earlier films that came for it alone, that have not been let go."""
    gone = select(forgotten_file.c.path)
    of_it = select(instance.c.path).where(
        instance.c.study_instance_uid == study_instance_uid, instance.c.path.not_in(gone)
    )
    return [str(p) for p in view.execute(of_it).scalars()]


def old_priors(view: Connection, moment: datetime, *, among: Sequence[str] | None = None) -> list[str]:
    """Paths of films that were fetched before then to be compared with, and of which no study that is not finished has need.

    Args:
        among: look at these alone.
    """
    c, theirs = prior_image.c, study_revision.alias()
    gone = exists(select(forgotten_file.c.path).where(forgotten_file.c.path == c.path))
    finished = _finished().where(study.c.study_instance_uid == theirs.c.study_instance_uid).correlate(theirs)
    needed = (
        select(prior_search.c.revision_id)
        .select_from(prior_search.join(theirs, theirs.c.id == prior_search.c.revision_id))
        .where(prior_search.c.prior_image_id == c.id, ~exists(finished))
        .correlate(prior_image)
    )
    query = select(c.path).where(c.kept_at < moment, c.path.startswith("priors/"), ~gone, ~exists(needed))
    if among is not None:
        query = query.where(c.path.in_(among))
    return [str(p) for p in view.execute(query.limit(AT_ONCE)).scalars()]


def forget_file(tx: Connection, path: str, *, now: datetime) -> None:
    """Something goes on naming that file, and it was deleted on purpose."""
    tx.execute(upsert(forgotten_file).values(path=path, at=now).on_conflict_do_nothing())


def is_back(tx: Connection, path: str) -> None:
    """That file is here again: it was sent again, and stays until it is let go anew."""
    tx.execute(delete(forgotten_file).where(forgotten_file.c.path == path))
    spare(tx, [path])


def is_forgotten(view: Connection, path: str) -> bool:
    """Whether that file was let go: it is deleted, or about to be."""
    return view.execute(select(forgotten_file.c.path).where(forgotten_file.c.path == path)).first() is not None


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


def forget_replies(tx: Connection, study_instance_uid: str, moment: datetime) -> int:
    """What the model wrote, word for word, in readings of that study that were made before then; what is reported of it stays. Returns
    of how many readings."""
    mine = select(study_revision.c.id).where(study_revision.c.study_instance_uid == study_instance_uid)
    c = reading.c
    old = select(c.revision_id).where(c.revision_id.in_(mine), c.completed_at < moment, _has_words())
    ids = list(tx.execute(old).scalars())
    tx.execute(delete(reply).where(reply.c.revision_id.in_(ids)))
    tx.execute(update(reading).where(c.revision_id.in_(ids)).values(reply=""))
    return len(ids)


def _has_words() -> ColumnElement[bool]:
    return or_(reading.c.reply != "", exists(select(reply.c.id).where(reply.c.revision_id == reading.c.revision_id)))


def forget_quarantine(tx: Connection, moment: datetime) -> set[str]:
    """Refused bytes that were last refused before then lose their names, some at once; returns the files. That they were refused
    stays."""
    c = refusal.c
    newer = select(c.path).where(c.at >= moment)
    query = select(c.path).where(c.path != "", c.path.not_in(newer)).distinct().limit(_FILES_AT_ONCE)
    old = {str(p) for p in tx.execute(query).scalars()}
    tx.execute(update(refusal).where(c.path.in_(old)).values(path=""))
    return old
