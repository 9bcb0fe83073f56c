"""How fast the pages are, and whether they stay so: the same questions to a site with few studies and to one with very many, in the
same run, in turn. The server is the office's, in a process of its own; the visitor signs in and keeps its connection.
"""

from __future__ import annotations

import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy.engine import make_url

from agent.bench import on_screen
from agent.bench.filled import WITH_FILMS, Filled, filled
from agent.bench.visitor import Visitor
from agent.bench.web_pages import PAGES, Asking, Page
from agent.demo.site import free_port
from agent.errors import Permanent
from agent.settings import load
from agent.store import accounts
from agent.store.engine import Ledger
from agent.web.rights import Role
from agent.web.signing.passwords import hashed, new_password

P95_AIM_MS = 50.0
FLAT_AIM = 2.0
WEIGHT_AIM_KB = 200.0
_NAME = "bench"
_FIRST_ASKED = 3  # not counted: the server has not done it before


@dataclass(frozen=True, slots=True)
class Timing:
    """One page at one size. Milliseconds over HTTP, from the question to the last byte; `cpu_ms`: of a processor, that the server
    used for it at the mean, which other work on the machine makes no longer."""

    page: str
    studies: int
    asked: int
    p50_ms: float
    p95_ms: float
    cpu_ms: float

    @property
    def verdict(self) -> str:
        """Whether the aim is met."""
        return "met" if self.p95_ms < P95_AIM_MS else f"missed (aim: under {P95_AIM_MS:.0f} ms)"


@dataclass(frozen=True, slots=True)
class Weight:
    """Everything a browser loads for a page but its pictures, 10^3 bytes, as it comes over the wire."""

    page: str
    kb: float
    parts: dict[str, int]

    @property
    def verdict(self) -> str:
        """Whether the aim is met."""
        return "met" if self.kb < WEIGHT_AIM_KB else f"missed (aim: under {WEIGHT_AIM_KB:.0f} kB)"


@dataclass(frozen=True, slots=True)
class FirstPicture:
    """From asking for a study to its first film on the screen of a browser, milliseconds."""

    studies: int
    asked: int
    p50_ms: float
    p95_ms: float

    @property
    def verdict(self) -> str:
        """Whether the aim is met."""
        return "met" if self.p50_ms < on_screen.AIM_MS else f"missed (aim: under {on_screen.AIM_MS:.0f} ms)"


@dataclass(frozen=True, slots=True)
class Measured:
    """`flatness`: by page, how many times as long the most studies take as the fewest, at the median. `pictures`: empty where
    there is no browser."""

    database: str
    timings: list[Timing]
    flatness: dict[str, float]
    weights: list[Weight]
    pictures: list[FirstPicture]


def run(folder: Path, sizes: Sequence[int], *, database: str, rounds: int, say: Callable[[str], None]) -> Measured:
    """Measure every page `rounds` times at every size.

    Args:
        folder: where the sites are made, and kept.
        database: URL of a PostgreSQL database, in which each size gets a schema of its own; empty: SQLite, in the folder.

    Raises:
        Permanent: a page cannot be had, or the folder holds something else.
    """
    with ExitStack() as stack:
        sites = {}
        for size in sorted(sizes):
            site = _site(folder / f"{_backend(database)}-{size}", size, database, say)
            sites[size] = stack.enter_context(_visited(site))
        timings: list[Timing] = []
        for page in PAGES:
            say(page.name)
            timings += _timed(page, sites, rounds)
        last = sites[max(sites)]
        asking = Asking(last.site, last.visitor, random.Random(0))  # noqa: S311  a choice, no secret
        weights = [_weight(page, asking) for page in PAGES if page.is_weighed]
        pictures = [found for one in sites.values() if (found := _first_pictures(one.site, one.visitor)) is not None]
    return Measured(_backend(database), timings, _flatness(timings), weights, pictures)


def _timed(page: Page, sites: Mapping[int, Visited], rounds: int) -> list[Timing]:
    """Each site in turn, so that whatever else the machine does falls on all of them."""
    asking = {size: Asking(one.site, one.visitor, random.Random(page.name)) for size, one in sites.items()}  # noqa: S311
    taken: dict[int, list[float]] = {size: [] for size in sites}
    used = dict.fromkeys(sites, 0.0)
    for number in range(rounds + _FIRST_ASKED):
        for size, one in sites.items():
            question = page.of(asking[size])
            before = one.cpu_seconds()
            took, _ = one.visitor.ask(*question)
            if number >= _FIRST_ASKED:
                taken[size].append(took * 1000)
                used[size] += (one.cpu_seconds() - before) * 1000
    return [
        Timing(page.name, size, rounds, statistics.median(ms), _percentile(ms, 95), used[size] / rounds)
        for size, ms in taken.items()
    ]


def _backend(database: str) -> str:
    return make_url(database).get_backend_name() if database else "sqlite"


def _percentile(values: Sequence[float], percent: int) -> float:
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, len(ranked) * percent // 100)]


def _flatness(timings: Sequence[Timing]) -> dict[str, float]:
    medians: dict[str, dict[int, float]] = {}
    for one in timings:
        medians.setdefault(one.page, {})[one.studies] = one.p50_ms
    return {page: by[max(by)] / by[min(by)] for page, by in medians.items() if len(by) > 1}


def _first_pictures(site: Filled, visitor: Visitor) -> FirstPicture | None:
    paths = [f"/studies/{site.with_film(number).study_instance_uid}" for number in range(WITH_FILMS)]
    taken = on_screen.first_pictures(_address(site), visitor.cookies, paths)
    if not taken:
        return None
    return FirstPicture(site.count, len(taken), statistics.median(taken), _percentile(taken, 95))


def _address(site: Filled) -> str:
    return f"http://127.0.0.1:{site.settings.web.port}"


def _weight(page: Page, asking: Asking) -> Weight:
    parts = asking.visitor.weight(page.of(asking)[0])
    return Weight(page.name, sum(parts.values()) / 1000, parts)


def _site(folder: Path, size: int, database: str, say: Callable[[str], None]) -> Filled:
    folder.mkdir(parents=True, exist_ok=True)
    settings_file = folder / "settings.toml"
    url = f'[database]\nurl = "{_own_schema(database, size)}"\n' if database else ""
    settings_file.write_text(
        f'[web]\nport = {free_port()}\n[storage]\nroot = "state"\nreserve_gb = 0.0\n[log]\nlevel = "error"\n{url}',
        "utf-8",
    )
    settings = load(settings_file)
    settings.storage.root.mkdir(exist_ok=True)
    return filled(settings, folder, size, now=datetime.now(UTC), say=say)


def _own_schema(database: str, size: int) -> str:
    """The URL with a schema for that size, which is made when it is not there."""
    import sqlalchemy

    ledger = Ledger(database)
    with ledger.begin() as tx:
        tx.execute(sqlalchemy.text(f"CREATE SCHEMA IF NOT EXISTS bench_{size:d}"))
    ledger.close()
    chosen = make_url(database).update_query_dict({"options": f"-csearch_path=bench_{size:d}"})
    return chosen.render_as_string(hide_password=False)


@dataclass(frozen=True, slots=True)
class Visited:
    """A site whose server runs, and who asks it."""

    site: Filled
    visitor: Visitor
    pid: int

    def cpu_seconds(self) -> float:
        """What the server has used so far (proc(5): utime and stime); 0 where the system does not say."""
        try:
            said = Path(f"/proc/{self.pid}/stat").read_text("ascii").rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(said[11]) + int(said[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def _visited(site: Filled) -> Iterator[Visited]:
    """The server on that site, and a visitor who has signed in."""
    password = _account(site)
    settings_file = site.settings.storage.root.parent / "settings.toml"
    command = [sys.executable, "-m", "agent.bench.web_process", str(settings_file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:  # noqa: S603  our own program, with a path of its own folder
        try:
            assert process.stdout is not None
            if not process.stdout.readline():
                raise Permanent("the web server did not start", code="bench-lost")
            with Visitor(_address(site)) as visitor:
                _until_it_answers(visitor)
                visitor.sign_in(_NAME, password)
                yield Visited(site, visitor, process.pid)
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()


def _until_it_answers(visitor: Visitor) -> None:
    import httpx2

    deadline = time.monotonic() + 60
    while True:
        try:
            visitor.ask("/sign-in")
        except httpx2.TransportError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


def _account(site: Filled) -> str:
    """Somebody who may see everything that is measured, with a new password."""
    password, ledger = new_password(), Ledger(site.settings.database_url)
    with ledger.begin() as tx:
        known = accounts.by_name(tx, _NAME)
        if known is None:
            accounts.add(tx, _NAME, Role.ADMINISTRATOR, hashed(password), must_change=False, now=datetime.now(UTC))
        else:
            accounts.set_values(tx, known.id, password_hash=hashed(password))
    ledger.close()
    return password
