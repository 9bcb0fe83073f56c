"""`preread read`: one reading without the line."""

from __future__ import annotations

import dataclasses
import hashlib
import sys
from collections.abc import Callable
from pathlib import Path

import click

from agent.clock import SystemClock
from agent.commands.common import print_json, settings_of
from agent.errors import Permanent
from agent.reading.offline import OfflineStudy, read_files
from agent.settings import Settings
from structured_report.content import BANNER, PreRead
from structured_report.oru import encode_oru
from structured_report.sr import encode_sr, file_bytes
from structured_report.tree import triage_sentence


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the reading as JSON.")
@click.option("--sr", type=click.Path(path_type=Path), help="Write the Structured Report to this file.")
@click.option("--oru", type=click.Path(path_type=Path), help="Write the ORU^R01 to this file.")
@click.option("--weights", help="Another checkpoint than the one in the settings.")
@click.option(
    "--quantization",
    type=click.Choice(["nf4", "int8", "none"]),
    help="Another quantization than the one in the settings.",
)
@click.pass_context
def read(
    ctx: click.Context,
    files: tuple[Path, ...],
    as_json: bool,
    sr: Path | None,
    oru: Path | None,
    weights: str | None,
    quantization: str | None,
) -> None:
    """Read the DICOM FILES of one study here and now: nothing is stored, nothing is sent.

    Exit status 1 when a document that was asked for could not be written; the reading is printed all the same.
    """
    settings = _with(settings_of(ctx), weights, quantization)
    for target in filter(None, (sr, oru)):
        if not target.resolve().parent.is_dir():
            raise Permanent(f"{target} cannot be written: there is no such folder", code="output-unwritable")
    study = read_files(files, settings, SystemClock())
    preread = study.preread
    wanted = ((sr, lambda: file_bytes(encode_sr(preread, study.evidence))), (oru, lambda: _message(preread)))
    unwritten = [
        words for target, encode in wanted if target is not None and (words := _why_not_written(target, encode))
    ]
    if as_json:
        print_json({**dataclasses.asdict(preread), "not_written": unwritten})
    else:
        _print(study)
    for words in unwritten:
        click.echo(words, err=True)
    sys.exit(1 if unwritten else 0)


def _why_not_written(target: Path, encode: Callable[[], bytes]) -> str:
    """Write one document; the words say why it is not there. The reading has cost minutes and is printed all the same."""
    try:
        content = encode()
    except Exception as error:  # noqa: BLE001  process edge: our defect on a header nobody thought of; the reading is not lost with it
        return f"{target} was not written: no document can be made from these headers ({type(error).__name__}: {error})"
    try:
        target.write_bytes(content)
    except OSError as error:
        return f"{target} was not written: {error.strerror or error}; name another file"
    return ""


def _with(settings: Settings, weights: str | None, quantization: str | None) -> Settings:
    changes = {k: v for k, v in (("weights", weights), ("quantization", quantization)) if v is not None}
    if changes and settings.model.backend != "local":
        raise Permanent(
            f'--weights and --quantization are for model.backend "local"; the settings say "{settings.model.backend}"',
            code="settings-invalid",
        )
    return settings.model_copy(update={"model": settings.model.model_copy(update=changes)})


def _message(preread: PreRead) -> bytes:
    return encode_oru(
        preread,
        sending_application="PREREAD",
        sending_facility="RADIOLOGY",
        receiving_application="",
        receiving_facility="",
    )


def _print(study: OfflineStudy) -> None:
    preread = study.preread
    click.echo(BANNER)
    click.echo(f"Outcome: {preread.outcome}{': ' + preread.explanation if preread.explanation else ''}")
    for image in preread.images:
        click.echo(f"  {image.sop_instance_uid}: {image.explanation} [{image.reason}]")
    if preread.priority is not None:
        click.echo(triage_sentence(preread))
    for probability in preread.probabilities:
        how = f"calibrated by {probability.calibration}" if probability.calibration else "uncalibrated"
        click.echo(f"  {probability.concept}: {probability.value:.2f} ({how})")
    said = preread.narrative
    for title, text in (
        ("Findings", said.findings), ("Impression", said.impression), ("Comparison", said.comparison), ("Reasoning trace", said.reasoning),
    ):  # fmt: skip
        if text:
            click.echo(f"\n{title}\n{text}")
    for verdict in preread.verdicts:
        click.echo(f"check {verdict.code} ({verdict.effect}): {verdict.sentence}")
    for remark in preread.remarks:
        click.echo(f"note: {remark}")
    digest = hashlib.sha256(preread.narrative.reasoning.encode()).hexdigest()[:12]
    made_by = preread.provenance
    click.echo(
        f"\n{made_by.model_name}, {made_by.quantization or 'no model'}, prompt {made_by.prompt_id or '-'}, trace {digest}"
    )
