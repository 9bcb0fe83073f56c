"""`preread bench`: measurements, as ratios to peers in the same run."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path

import click

from agent.commands.common import print_json
from agent.model.weights import shipped_weights
from agent.settings.database import POSTGRESQL, check_database_url


def _server(url: str) -> str:
    """The URL, if it is of a PostgreSQL database; empty stays empty."""
    try:
        if not url or check_database_url(url).startswith(POSTGRESQL):
            return url
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    raise click.BadParameter(f'must begin with "{POSTGRESQL}"; without --database SQLite is measured')


@click.group()
def bench() -> None:
    """Measure this machine against its peers."""


@bench.command()
@click.option(
    "--rounds",
    default=3,
    show_default=True,
    type=click.IntRange(min=1),
    help="Every load so often; the median counts.",
)
@click.option(
    "--scale",
    default=1.0,
    show_default=True,
    type=click.FloatRange(min=0, min_open=True),
    help="More or fewer images.",
)
@click.option(
    "--work", type=click.Path(path_type=Path, file_okay=False), help="Where to receive, on the disk to be measured."
)
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def receive(rounds: int, scale: float, work: Path | None, as_json: bool) -> None:
    """Send 10 MB and 128 kB images over 1 and 8 associations to this agent, to Orthanc and to storescp.

    The ratio says how many times as fast this agent is as that receiver, for the same images from the same sender.
    """
    from agent.bench.receive import run
    from agent.work.signals import AskedToEnd

    if work is not None:
        work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=work, prefix="preread-bench-") as folder:
        say, asked = (lambda words: click.echo(words, err=True)), AskedToEnd()
        measured = run(Path(folder), rounds=rounds, scale=scale, say=say, heed=asked.heed)
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


@bench.command()
@click.option("--weights", help="Folder of a checkpoint; default: the one that comes with the program.")
@click.option("--quantization", type=click.Choice(["nf4", "int8", "none"]), default="none", show_default=True)
@click.option("--device", default="auto", show_default=True)
@click.option(
    "--pictures", default=1, show_default=True, type=click.IntRange(1, 2), help="Frontal, or frontal and lateral."
)
@click.option(
    "--full-size",
    type=click.Path(path_type=Path, file_okay=False),
    help="The full-size architecture with random weights instead, made once in this folder (8 GB).",
)
@click.option(
    "--tokens",
    type=click.IntRange(min=1),
    help="Longest reply; random weights never end by themselves. Default: the protocol's.",
)
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def read(
    weights: str | None,
    quantization: str,
    device: str,
    pictures: int,
    full_size: Path | None,
    tokens: int | None,
    as_json: bool,
) -> None:
    """Flag and read a drawn film over one shared encoding, and by the model card's quick start, on the same weights."""
    from agent.bench import read as bench_read
    from agent.settings import Triage

    small = weights or str(shipped_weights())
    chosen = str(bench_read.full_size(full_size, Path(small))) if full_size is not None else small
    measured = bench_read.measure(
        chosen,
        quantization=quantization,
        device=device,
        pictures=bench_read.films(pictures),
        findings=Triage().findings,
        report_tokens=tokens or (256 if full_size is not None else None),
        say=lambda words: click.echo(words, err=True),
    )
    if as_json:
        print_json(asdict(measured))
        return
    click.echo(f"{measured.model}, {measured.quantization}, on {measured.device}, {measured.pictures} pictures")
    for t in measured.timings:
        same = {True: "same answers", False: "OTHER ANSWERS", None: ""}[t.same_answers]
        click.echo(
            f"{t.stage:7} {t.questions:3} questions  shared {t.ours:8.2f} s  quick start {t.quick_start:8.2f} s  {t.ratio:5.1f} x  {same}"
        )
    flag = measured.timings[0]
    verdict = "met" if flag.ratio >= bench_read.FLAG_AIM else "missed"
    click.echo(f"aim: {bench_read.FLAG_AIM:.0f} x faster to a flag: {verdict}")
    verdict = "met" if measured.flag_share <= bench_read.SHARE_AIM else "missed"
    click.echo(f"aim: the flag in a tenth of the report's time: it takes {measured.flag_share:.2f} of it: {verdict}")


@bench.command()
@click.option(
    "--studies",
    type=click.IntRange(min=10),
    multiple=True,
    help="How many studies the site has; may be given again. [default: 1000 and 1000000]",
)
@click.option(
    "--database",
    default="",
    callback=lambda _ctx, _option, value: _server(value),
    help="URL of a PostgreSQL database for the ledgers; each size gets a schema in it. Default: SQLite.",
)
@click.option(
    "--work",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("out/bench-web"),
    show_default=True,
    help="Where the sites are made, and kept for the next time: 15 kB a study.",
)
@click.option(
    "--rounds", default=100, show_default=True, type=click.IntRange(min=1), help="How often each page is asked for."
)
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def web(studies: tuple[int, ...], database: str, work: Path, rounds: int, as_json: bool) -> None:
    """Ask for pages of a site with few studies and of one with very many, and weigh them.

    Milliseconds over HTTP on this machine, from the question to the last byte; "flat" says how many times as long the larger takes.
    CPU: what the server used for a page, which other work on the machine makes no longer.
    """
    from agent.bench import web as bench_web

    measured = bench_web.run(
        work.resolve(),
        studies or (1_000, 1_000_000),
        database=database,
        rounds=rounds,
        say=lambda words: click.echo(words, err=True),
    )
    if as_json:
        print_json(
            {
                **asdict(measured),
                "timings": [{**asdict(t), "verdict": t.verdict} for t in measured.timings],
                "weights": [{**asdict(w), "verdict": w.verdict} for w in measured.weights],
                "pictures": [{**asdict(f), "verdict": f.verdict} for f in measured.pictures],
            }
        )
        return
    click.echo(f"{measured.database}\n{'page':33} {'studies':>9} {'p50':>9} {'p95':>9} {'CPU':>9}  {'flat':>6}  aim")
    most = max(t.studies for t in measured.timings)
    for t in measured.timings:
        flat = f"{measured.flatness[t.page]:.1f} x" if t.page in measured.flatness and t.studies == most else ""
        times = " ".join(f"{ms:6.1f} ms" for ms in (t.p50_ms, t.p95_ms, t.cpu_ms))
        click.echo(f"{t.page:33} {t.studies:9,} {times}  {flat:>6}  {t.verdict}")
    for f in measured.pictures:
        times = f"{f.p50_ms:6.1f} ms {f.p95_ms:6.1f} ms {'':9}"
        click.echo(f"{'first film on the screen':33} {f.studies:9,} {times}  {'':>6}  {f.verdict}")
    for w in measured.weights:
        click.echo(f"{w.page:33} weighs {w.kb:.1f} kB in {len(w.parts)} parts: {w.verdict}")
