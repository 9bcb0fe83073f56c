"""A ledger on a server: PostgreSQL with the guarantees that the file gives."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from agent.errors import Permanent, Transient
from agent.sentence import Sentence, sentence
from agent.store.dialect import storable, storable_json
from agent.store.place import unfinished
from agent.store.postgres_errors import in_words

# Whoever writes holds this advisory lock of the database until its transaction ends. "preread" in ASCII.
WRITERS_TURN = 0x70726572656164
CONNECT_TIMEOUT_S = 10
# Connections of one process. Three processes and a few commands stay below the hundred that a server allows as it comes.
_KEPT_OPEN, _MOST_BESIDES = 4, 16

_SESSION = (
    "SET synchronous_commit = on",
    "SET idle_in_transaction_session_timeout = '10min'",
    # A host that dies while it has the writers' turn must not keep it for two hours, which is TCP's own patience.
    "SET tcp_keepalives_idle = 10",
    "SET tcp_keepalives_interval = 5",
    "SET tcp_keepalives_count = 3",
)


class PostgresServer:
    """A `Place` of one database on a server.

    Writers take turns, by an advisory lock that each takes first and that ends with its transaction: without it two of them
    read the same row, and the later overwrites what the earlier wrote, without any error, for READ COMMITTED, the server's
    default, allows that. With REPEATABLE READ the later would be refused instead, and every stage would need a loop that tries
    again; SERIALIZABLE likewise. The turn is taken in READ COMMITTED on purpose: a snapshot that is as old as the transaction
    would be older than the turn. Readers wait for nobody: they see one state, that of their first statement.
    """

    def __init__(self, url: URL, busy_timeout_s: float) -> None:
        self.url = url
        self.name = f"{url.database} on {address_of(url)}"
        self.is_shared = True
        self.file: Path | None = None
        self.engine = _engine(url, busy_timeout_s)

    def start_writing(self, connection: Connection) -> Connection:
        writing = connection.execution_options(isolation_level="READ COMMITTED", postgresql_readonly=False)
        writing.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITERS_TURN})")
        return writing

    def start_reading(self, connection: Connection) -> Connection:
        return connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    def is_there(self) -> bool:
        with self.mapped(), self.engine.connect() as connection:
            view = self.start_reading(connection)
            if not inspect(view).has_table("schema_version"):
                return False
            if view.exec_driver_sql("SELECT version FROM schema_version").first() is None:
                raise unfinished(self.name)
            return True

    def prepare(self) -> None:
        """Whoever has the server made the database; nothing else is needed."""

    def described(self, view: Connection) -> str:
        version = view.exec_driver_sql("SHOW server_version").scalar_one()
        return f"PostgreSQL {version}, {self.name}"

    def worries(self, view: Connection) -> list[Sentence]:
        risky = [
            name for name in ("fsync", "full_page_writes") if view.exec_driver_sql(f"SHOW {name}").scalar() == "off"
        ]
        return [sentence("ledger.risk", option=name, database=self.name) for name in risky]

    def check(self) -> None:
        """A server that is gone says so by itself."""

    @contextmanager
    def mapped(self) -> Iterator[None]:
        try:
            yield
        except NoConnectionFree as error:
            raise Transient(f"the database {self.name} is in use by everybody at once", code="database-busy") from error
        except DBAPIError as error:
            if (said := in_words(error, self.name, self.url.username or "")) is None:
                raise
            raise said from error


def address_of(url: URL) -> str:
    """``host:port``, or the folder of the socket."""
    host = url.host or str(url.query.get("host", "")) or "this machine"
    return host if host.startswith("/") else f"{host}:{url.port or 5432}"


def without_password(url: URL) -> str:
    """As a command line may hold it, for the programs that come with PostgreSQL."""
    return URL.create("postgresql", url.username, None, url.host, url.port, url.database, url.query).render_as_string()


def _engine(url: URL, busy_timeout_s: float) -> Engine:
    wanted: dict[str, Any] = {"connect_timeout": CONNECT_TIMEOUT_S, "fallback_application_name": "preread"}
    try:
        engine = create_engine(
            url,
            connect_args={key: value for key, value in wanted.items() if key not in url.query},
            json_serializer=lambda value: storable_json(json.dumps(value)),
            pool_size=_KEPT_OPEN,
            max_overflow=_MOST_BESIDES,
            pool_timeout=busy_timeout_s,
            pool_pre_ping=True,  # connections to a server that was started again are found out before they are used
            hide_parameters=True,
        )
    except ImportError as error:
        raise Permanent(
            "database.url names a PostgreSQL server, and its driver is not installed: pip install 'cxr-preread[postgres]'",
            code="driver-missing",
        ) from error

    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: Any) -> None:
        connection.autocommit = True
        for setting in (*_SESSION, f"SET lock_timeout = {int(busy_timeout_s * 1000)}"):
            connection.execute(setting)
        connection.autocommit = False
        _keep_every_text(connection)

    return engine


def _keep_every_text(connection: Any) -> None:
    """PostgreSQL has no text with a NUL in it; a header or a message that has one must not be what stops the line."""
    from psycopg.types.string import StrDumperUnknown

    class Storing(StrDumperUnknown):
        def dump(self, obj: str) -> Any:
            return super().dump(storable(obj))

    connection.adapters.register_dumper(str, Storing)
