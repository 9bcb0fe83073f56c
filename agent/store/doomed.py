"""Files on their way out: written down in the transaction that takes their names away, and deleted after it, by whoever comes
first: this process, or the next.

A file may be named again before it is gone: a film that was purged and is sent again on the same day has the name that it had.
So a file is deleted within a writing transaction that still finds it doomed, and whoever names a file spares it in the
transaction in which it does so, and looks there whether it is still to be had.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, delete, select

from agent.store.dialect import upsert
from agent.store.schema import doomed_file


def doom(tx: Connection, paths: Iterable[str], *, now: datetime) -> None:
    """These files are to be deleted, whatever becomes of this process."""
    for path in paths:
        tx.execute(upsert(doomed_file).values(path=path, since=now).on_conflict_do_nothing())


def doomed(view: Connection) -> list[str]:
    """The files that are to be deleted."""
    return [str(p) for p in view.execute(select(doomed_file.c.path)).scalars()]


def is_doomed(tx: Connection, path: str) -> bool:
    """Whether that file still is to be deleted: it may have been spared since."""
    return tx.execute(select(doomed_file.c.path).where(doomed_file.c.path == path)).first() is not None


def strike_off(tx: Connection, path: str) -> None:
    """That file is gone."""
    tx.execute(delete(doomed_file).where(doomed_file.c.path == path))


def spare(tx: Connection, paths: Iterable[str]) -> None:
    """Something names these files from now on, so they stay."""
    tx.execute(delete(doomed_file).where(doomed_file.c.path.in_(list(paths))))
