"""What the search for an earlier film reads and writes: what a revision waits for, what was found, and what is kept of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select, update

from agent.store.dialect import json_text, upsert
from agent.store.retention import is_back
from agent.store.schema import (
    forgotten_file,
    image_use,
    image_use_change,
    instance,
    prior_awaited,
    prior_image,
    prior_search,
    study,
    study_revision,
    study_stop,
)
from agent.store.studies import NEEDS_ATTENTION

OWN = "self"
FOUND, NONE, REFUSED, FAILED, LATE = "found", "none", "refused", "failed", "late"


@dataclass(frozen=True, slots=True)
class PriorImage:
    """An image of an earlier study. `path` is relative to the storage root, `facts` the JSON of `InstanceFacts`, `source` who
    gave it: "self" for what was received here as a study."""

    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    digest: str
    data_set_offset: int
    path: str
    facts: str
    source: str


@dataclass(frozen=True, slots=True)
class Search:
    """The search for a prior of one revision.

    Attributes:
        outcome: empty while it is under way.
        remarks: sentences for the reader.
        used: whether the reading was made with the prior; None until it is made.
    """

    revision_id: int
    deadline_at: datetime
    outcome: str
    remarks: tuple[str, ...]
    used: bool | None
    prior: PriorImage | None


_COLUMNS = tuple(PriorImage.__dataclass_fields__)


def begin(tx: Connection, revision_id: int, deadline_at: datetime) -> None:
    """A revision waits for a prior until then."""
    tx.execute(insert(prior_search).values(revision_id=revision_id, deadline_at=deadline_at, outcome="", remarks=[]))


def search_of(view: Connection, revision_id: int) -> Search | None:
    """The search of that revision; None when nobody looks for a prior of it."""
    c = prior_search.c
    row = view.execute(select(prior_search).where(c.revision_id == revision_id)).first()
    if row is None:
        return None
    prior = None
    if row.prior_image_id is not None:
        kept = view.execute(
            select(*(prior_image.c[k] for k in _COLUMNS)).where(prior_image.c.id == row.prior_image_id)
        ).one()
        prior = PriorImage(*kept)
    return Search(row.revision_id, row.deadline_at, row.outcome, tuple(row.remarks), row.used, prior)


def finish(
    tx: Connection, revision_id: int, outcome: str, prior: PriorImage | None, remarks: Sequence[str], *, now: datetime
) -> bool:
    """Write down how the search ended, once; returns whether this is the end that counts."""
    c = prior_search.c
    values = {"outcome": outcome, "remarks": list(remarks), "finished_at": now}
    if prior is not None:
        values["prior_image_id"] = keep(tx, prior, now=now)
    changed = tx.execute(update(prior_search).where(c.revision_id == revision_id, c.outcome == "").values(**values))
    return bool(changed.rowcount == 1)


def settle(tx: Connection, revision_id: int, *, used: bool, now: datetime) -> None:
    """Write down whether the reading was made with the prior. A search that is under way has ended by that, too late."""
    tx.execute(update(prior_search).where(prior_search.c.revision_id == revision_id).values(used=used))
    finish(tx, revision_id, LATE, None, (), now=now)


def copy(tx: Connection, revision_id: int, to_revision_id: int) -> None:
    """A revision that takes over a reading takes over the prior that it was made with."""
    row = tx.execute(select(prior_search).where(prior_search.c.revision_id == revision_id)).first()
    if row is not None:
        tx.execute(insert(prior_search).values(**{**row._mapping, "revision_id": to_revision_id}))


def used_by(view: Connection, revision_id: int) -> PriorImage | None:
    """The prior that the reading of that revision was made with."""
    search = search_of(view, revision_id)
    return search.prior if search is not None and search.used else None


def compared_with(view: Connection, study_instance_uid: str) -> set[str]:
    """UIDs of the studies whose newest reading was made beside a film of that study."""
    c = study_revision.c
    rows = view.execute(
        select(c.study_instance_uid)
        .join(study, (study.c.study_instance_uid == c.study_instance_uid) & (study.c.revision == c.number))
        .join(prior_search, prior_search.c.revision_id == c.id)
        .join(prior_image, prior_image.c.id == prior_search.c.prior_image_id)
        .where(prior_image.c.study_instance_uid == study_instance_uid, prior_search.c.used.is_(True))
    )
    return {str(u) for u in rows.scalars()}


def is_anothers(view: Connection, study_instance_uid: str, patient_id: str, *, doubtful: bool = True) -> bool:
    """Whether a study is known here to be of another patient, or was withdrawn. Of one that never came here nothing is known.

    Args:
        doubtful: count a study that waits for a person, too.
    """
    c = study_revision.c
    row = view.execute(
        select(
            study.c.state,
            _withdrawn().label("withdrawn"),
            json_text(c.study, "patient.patient_id").label("whose"),
        )
        .outerjoin(
            study_revision, (c.study_instance_uid == study.c.study_instance_uid) & (c.number == study.c.revision)
        )
        .where(study.c.study_instance_uid == study_instance_uid)
    ).first()
    if row is None:
        return False
    if row.withdrawn or (doubtful and row.state == NEEDS_ATTENTION):
        return True
    return row.whose is not None and str(row.whose).strip() != patient_id.strip()


def _withdrawn() -> ColumnElement[bool]:
    c = study_stop.c
    return select(c.since).where(c.study_instance_uid == study.c.study_instance_uid, c.kind == "withdrawn").exists()


def keep(tx: Connection, prior: PriorImage, *, now: datetime) -> int:
    """Write an image of an earlier study down and return its id; the same bytes are one row, kept from now on."""
    row = {k: getattr(prior, k) for k in _COLUMNS}
    if prior.source != OWN:
        is_back(tx, prior.path)
    tx.execute(
        upsert(prior_image)
        .values(**row, kept_at=now)
        .on_conflict_do_update(
            index_elements=["sop_instance_uid", "digest"],
            set_={k: row[k] for k in ("path", "data_set_offset", "transfer_syntax_uid", "facts", "source")}
            | {"kept_at": now},
        )
    )
    c = prior_image.c
    same = select(c.id).where(c.sop_instance_uid == prior.sop_instance_uid, c.digest == prior.digest)
    return int(tx.execute(same).scalar_one())


def newest_kept(view: Connection, sop_instance_uid: str) -> PriorImage | None:
    """The prior with that SOP Instance UID that was kept last."""
    c = prior_image.c
    query = (
        select(*(c[k] for k in _COLUMNS))
        .where(c.sop_instance_uid == sop_instance_uid)
        .order_by(c.kept_at.desc(), c.id.desc())
    )
    row = view.execute(query.limit(1)).first()
    return None if row is None else PriorImage(*row)


def drop(tx: Connection, prior: PriorImage) -> bool:
    """Forget an image, unless a search has found it; returns whether nothing stands for its file any more."""
    c = prior_image.c
    found = select(prior_search.c.prior_image_id).where(prior_search.c.prior_image_id.is_not(None))
    same = (c.sop_instance_uid == prior.sop_instance_uid, c.digest == prior.digest)
    tx.execute(delete(prior_image).where(*same, c.id.not_in(found)))
    return tx.execute(select(c.id).where(c.path == prior.path)).first() is None


def await_image(tx: Connection, sop_instance_uid: str, source: str, *, until: datetime) -> None:
    """Until then an image with that UID comes because this node asked for it."""
    values = {"source": source, "until": until}
    tx.execute(
        upsert(prior_awaited)
        .values(sop_instance_uid=sop_instance_uid, **values)
        .on_conflict_do_update(index_elements=["sop_instance_uid"], set_=values)
    )


def awaited_from(view: Connection, sop_instance_uid: str, *, now: datetime) -> str | None:
    """Whom that image was asked of, while it is awaited."""
    c = prior_awaited.c
    row = view.execute(select(c.source).where(c.sop_instance_uid == sop_instance_uid, c.until >= now)).first()
    return None if row is None else str(row.source)


def no_longer_await(tx: Connection, sop_instance_uid: str) -> None:
    """Whatever comes with that UID from now on was not asked for."""
    tx.execute(delete(prior_awaited).where(prior_awaited.c.sop_instance_uid == sop_instance_uid))


@dataclass(frozen=True, slots=True)
class OwnFrontal:
    """The frontal image of a study that was received here. `about`: JSON of `structured_report.content.Study`."""

    about: dict[str, Any]
    image: PriorImage


def own_frontals(view: Connection, patient_id: str, *, besides: str) -> tuple[OwnFrontal, ...]:
    """The frontal images that were read of other studies of that Patient ID; `besides` names the study they are for.

    A study about whose patient there is a doubt has none, and neither has one that a person has withdrawn, or whose images were let
    go: an archive may still have them.
    """
    c, i = study_revision.c, instance.c
    used = func.coalesce(image_use_change.c.used, image_use.c.used)
    role = func.coalesce(image_use_change.c.role, image_use.c.role)
    rows = view.execute(
        select(
            c.study, i.sop_instance_uid, i.study_instance_uid, i.series_instance_uid, i.sop_class_uid, i.transfer_syntax_uid,
            i.digest, i.data_set_offset, i.path, i.facts,
        )
        .join(study, (study.c.study_instance_uid == c.study_instance_uid) & (study.c.revision == c.number))
        .join(image_use, image_use.c.revision_id == c.id)
        .join(instance, i.id == image_use.c.instance_id)
        .outerjoin(
            image_use_change,
            (image_use_change.c.revision_id == c.id) & (image_use_change.c.instance_id == image_use.c.instance_id),
        )
        .where(
            json_text(c.study, "patient.patient_id") == patient_id,
            c.study_instance_uid != besides,
            study.c.state != NEEDS_ATTENTION,
            ~_withdrawn(),
            used.is_(True),
            role == "frontal",
            i.path.not_in(select(forgotten_file.c.path)),
        )
        .order_by(i.sop_instance_uid)
    )  # fmt: skip
    found = []
    for row in rows:
        image = dict(row._mapping)
        found.append(OwnFrontal(image.pop("study"), PriorImage(**image, source=OWN)))
    return tuple(found)
