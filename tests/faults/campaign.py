"""A campaign of faults: `python -m tests.faults.campaign --kills N --network N --seed S --out FILE.jsonl`.

One line of JSON is added to the file for every round that has been played *and* judged, so a campaign that was broken off goes
on with the same command. Exit status 1 when something did not hold.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.faults.checker import UNSETTLED, Complaint
from tests.faults.inflict import Outcome, inflict
from tests.faults.plan import ANSWERS, CLOCK, DATABASE, DISK, KILL, KINDS, MODEL, NETWORK, REFUSAL, STEPPED, Round, plan
from tests.faults.world import COMPILER, World
from tests.support.postgres import Cluster, running_cluster

SQLITE, POSTGRESQL = "sqlite", "postgresql"
BATCH = 15  # rounds between two judgements
OPTIONS = {
    "kills": KILL, "network": NETWORK, "disk": DISK, "database": DATABASE, "answers": ANSWERS, "refusals": REFUSAL, "model": MODEL,
    "clock": CLOCK,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Campaign:
    """What is to be done: rounds of each kind, by a seed; `on`: where the site's ledger lies."""

    counts: Mapping[str, int]
    seed: int
    on: str = SQLITE

    def segments(self) -> list[list[Round]]:
        return plan(self.counts, self.seed)

    def lines(self, file: Path) -> list[dict[str, Any]]:
        """What the file holds of it."""
        return [line for line in results_of(file) if (line["seed"], place_of(line)) == (self.seed, self.on)]


def place_of(line: Mapping[str, Any]) -> str:
    """Where the ledger of a round's site lay."""
    return str(line.get("on", SQLITE))


def results_of(file: Path) -> list[dict[str, Any]]:
    """The lines that are whole; the last one of a campaign that was killed may not be."""
    lines = file.read_text("utf-8").splitlines() if file.is_file() else []
    found = []
    for line in lines:
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def _end_last_line(file: Path) -> None:
    """A line that was broken off must not take the next one with it."""
    if file.is_file() and not file.read_bytes().endswith(b"\n"):
        with file.open("a", encoding="utf-8") as lines:
            lines.write("\n")


def run(campaign: Campaign, out: Path, *, say: bool = True) -> list[dict[str, Any]]:
    """Play every round that the file does not hold yet, and add it; returns the whole campaign's lines."""
    done = {line["round"] for line in campaign.lines(out)}
    _end_last_line(out)
    with nullcontext() if campaign.on == SQLITE else running_cluster() as server:
        for segment in campaign.segments():
            left = [one for one in segment if one.number not in done]
            for line in _segment(left, campaign.seed, server) if left else ():
                _add(out, line | {"on": campaign.on}, say=say)
    return campaign.lines(out)


def _add(out: Path, line: Mapping[str, Any], *, say: bool) -> None:
    with out.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
    if say:
        print(f"{line['round']:5} {line['kind']:9} {line['seconds']:6.1f} s  {line['what']}", flush=True)
        for words in line["complaints"]:
            print(f"      !! {words}", flush=True)


def _segment(rounds: Sequence[Round], seed: int, server: Cluster | None) -> Iterator[dict[str, Any]]:
    """One site's life. After a batch in which something did not hold, the rest goes to a new site."""
    mode = rounds[0].mode
    if mode == STEPPED and COMPILER is None:
        skipped = Outcome("skipped: there is no C compiler for a clock that can be set", False)
        yield from (_line(one, seed, skipped, 0.0, []) for one in rounds)
        return
    left = list(rounds)
    while left:
        with (
            tempfile.TemporaryDirectory(prefix="campaign-") as folder,
            World(Path(folder), mode, server=server) as world,
        ):
            all_is_well = True
            while left and all_is_well:
                lines = _batch(world, left[:BATCH], seed)
                left = left[len(lines) :]
                all_is_well = not any(line["complaints"] for line in lines)
                yield from lines


def _batch(world: World, rounds: Sequence[Round], seed: int) -> list[dict[str, Any]]:
    """Rounds, one after another, and then the judgement; what does not hold stands with the last of them."""
    lines: list[dict[str, Any]] = []
    began, complaints = time.monotonic(), list[Complaint]()
    for one in rounds:
        started = time.monotonic()
        try:
            outcome = inflict(world, one)
        except Exception as error:
            outcome = Outcome(f"the round could not be played to its end: {error!r}", False)
            complaints.append(Complaint(UNSETTLED, traceback.format_exc(limit=4)))
        lines.append(_line(one, seed, outcome, time.monotonic() - started, []))
        if complaints:
            break
    complaints += world.judge()
    lines[-1]["complaints"] = [str(c) for c in complaints]
    lines[-1]["batch"] = {
        "rounds": len(lines), "seconds": round(time.monotonic() - began, 1), "images": len(world.evidence.acknowledged),
        "retried": world.retried,
    }  # fmt: skip
    if complaints:
        lines[-1]["log"] = world.site.log.read_text("utf-8", "replace")[-6000:]
    return lines


def _line(one: Round, seed: int, outcome: Outcome, seconds: float, complaints: Sequence[str]) -> dict[str, Any]:
    return {
        "seed": seed, "round": one.number, "kind": one.kind, "mode": one.mode, "what": outcome.what, "happened": outcome.happened,
        "seconds": round(seconds, 2), "complaints": list(complaints),
    }  # fmt: skip


def arguments(given: Sequence[str]) -> tuple[Campaign, Path]:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.campaign", description=__doc__)
    for option in OPTIONS:
        parser.add_argument(f"--{option}", type=int, default=0, metavar="N", help="how many rounds of these")
    parser.add_argument(
        "--seed", type=int, default=1, help="what chance decides is decided by it (default: %(default)s)"
    )
    parser.add_argument(
        "--on", choices=[SQLITE, POSTGRESQL], default=SQLITE, help="where the ledger lies (default: %(default)s)"
    )
    parser.add_argument("--out", type=Path, default=Path("out/campaign.jsonl"), help="default: %(default)s")
    told = parser.parse_args(given)
    counts = {kind: getattr(told, option) for option, kind in OPTIONS.items()}
    if not any(counts.values()):
        parser.error("nothing to do: name how many rounds of what")
    return Campaign(counts, told.seed, told.on), told.out


def main(given: Sequence[str]) -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # as ctrl-C does: what was mounted and started is undone
    campaign, out = arguments(given)
    out.parent.mkdir(parents=True, exist_ok=True)
    lines = run(campaign, out)
    complaints = [words for line in lines for words in line["complaints"]]
    struck = sum(line["happened"] for line in lines)
    by_kind = ", ".join(
        f"{sum(x['kind'] == k for x in lines)} {k}" for k in KINDS if any(x["kind"] == k for x in lines)
    )
    print(f"{len(lines)} rounds ({by_kind}), {struck} faults struck, {len(complaints)} complaints; in {out}")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
