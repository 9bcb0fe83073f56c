"""The way of one study from association to acknowledgement, in the order in which it happened. Only reading."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, select

from agent.store import flags, identity, overview, results, studies
from agent.store.flags import StoredFlag
from agent.store.results import StoredReading
from agent.store.schema import commitment, delivery, document, instance, study_revision
from agent.store.studies import Revision

_ONE_ASSOCIATION = timedelta(seconds=60)  # images of one caller that follow one another so closely came together


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened. `words` are those of whoever said them: this program, or a peer."""

    at: datetime
    stage: str
    code: str
    words: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """Images that came together."""

    calling_ae_title: str
    address: str
    first_at: datetime
    last_at: datetime
    images: int


@dataclass(frozen=True, slots=True)
class Way:
    """All that is known of how a study went.

    Attributes:
        stops: what keeps its results from being sent, by kind (`agent.store.identity`).
        committing: ids of the deliveries that are, or were, to be committed.
        open_jobs: kinds of the work that waits or is being done.
    """

    arrivals: tuple[Arrival, ...]
    revision: Revision | None
    flag: StoredFlag | None
    reading: StoredReading | None
    documents: list[dict[str, Any]]
    deliveries: list[dict[str, Any]]
    committing: frozenset[int]
    messages: list[dict[str, Any]]
    stops: dict[str, str]
    open_jobs: frozenset[str]
    steps: tuple[Step, ...]


def way_of(view: Connection, uid: str) -> Way:
    """The way of that study, which must exist."""
    revision = studies.newest_revision(view, uid)
    arrivals = _arrivals(view, uid)
    came = [Step(a.first_at, "receive", "received", "") for a in arrivals]
    events = [Step(e["at"], e["stage"], e["code"], e["words"]) for e in overview.history(view, uid)]
    heard = identity.messages_about(view, uid)
    said = [Step(m["received_at"], "orders", "message", f"{m['type']} ({m['sender']}): {m['words']}") for m in heard]
    c = commitment.c
    wanted = (
        select(c.delivery_id)
        .join(delivery, delivery.c.id == c.delivery_id)
        .join(document, document.c.id == delivery.c.document_id)
        .join(study_revision, study_revision.c.id == document.c.revision_id)
        .where(study_revision.c.study_instance_uid == uid)
    )
    return Way(
        arrivals,
        revision,
        None if revision is None else flags.flag_of(view, revision.id),
        None if revision is None else results.reading_of(view, revision.id),
        overview.documents(view, uid),
        overview.deliveries(view, uid),
        frozenset(int(n) for n in view.execute(wanted).scalars()),
        heard,
        identity.stops_of(view, uid),
        frozenset(overview.open_jobs(view, uid)),
        tuple(sorted((*came, *said, *events), key=lambda step: step.at)),
    )


def _arrivals(view: Connection, uid: str) -> tuple[Arrival, ...]:
    c = instance.c
    rows = view.execute(
        select(c.calling_ae_title, c.address, c.received_at).where(c.study_instance_uid == uid).order_by(c.received_at)
    )
    found: list[Arrival] = []
    for title, address, at in rows:
        last = found[-1] if found else None
        if last and (last.calling_ae_title, last.address) == (title, address) and at - last.last_at <= _ONE_ASSOCIATION:
            found[-1] = Arrival(title, address, last.first_at, at, last.images + 1)
        else:
            found.append(Arrival(title, address, at, at, 1))
    return tuple(found)
