"""`preread demo`: the whole line on one machine, with a PACS and a RIS embedded."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command()
@click.option("--once", is_flag=True, help="End by itself when every study is delivered and acknowledged.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("out"),
    show_default=True,
    help="Where results are left.",
)
@click.option(
    "--timeout", "timeout_s", default=900.0, show_default=True, help="With --once: give up after so many seconds."
)
def demo(once: bool, out: Path, timeout_s: float) -> None:
    """Run the line on real and synthetic chest films, with an embedded PACS (an SCP that keeps what it gets) and RIS
    (an MLLP listener).

    The model is a tiny checkpoint of the right architecture that is made on the spot: it shows that the line works
        and knows no medicine.
    """
    from agent.demo.run import run_demo

    sys.exit(run_demo(out.resolve(), once=once, timeout_s=timeout_s))
