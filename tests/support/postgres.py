"""A PostgreSQL server of the tests' own: a cluster in a folder of its own, on a port of loopback, ended with the tests."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.engine import make_url

from agent.store.engine import Ledger
from tests.support.site import PATIENCE_S, free_port

USER, PASSWORD = "preread", "a-secret-of-the-test"
_names = (f"ledger_{n}" for n in itertools.count(1))


def programs() -> Path:
    """The folder of the newest server that is installed: Debian keeps them off the search path."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda p: int(p.parents[1].name))
    assert found, "PostgreSQL is not installed: deploy/install-test-peers.sh"
    return found[-1].parent


class Cluster:
    """One server. Every ledger gets a database of its own in it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.data = folder / "data"
        self.log = folder / "server.log"
        self._template = ""

    def make(self) -> None:
        secret = self.folder / "password"
        secret.write_text(PASSWORD, "utf-8")
        if os.getuid() == 0:  # the server refuses to run as root
            for path in (self.folder, secret):
                shutil.chown(path, "postgres", "postgres")
        self._run(
            "initdb", "-D", str(self.data), "-U", USER, "--pwfile", str(secret), "-A", "scram-sha-256", "--no-sync",
            "-E", "UTF8", "--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US",  # it sorts as people do: we must not
        )  # fmt: skip
        with (self.data / "postgresql.conf").open("a", encoding="utf-8") as settings:
            settings.write(
                f"unix_socket_directories = '{self.folder}'\nlisten_addresses = '127.0.0.1'\nport = {self.port}\n"
                "shared_buffers = 32MB\nautovacuum = off\n"
            )

    def start(self) -> None:
        self._run("pg_ctl", "-D", str(self.data), "-l", str(self.log), "-w", "-t", f"{PATIENCE_S:.0f}", "start")

    def stop(self, how: str = "fast") -> None:
        """`immediate` is what a power cut leaves: the server comes back by its log."""
        self._run("pg_ctl", "-D", str(self.data), "-m", how, "-w", "-t", f"{PATIENCE_S:.0f}", "stop")

    def empty(self) -> str:
        """The URL of a database that nobody has used."""
        return self.url(self._createdb())

    def ledger(self) -> str:
        """The URL of a database with an empty ledger: a copy of one that was made as a site makes it."""
        if not self._template:
            made = Ledger(self.empty())
            made.create()
            made.close()
            self._template = str(make_url(made.place.engine.url).database)
        return self.url(self._createdb("-T", self._template))

    def _createdb(self, *options: str) -> str:
        name = next(_names)
        self._run("createdb", "-h", str(self.folder), "-p", str(self.port), "-U", USER, *options, name)
        return name

    def restore(self, dump: Path, url: str) -> None:
        """What the server's own program makes of a dump."""
        database = str(make_url(url).database)
        copy = self.folder / "copy.dump"
        shutil.copyfile(dump, copy)  # where the server's user may read it
        copy.chmod(0o644)
        self._run(
            "pg_restore",
            "-h",
            str(self.folder),
            "-p",
            str(self.port),
            "-U",
            USER,
            "--no-owner",
            "-d",
            database,
            str(copy),
        )

    def url(self, database: str, *, user: str = USER, password: str = PASSWORD) -> str:
        return f"postgresql+psycopg://{user}:{password}@127.0.0.1:{self.port}/{database}"

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(programs() / program), *arguments]
        if os.getuid() == 0:
            command = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *command]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, cwd="/", timeout=PATIENCE_S,
            env={"PGPASSWORD": PASSWORD, "LC_ALL": "C.UTF-8"},
        )  # fmt: skip
        said = self.log.read_text("utf-8", "replace")[-2000:] if self.log.is_file() else ""
        assert done.returncode == 0, f"{program}: {done.stderr}{said}"


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    """A server until the end of the block. Its folder has a short name: that of its socket must have."""
    folder = Path(tempfile.mkdtemp(prefix="preread-pg-", dir="/tmp"))
    made = Cluster(folder)
    try:
        made.make()
        made.start()
        yield made
        made.stop("immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
