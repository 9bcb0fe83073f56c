"""The runs of the constancy test."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, func, select

from agent.store.dialect import upsert
from agent.store.schema import job, qc_picture, qc_run, study


@dataclass(frozen=True, slots=True)
class Shown:
    """What the model was shown of a film of the test: the size of the picture, and the picture in few pixels
    (`agent.imaging.shrunk`), row by row."""

    rows: int
    columns: int
    grid: bytes


@dataclass(frozen=True, slots=True)
class QcRun:
    """One run.

    Attributes:
        id: ``YYMMDDhhmmss``, UTC; accession numbers and patient ids of its films hold it.
        started_by: ``hand`` or ``schedule``.
        finished_at: None while it runs; a run that was killed never finishes.
        passed: whether every check passed; None while it runs, and for one that was given up by hand.
        build: JSON form of the provenance of what was tested.
        films: JSON forms of what was sent and of what is drawn on it (`agent.evaluation.qc`).
        checks: JSON forms of the checks.
    """

    id: str
    started_by: str
    started_at: datetime
    finished_at: datetime | None
    passed: bool | None
    build: dict[str, Any]
    films: list[dict[str, Any]]
    checks: list[dict[str, Any]]

    @property
    def failed_checks(self) -> list[dict[str, Any]]:
        """Those that did not pass."""
        return [check for check in self.checks if not check["passed"]]

    @property
    def stepped_at(self) -> datetime:
        """When it last did something that is written down: sent a film, or began."""
        sent = [datetime.fromisoformat(film["sent_at"]) for film in self.films if "sent_at" in film]
        return max([self.started_at, *sent])


def free_id(tx: Connection, moment: datetime) -> str:
    """An id for a run that begins then, or is to: the films of two runs must not have the same identifiers. Those 16
    characters of an accession number (PS3.5 6.2) hold the second and no more, so the next free one is taken."""
    taken = set(tx.execute(select(qc_run.c.id)).scalars())
    taken |= set(tx.execute(select(job.c.key).where(job.c.kind == "qc")).scalars())
    while (run_id := moment.strftime("%y%m%d%H%M%S")) in taken:
        moment += timedelta(seconds=1)
    return run_id


def unfinished_since(view: Connection, moment: datetime) -> tuple[QcRun, ...]:
    """The runs that have not come to their end and have done something since then."""
    runs = [QcRun(**row._mapping) for row in view.execute(select(qc_run).where(qc_run.c.finished_at.is_(None)))]
    return tuple(run for run in runs if run.stepped_at >= moment)


def is_under_way(view: Connection, now: datetime) -> bool:
    """Whether a run waits to begin, or has done something in the last quarter of an hour and has not come to its end."""
    waits = view.execute(select(job.c.id).where(job.c.kind == "qc", job.c.state != "parked").limit(1)).first()
    return waits is not None or bool(unfinished_since(view, now - timedelta(minutes=15)))


def keep(tx: Connection, run: QcRun) -> None:
    """Write a run down as it stands now."""
    values = {f: getattr(run, f) for f in QcRun.__dataclass_fields__}
    tx.execute(upsert(qc_run).values(**values).on_conflict_do_update(index_elements=["id"], set_=values))


def run_of(view: Connection, run_id: str) -> QcRun | None:
    """The run of that id, if it has begun."""
    return _run(view.execute(select(qc_run).where(qc_run.c.id == run_id)).first())


def newest(view: Connection) -> QcRun | None:
    """The run that began last, if there is one."""
    return _run(view.execute(select(qc_run).order_by(qc_run.c.started_at.desc()).limit(1)).first())


def last(view: Connection, limit: int) -> tuple[QcRun, ...]:
    """The runs that began last, newest first."""
    rows = view.execute(select(qc_run).order_by(qc_run.c.started_at.desc()).limit(limit))
    return tuple(QcRun(**row._mapping) for row in rows)


def finished(view: Connection) -> Iterator[QcRun]:
    """The runs that came to a verdict, newest first."""
    query = select(qc_run).where(qc_run.c.passed.is_not(None)).order_by(qc_run.c.finished_at.desc())
    for row in view.execute(query):
        yield QcRun(**row._mapping)


def films_since(view: Connection, moment: datetime) -> frozenset[str]:
    """Study Instance UIDs of the films that runs which began since then have sent."""
    rows = view.execute(select(qc_run.c.films).where(qc_run.c.started_at >= moment)).scalars()
    return frozenset(film["study_instance_uid"] for films in rows for film in films if "study_instance_uid" in film)


def keep_shown(tx: Connection, revision_id: int, shown: Shown) -> None:
    """Write down what was shown of a revision. Only for films of the test."""
    values = {"rows": shown.rows, "columns": shown.columns, "grid": shown.grid}
    wanted = upsert(qc_picture).values(revision_id=revision_id, **values)
    tx.execute(wanted.on_conflict_do_update(index_elements=["revision_id"], set_=values))


def shown_of(view: Connection, revision_id: int) -> Shown | None:
    """What was shown of that revision, if that was written down."""
    c = qc_picture.c
    row = view.execute(select(c.rows, c.columns, c.grid).where(c.revision_id == revision_id)).first()
    return None if row is None else Shown(*row)


def first_arrival(view: Connection) -> datetime | None:
    """When the first study of this line came: so long it could have been tested."""
    moment = view.execute(select(func.min(study.c.first_received_at))).scalar()
    return moment if isinstance(moment, datetime) else None


def _run(row: Row[Any] | None) -> QcRun | None:
    return None if row is None else QcRun(**row._mapping)
