"""`preread evaluate`: a labelled folder in, numbers out."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from agent import logs
from agent.clock import SystemClock
from agent.commands.common import print_json, settings_of
from agent.errors import Permanent
from agent.evaluation.films import report
from agent.evaluation.films.journal import Journal
from agent.evaluation.films.measure import evaluate as measure
from agent.evaluation.films.page import as_page
from agent.evaluation.films.provenance import Made
from agent.evaluation.films.reader import FilmReader
from agent.evaluation.films.result import FAILED, Result
from agent.evaluation.films.run import evaluation_desk, go_on, head_of, read_all
from agent.evaluation.films.table import as_table
from agent.evaluation.films.truth import Truth, read_truth
from agent.model.load import described, load_model
from agent.reading.common import Desk
from structured_report.plain import provenance_to_json


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--labels",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="CSV: file, one column a finding with 1, 0 or nothing; where known, patient and side_FINDING.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("evaluation"),
    show_default=True,
    help="Where results and report go; a run that was cut off goes on there.",
)
@click.option("--flags-only", is_flag=True, help="Only the short questions: fast, and no drafts.")
@click.option("--test-set", default="", metavar="NAME", help="Name of the test set; stands in every result.")
@click.option("--restart", is_flag=True, help="Throw away the results in --out and read every film again.")
@click.option("--json", "as_json", is_flag=True, help="Print the numbers for scripts.")
@click.pass_context
def evaluate(
    ctx: click.Context,
    folder: Path,
    labels: Path,
    out: Path,
    flags_only: bool,
    test_set: str,
    restart: bool,
    as_json: bool,
) -> None:
    """Read the labelled films in FOLDER with the model of the settings and measure what it finds: one film a study, DICOM,
    PNG or JPEG. Exit status 1 when no film could be read.

    Writes report.html, report.json, calibration.json (for triage.calibration) and, film by film, results.jsonl.
    """
    settings = settings_of(ctx)
    logs.configure(settings.log.level, "evaluate")
    truth = read_truth(labels)
    if len(test_set) > 64 or not test_set.isprintable():
        raise Permanent("--test-set: at most 64 characters on one line", code="test-set-invalid")
    console = Console(stderr=True)
    with console.status(f"loading {described(settings.model)}"):
        model = load_model(settings.model)
    try:
        desk = evaluation_desk(settings, model, test_set)
        head = head_of(settings, desk, folder, truth, flags_only=flags_only, test_set=test_set)
        reader = FilmReader(settings, desk, truth.findings, flags_only=flags_only, test_set=test_set)
        with Journal(out, head, restart=restart) as journal:
            results = _read(folder, truth, reader, journal, console)
    finally:
        model.close()
    made = _made(desk, folder, labels, flags_only=flags_only, test_set=test_set)
    evaluation = measure(truth, results, desk.rules, desk.calibration)
    numbers, lines = report.as_json(evaluation, made), report.calibration_json(evaluation, made)
    written = report.write(out, numbers, as_page(evaluation, made), lines)
    if as_json:
        print_json(numbers)
    else:
        Console().print(as_table(evaluation))
    for file in written:
        console.print(str(file), markup=False, highlight=False)
    _say_what_was_not_read(results, console)


def _read(folder: Path, truth: Truth, reader: FilmReader, journal: Journal, console: Console) -> Mapping[str, Result]:
    done = go_on(folder, truth, journal)
    if done.changed:
        words = f"{done.changed} files are not what they were when they were read; they are read again"
        console.print(words, style="yellow", highlight=False)
    if done.again:
        console.print(f"{done.again} films failed in a way that may pass; they are tried again", highlight=False)
    if done.kept:
        console.print(f"{done.kept} of {len(truth.films)} films have been read before; going on", highlight=False)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("films", total=len(truth.films), completed=done.kept)
        return read_all(folder, truth, reader, journal, lambda: progress.advance(task))


def _made(desk: Desk, folder: Path, labels: Path, *, flags_only: bool, test_set: str) -> Made:
    identity, content = desk.model.identity, labels.read_bytes()
    return Made(
        at=SystemClock().now(),
        build=provenance_to_json(desk.provenance()),
        engine=identity.engine,
        device=identity.device,
        test_set=test_set,
        folder=str(folder),
        labels=str(labels),
        labels_sha256=hashlib.sha256(content).hexdigest(),
        calibration=desk.calibration.name,
        flags_only=flags_only,
    )


def _say_what_was_not_read(results: Mapping[str, Result], console: Console) -> None:
    failed = [r for r in results.values() if r.outcome == FAILED]
    if failed:
        console.print(f"{len(failed)} of {len(results)} films were not read; the report lists why", style="red")
    if len(failed) == len(results):
        sys.exit(1)
