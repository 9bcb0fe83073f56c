"""A copy of a ledger on a server, by `pg_dump` and `pg_restore`."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection

from agent.errors import Permanent, Transient
from agent.store.engine import Ledger
from agent.store.files import sync_file
from agent.store.place import CopierMissing
from agent.store.postgres_server import PostgresServer, without_password
from agent.store.schema import schema_version


class Dump:
    """See `agent.store.copies.Copy`.

    The version of the schema is what makes tables a ledger (`Ledger.is_there`); in a dump it is left out, and written by who
    brings the dump back, together with the last of what has to be done. What was broken off before that is no ledger.
    """

    file_name = "ledger.dump"

    def __init__(self, ledger: Ledger, place: PostgresServer) -> None:
        self._ledger, self._place = ledger, place

    @contextmanager
    def take(self, target: Path) -> Iterator[Connection]:
        program = _program("pg_dump", self._place.name)
        with self._ledger.read() as view:
            # A copy of a large ledger takes longer than a transaction may stand still.
            view.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
            snapshot = view.exec_driver_sql("SELECT pg_export_snapshot()").scalar_one()
            self._run(
                [program, "--format=custom", "--no-owner", "--no-privileges", f"--snapshot={snapshot}",
                 f"--exclude-table-data={schema_version.name}", f"--file={target}"],
            )  # fmt: skip
            sync_file(target)
            yield view

    @contextmanager
    def bring_back(self, copy: Path) -> Iterator[Ledger]:
        program = _program("pg_restore", self._place.name)
        self._run([program, "--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction", str(copy)])
        yield self._ledger

    def _run(self, command: Sequence[str]) -> None:
        url = self._place.url
        # The password is handed on in the environment, which this user alone can read; a command line is everybody's.
        secret = {"PGPASSWORD": url.password} if url.password else {}
        done = subprocess.run(  # noqa: S603  the program that was found, on the database that the settings name
            [*command, f"--dbname={without_password(url)}"], capture_output=True, text=True, errors="replace", check=False,
            env={**os.environ, **secret},
        )  # fmt: skip
        if done.returncode:
            said = (done.stderr.strip().splitlines() or ["it said nothing"])[0]
            name = Path(command[0]).name
            kind = Permanent if "server version" in done.stderr else Transient
            raise kind(
                f"{name} did not finish with the database {self._place.name}: {said}; nothing is lost there",
                code="backup-failed",
            )


def _program(name: str, database: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise CopierMissing(
            f"{name} is not installed here, so the database {database} is not copied: install postgresql-client, of the server's "
            "version or a newer one. Or have the server backed up by those who look after it, each time before this command: "
            "docs/keeping.md",
            code="copier-missing",
        )
    return found
