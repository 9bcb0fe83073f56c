"""Many studies through one box: `python -m tests.faults.soak --studies N --chests M --out FILE.json`.

Samples the resident set, the descriptors and the threads of every process while the studies go through, and fits a line to
each: what grows with every study is a leak, whatever its size on the day. Exit status 1 when something grew or did not hold.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from tests.faults.checker import Complaint
from tests.faults.plan import ALONE, READING
from tests.faults.tables import Unreadable
from tests.faults.world import World, descriptors
from tests.support.site import ROLES, until

AT_ONCE = 10  # studies an association
MOST_WAITING = 300  # jobs; then the sender waits, so that what is measured is not the backlog
WARMING_UP = 0.3  # of the samples: caches fill, pools grow to their size
MOST_GROWTH_MB, MOST_GROWTH_DESCRIPTORS = 16.0, 6.0  # over the whole measured span


@dataclass(frozen=True, slots=True)
class Sample:
    """One process at one moment. `studies`: how many had been delivered by then. `waiting`: jobs."""

    seconds: float
    studies: int
    waiting: int
    role: str
    rss_mb: float
    descriptors: int
    threads: int


@dataclass(frozen=True, slots=True)
class Fit:
    """A straight line through the samples of one process after it had warmed up. `per_thousand`: its slope, for each thousand
    studies; `growth`: what it comes to over the span that was measured."""

    role: str
    what: str
    first: float
    last: float
    per_thousand: float
    growth: float
    samples: int
    most: float

    @property
    def is_flat(self) -> bool:
        return self.growth <= self.most


class Sampler(threading.Thread):
    """Looks at every process every so many seconds."""

    def __init__(self, world: World, every_s: float) -> None:
        super().__init__(daemon=True)
        self._world, self._every_s = world, every_s
        self._over = threading.Event()
        self._began = time.monotonic()
        self.samples: list[Sample] = []

    def run(self) -> None:
        while not self._over.wait(self._every_s):
            self.look()

    def look(self) -> None:
        studies, waiting = progress(self._world)
        for role, pid in self._world.roles.pids().items():
            try:
                process = psutil.Process(pid)
                rss, threads = process.memory_info().rss / 1e6, process.num_threads()
            except psutil.NoSuchProcess:
                continue
            seconds = round(time.monotonic() - self._began, 1)
            count = sum(descriptors(pid, self._world.ledger))
            self.samples.append(Sample(seconds, studies, waiting, role, round(rss, 1), count, threads))

    def stop(self) -> None:
        self._over.set()
        self.join()


def progress(world: World) -> tuple[int, int]:
    """(deliveries that were made, halved: two a study; jobs that wait or run)."""
    try:
        done = world.ledger.rows("SELECT count(*) AS n FROM delivery WHERE state = 'delivered'")[0]["n"]
        left = world.ledger.rows("SELECT count(*) AS n FROM job WHERE state IN ('waiting', 'running')")[0]["n"]
    except Unreadable:
        return 0, 0
    return int(done) // 2, int(left)


def fits(samples: Sequence[Sample]) -> list[Fit]:
    """The lines of every process; none of one that was looked at fewer than four times after it had warmed up."""
    found = []
    for role in sorted({s.role for s in samples}):
        mine = [s for s in samples if s.role == role]
        mine = mine[int(len(mine) * WARMING_UP) :]
        span = mine[-1].studies - mine[0].studies if mine else 0
        if len(mine) < 4 or span <= 0:
            continue
        for what, most in (("rss_mb", MOST_GROWTH_MB), ("descriptors", MOST_GROWTH_DESCRIPTORS)):
            values = [float(getattr(s, what)) for s in mine]
            slope = float(np.polyfit([s.studies for s in mine], values, 1)[0])
            found.append(
                Fit(role, what, values[0], values[-1], round(slope * 1000, 3), round(slope * span, 2), len(mine), most)
            )
    return found


def soak(world: World, studies: int, chests: int, *, every_s: float) -> tuple[list[Sample], list[Complaint]]:
    """Send them all, as fast as the line takes them, and judge what became of them."""
    sampler = Sampler(world, every_s)
    sampler.start()
    every = studies // chests if chests else 0
    for start in range(1, studies + 1, AT_ONCE):
        films: list[Path] = []
        for number in range(start, min(start + AT_ONCE, studies + 1)):
            films += world.chest(number) if every and number % every == 0 else world.hand(number)
        world.send(films)
        until(lambda: progress(world)[1] < MOST_WAITING, seconds=600, what="the backlog shrinks")
        for film in films:
            film.unlink()
    complaints = world.judge()
    sampler.look()
    sampler.stop()
    return sampler.samples, complaints


def summary(samples: Sequence[Sample], complaints: Sequence[Complaint], studies: int, chests: int) -> dict[str, Any]:
    lines = fits(samples)
    return {
        "studies": studies,
        "chests": chests,
        "seconds": samples[-1].seconds if samples else 0.0,
        "fits": [asdict(f) | {"is_flat": f.is_flat} for f in lines],
        "measured": len(lines) == 2 * len(ROLES),
        "complaints": [str(c) for c in complaints],
        "samples": [asdict(s) for s in samples],
    }


def main(given: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak", description=__doc__)
    parser.add_argument("--studies", type=int, required=True, metavar="N", help="how many in all")
    parser.add_argument(
        "--chests", type=int, default=0, metavar="M", help="so many of them for the commissioning model"
    )
    parser.add_argument("--every", type=float, default=2.0, metavar="SECONDS", help="between two samples")
    parser.add_argument("--out", type=Path, default=Path("out/soak.json"), help="default: %(default)s")
    told = parser.parse_args(given)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    mode = READING if told.chests else ALONE
    with tempfile.TemporaryDirectory(prefix="soak-", ignore_cleanup_errors=True) as folder:
        with World(Path(folder), mode, small_disk=False) as world:
            samples, complaints = soak(world, told.studies, told.chests, every_s=told.every)
        found = summary(samples, complaints, told.studies, told.chests)
        told.out.parent.mkdir(parents=True, exist_ok=True)
        told.out.write_text(json.dumps(found, indent=1), "utf-8")
    for fit in fits(samples):
        verdict = "flat" if fit.is_flat else "GROWS"
        print(
            f"{fit.role:8} {fit.what:11} {fit.first:8.1f} -> {fit.last:8.1f}  {fit.per_thousand:+9.3f} per 1000 studies, "
            f"{fit.growth:+.2f} over {fit.samples} samples: {verdict}"
        )
    for complaint in complaints:
        print(f"!! {complaint}")
    print(f"{told.studies} studies in {found['seconds']:.0f} s; in {told.out}")
    return 0 if found["measured"] and not complaints and all(f.is_flat for f in fits(samples)) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
