"""Campaigns as a table: `python -m tests.faults.report RESULTS.jsonl ... [--soak SOAK.json ...] [--write docs/reliability.md]`.

The numbers stand between two marks in the document and nowhere else; what people wrote around them is left alone.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.faults.campaign import OPTIONS, SQLITE, place_of, results_of
from tests.faults.checker import KINDS as COMPLAINTS
from tests.faults.plan import KINDS

BEGIN, END = "<!-- measured: python -m tests.faults.report -->", "<!-- end of what was measured -->"
_WHAT = {
    "kill": "SIGKILL to receive, office, read or the supervisor",
    "network": "cut, reset, delayed, truncated or half-closed, at any byte, either way: sender, PACS, RIS",
    "disk": "full, or nearly, while images come; sometimes receive is killed as well",
    "database": "locked by another writer, or read-only while a process starts; a server also ends connections and loses its power",
    "answers": "any status of a C-STORE, any acknowledgement with any ERR-3",
    "refusal": "strangers, images of no study, other pixels under a known UID",
    "model": "killed or stopped in the middle of its work, beyond its lease too",
    "clock": "set back or forward by 5 s to a day",
}


def tables(campaigns: dict[tuple[str, int], list[dict[str, Any]]], soaks: Sequence[dict[str, Any]]) -> str:
    """Everything that was measured, as Markdown."""
    parts = [
        _campaign(on, seed, lines)
        for (on, seed), lines in sorted(campaigns.items(), key=lambda c: (c[0][0] != SQLITE, c[0][1]))
    ]
    parts += [_soak(found) for found in soaks]
    return "\n\n".join(parts)


def _campaign(on: str, seed: int, lines: Sequence[dict[str, Any]]) -> str:
    by_kind: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in lines:
        by_kind[line["kind"]].append(line)
    counts = " ".join(f"--{option} {len(by_kind[kind])}" for option, kind in OPTIONS.items() if by_kind[kind])
    rows = [
        f"| {kind} | {_WHAT[kind]} | {len(by_kind[kind])} | {sum(x['happened'] for x in by_kind[kind])} |"
        for kind in KINDS
        if by_kind[kind]
    ]
    found = Counter(words.partition(":")[0] for line in lines for words in line["complaints"])
    batches = [line["batch"] for line in lines if "batch" in line]
    seconds = sum(b["seconds"] for b in batches)
    verdict = ", ".join(f"{found[kind]} {kind}" for kind in COMPLAINTS)
    skipped = sorted({line["what"] for line in lines if line["what"].startswith("skipped")})
    return "\n".join(
        [
            f"`python -m tests.faults.campaign {counts}{'' if on == SQLITE else f' --on {on}'} --seed {seed}`",
            "",
            "| fault | what | rounds | struck |",
            "|---|---|---|---|",
            *rows,
            "",
            f"{len(lines)} rounds, {sum(x['happened'] for x in lines)} faults struck, {seconds / max(1, len(lines)):.1f} s a round. "
            f"Found: {verdict}.",
            *(f"\n{words}" for words in skipped),
        ]
    )


def _soak(found: dict[str, Any]) -> str:
    chests = f" --chests {found['chests']}" if found["chests"] else ""
    rows = [
        f"| {f['role']} | {f['what']} | {f['first']:.1f} | {f['last']:.1f} | {f['per_thousand']:+.2f} | {'yes' if f['is_flat'] else 'NO'} |"
        for f in found["fits"]
    ]
    return "\n".join(
        [
            f"`python -m tests.faults.soak --studies {found['studies']}{chests}`",
            "",
            "| process | what | after warming up | at the end | slope per 1000 studies | flat |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
            f"{found['studies']} studies in {found['seconds']:.0f} s; {len(found['complaints'])} complaints.",
        ]
    )


def written(document: str, measured: str) -> str:
    """The document with what was measured between its marks. Raises `ValueError` when it has no marks."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the document has no lines {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{measured}\n\n{END}{after}"


def main(given: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.report", description=__doc__)
    parser.add_argument("results", type=Path, nargs="*", help="what campaigns wrote")
    parser.add_argument("--soak", type=Path, action="append", default=[], help="what a soak wrote")
    parser.add_argument("--write", type=Path, help="the document; else standard output")
    told = parser.parse_args(given)
    campaigns: dict[tuple[str, int], list[dict[str, Any]]] = defaultdict(list)
    for file in told.results:
        for line in results_of(file):
            campaigns[place_of(line), line["seed"]].append(line)
    measured = tables(campaigns, [json.loads(p.read_text("utf-8")) for p in told.soak])
    if told.write is None:
        print(measured)
    else:
        told.write.write_text(written(told.write.read_text("utf-8"), measured), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
