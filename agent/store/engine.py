"""The ledger: one database, many short transactions, of which no update is lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, insert, inspect, select, update
from sqlalchemy.engine import make_url

from agent.errors import Permanent
from agent.store import schema
from agent.store.dialect import step_for
from agent.store.place import BUSY_TIMEOUT_S, Place, unfinished
from agent.store.postgres_server import PostgresServer
from agent.store.sqlite_file import SqliteFile


class Ledger:
    """One database, in a file or on a server as its URL says.

    Writers take turns, so that what one has read is still so when it writes; what is committed survives the power cord. How
    the file and the server see to that stands with each of them.
    """

    def __init__(self, url: str) -> None:
        self.place = _place_of(url, BUSY_TIMEOUT_S)

    @property
    def name(self) -> str:
        """What messages call it: the path of its file, or database and server. Never with a password."""
        return self.place.name

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A writing transaction: committed at the end of the block, rolled back when it raises.

        Raises:
            Transient: the database is busy, full, gone or cannot be written at the moment; its name is in the message.
            Permanent: it lets nobody in, is not there, or is damaged.
        """
        self.place.check()
        with self.place.mapped(), self.place.engine.connect() as connection:
            writing = self.place.start_writing(connection)
            try:
                self.place.check()
                yield writing
            except BaseException:
                writing.rollback()
                raise
            writing.commit()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view for reading; it neither waits for writers nor holds them up. Raises as `begin`."""
        with self.place.mapped(), self.place.engine.connect() as connection:
            reading = self.place.start_reading(connection)
            try:
                yield reading
            finally:
                reading.rollback()

    def is_there(self) -> bool:
        """Whether a program has kept a ledger there before; looking makes nothing. Raises as `begin`."""
        return self.place.is_there()

    def create(self) -> None:
        """Make the tables where there are none, bring older ones up to date, and refuse a database of a newer program.

        Raises:
            Permanent: the schema is newer than this program.
        """
        self.place.prepare()
        with self.begin() as tx:
            self.bring_up_to_date(tx)

    def bring_up_to_date(self, tx: Connection, *, of_version: int | None = None) -> None:
        """The same in the caller's transaction.

        Args:
            of_version: the version of tables that came out of a backup without saying it.

        Raises:
            Permanent: the schema is newer than this program, or what came out of a backup did not come whole.
        """
        known = inspect(tx).has_table(schema.schema_version.name)
        schema.metadata.create_all(tx)
        version = tx.execute(select(schema.schema_version.c.version)).scalar()
        if version is None:
            if known and of_version is None:
                raise unfinished(self.name)
            version = of_version or schema.SCHEMA_VERSION
            tx.execute(insert(schema.schema_version).values(version=version))
        if version > schema.SCHEMA_VERSION:
            raise self._newer(version)
        for step in range(version, schema.SCHEMA_VERSION):
            for statement in schema.UPGRADES[step]:
                tx.exec_driver_sql(step_for(tx.dialect.name, statement))
        tx.execute(update(schema.schema_version).values(version=schema.SCHEMA_VERSION))

    def must_be_of_this_program(self) -> None:
        """Refuse a ledger whose tables are of another version than this program's: to be looked at, or changed by hand, with it.

        Raises:
            Permanent: there is no ledger in it; the schema is newer than this program, or older and no line has brought it up
                to date.
        """
        with self.read() as view:
            if not inspect(view).has_table(schema.schema_version.name):
                raise Permanent(
                    f"the database {self.name} holds no ledger: it is empty, or another program's. Start the line, which makes one: "
                    "preread serve; or name the right one as database.url",
                    code="no-ledger",
                )
            version = view.execute(select(schema.schema_version.c.version)).scalar()
        if version is not None and version > schema.SCHEMA_VERSION:
            raise self._newer(version)
        if version is not None and version < schema.SCHEMA_VERSION:
            raise Permanent(
                f"the database {self.name} has schema {version}, this program works with {schema.SCHEMA_VERSION}: start the line "
                "with it once, which brings it up to date: preread serve",
                code="database-older",
            )

    def _newer(self, version: int) -> Permanent:
        return Permanent(
            f"the database {self.name} has schema {version}, "
            f"this program knows {schema.SCHEMA_VERSION}: install the newer program again",
            code="database-newer",
        )

    def close(self) -> None:
        """Give back every connection."""
        self.place.engine.dispose()


def _place_of(url: str, busy_timeout_s: float) -> Place:
    made = make_url(url)
    if made.get_backend_name() == "postgresql":
        return PostgresServer(made, busy_timeout_s)
    return SqliteFile(made, busy_timeout_s)
