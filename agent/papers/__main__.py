"""``python -m agent.papers [--check]``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from agent.papers.blocks import filled, outdated
from agent.papers.made import MAKERS, PAPERS


def main() -> int:
    """Write the papers, or say which of their blocks are out of date; the exit status is then 1."""
    parser = argparse.ArgumentParser(prog="python -m agent.papers", description="Make the tables of the papers.")
    parser.add_argument(
        "--check", action="store_true", help="change nothing; exit status 1 when a block is out of date"
    )
    parser.add_argument("--docs", type=Path, default=Path("docs"), help="the folder of the papers (default: docs)")
    asked = parser.parse_args()
    stale = 0
    for name in PAPERS:
        file = asked.docs / name
        text = file.read_text("utf-8")
        if asked.check:
            for block in outdated(text, MAKERS):
                sys.stderr.write(f"{file}: the block {block} is out of date; make papers\n")
                stale += 1
        elif (made := filled(text, MAKERS)) != text:
            file.write_text(made, "utf-8")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
