"""`preread bench`: measurements, as ratios to peers in the same run."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path

import click

from agent.commands.common import print_json


@click.group()
def bench() -> None:
    """Measure this machine against its peers."""


@bench.command()
@click.option("--rounds", default=3, show_default=True, help="Every load so often; the median counts.")
@click.option("--scale", default=1.0, show_default=True, help="More or fewer images.")
@click.option(
    "--work", type=click.Path(path_type=Path, file_okay=False), help="Where to receive, on the disk to be measured."
)
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def receive(rounds: int, scale: float, work: Path | None, as_json: bool) -> None:
    """Send 10 MB and 128 kB images over 1 and 8 associations to this agent, to Orthanc and to storescp.

    The ratio says how many times as fast this agent is as that receiver, for the same images from the same sender.
    """
    from agent.bench.receive import run

    if work is not None:
        work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=work, prefix="preread-bench-") as folder:
        measured = run(Path(folder), rounds=rounds, scale=scale, say=lambda words: click.echo(words, err=True))
    if as_json:
        print_json([{**asdict(m), "verdict": m.verdict} for m in measured])
        return
    click.echo(
        f"{'image':>7} {'assoc.':>6}  {'receiver':10} {'images/s':>9} {'MB/s':>8} {'peak RSS':>9}  {'we are':>7}  aim"
    )
    for m in measured:
        ours = "" if m.receiver == "preread" else f"{m.ratio:.1f} x"
        speed = f"{m.images_per_s:9.1f} {m.mb_per_s:8.1f} {m.peak_mb:6.0f} MB"
        click.echo(f"{m.load:>7} {m.associations:>6}  {m.receiver:10} {speed}  {ours:>7}  {m.verdict}")


@bench.command()
@click.option(
    "--half",
    type=click.Choice(["seen", "held-out", "all"]),
    multiple=True,
    help="Which part of the corpus; both halves unless given. The rules were written looking at the seen half only.",
)
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def labels(half: tuple[str, ...], as_json: bool) -> None:
    """Read the reports of the PyPI package radlabels with the labeller and compare with its labels.

    "Named" is present or in doubt, on both sides. "P said" is the precision where the corpus says anything of the finding.
    """
    from agent.evaluation.corpus import Half
    from agent.evaluation.labeller import measure
    from agent.evaluation.tables import as_json as values
    from agent.evaluation.tables import as_table

    measured = [measure(None if name == "all" else Half(name)) for name in half or ("seen", "held-out")]
    if as_json:
        print_json([values(m) for m in measured])
        return
    click.echo("\n\n".join(as_table(m) for m in measured))
