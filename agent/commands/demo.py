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
    "--timeout",
    "timeout_s",
    default=900.0,
    show_default=True,
    type=click.FloatRange(min=0),
    help="With --once: give up after so many seconds.",
)
@click.option(
    "--on-real-films", is_flag=True, help="Let the commissioning model read the film that is no phantom, too."
)
@click.option("--no-browser", is_flag=True, help="Print where the worklist is, and do not open it.")
def demo(once: bool, out: Path, timeout_s: float, on_real_films: bool, no_browser: bool) -> None:
    """Run the line on real and drawn chest films, with an embedded PACS (an SCP that keeps what it gets) and RIS (an MLLP
    listener), and open its worklist in the browser.

    The model is the commissioning model, which has learnt drawn films and is not for patients: it declines the real
    film unless you say otherwise.
    """
    from agent.demo.run import run_demo

    sys.exit(
        run_demo(
            out.resolve(), once=once, timeout_s=timeout_s, on_real_films=on_real_films, open_browser=not no_browser
        )
    )
