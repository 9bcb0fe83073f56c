"""Every file that the ledger names: what a backup must hold, and what a purge must find."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from sqlalchemy import Connection, select

from agent.store.schema import document, forgotten_file, instance, prior_image, refusal


@dataclass(frozen=True, slots=True)
class NamedFile:
    """A file below the storage root. `digest`: sha256 of its bytes from `offset` on. Documents may be written anew under
    their name; nothing else is."""

    path: str
    offset: int
    digest: str
    may_change: bool = False


def named_files(view: Connection) -> Iterator[NamedFile]:
    """Images, documents, earlier films and refused bytes; a file that several rows name comes once for each. What was let go
    on purpose is left out."""
    gone = set(view.execute(select(forgotten_file.c.path)).scalars())
    yield from (one for one in _named(view) if one.path not in gone)


def _named(view: Connection) -> Iterator[NamedFile]:
    for table in (instance, prior_image):
        for path, offset, digest in view.execute(select(table.c.path, table.c.data_set_offset, table.c.digest)):
            yield NamedFile(path, offset, digest)
    for path, digest in view.execute(select(document.c.path, document.c.digest)):
        yield NamedFile(path, 0, digest, may_change=True)
    for path in view.execute(select(refusal.c.path).where(refusal.c.path != "").distinct()).scalars():
        yield NamedFile(path, 0, PurePosixPath(path).stem)
