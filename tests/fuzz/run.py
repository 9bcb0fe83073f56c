"""Coverage-guided fuzzing of one target after the other, each in a process of its own:

    python -m tests.fuzz.run [TARGET...] [--runs N] [--seconds S] [--seed N] [--out FILE]

What ends a target is kept in tests/fuzz/corpus/TARGET, from where `make test` tries it for ever after. A row for each target is
appended to FILE as a line of JSON: how many inputs, how long, and what was found.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"
SLOWEST_S = 10  # for one input


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*")
    parser.add_argument("--runs", type=int, default=20_000)
    parser.add_argument(
        "--seconds", type=int, default=0, help="at most so long for each target; 0: as long as it takes"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments, rest = parser.parse_known_args()
    if arguments.one:
        return _fuzz(arguments.one, rest)
    from tests.fuzz.targets import TARGETS

    rows = [_target(name, arguments) for name in arguments.targets or TARGETS]
    return 1 if any(r["found"] for r in rows) else 0


def _target(name: str, arguments: argparse.Namespace) -> dict[str, object]:
    from tests.fuzz.seeds import seeds_of

    kept = CORPUS / name
    kept.mkdir(parents=True, exist_ok=True)
    before = set(kept.iterdir())
    with tempfile.TemporaryDirectory() as work:
        for number, content in enumerate(seeds_of(name)):
            (Path(work) / f"seed-{number}").write_bytes(content)
        limits = [f"-runs={arguments.runs}", f"-seed={arguments.seed}", f"-timeout={SLOWEST_S}", "-max_len=16384"]
        limits += [f"-max_total_time={arguments.seconds}"] if arguments.seconds else []
        command = [
            sys.executable,
            "-m",
            "tests.fuzz.run",
            "--one",
            name,
            *limits,
            f"-artifact_prefix={kept}/",
            work,
            str(kept),
        ]
        began = time.monotonic()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        took = time.monotonic() - began
    counted = re.findall(r"^#(\d+)\s", done.stderr, re.MULTILINE)
    row = {
        "target": name, "seed": arguments.seed, "inputs": int(counted[-1]) if counted else 0, "seconds": round(took, 1),
        "found": sorted(p.name for p in set(kept.iterdir()) - before), "exit": done.returncode,
    }  # fmt: skip
    print(json.dumps(row), flush=True)
    if done.returncode:
        print(done.stderr[-4000:], file=sys.stderr)
        row["found"] = row["found"] or ["the process ended"]
    if arguments.out:
        with arguments.out.open("a", encoding="utf-8") as out:
            out.write(json.dumps(row) + "\n")
    return row


def _fuzz(name: str, rest: list[str]) -> int:
    import atheris

    with atheris.instrument_imports(include=["agent", "dicom_nodes", "structured_report", "tests.fuzz.targets"]):
        from tests.fuzz.targets import TARGETS

    import warnings

    warnings.simplefilter("ignore")
    atheris.Setup([sys.argv[0], *rest], TARGETS[name])
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
