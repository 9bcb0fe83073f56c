"""The demonstration itself: start everything, send the films, watch, and leave the results."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from agent.commands.common import existing_store
from agent.commands.look import everything_about
from agent.demo.films import demo_films
from agent.demo.pacs import DemoPacs
from agent.demo.people import Known, add_people, address, show, wait_for_pages
from agent.demo.ris import DemoRis
from agent.demo.site import PACS_AE_TITLE, Line, free_port, fresh, write_settings
from agent.errors import Permanent
from agent.settings import Settings, load
from agent.store import overview, processes
from agent.store.engine import Ledger
from agent.work.signals import AskedToEnd
from dicom_nodes import scu
from dicom_nodes.roles import Peer
from structured_report.content import BANNER

_FINAL = {"delivered", "superseded"}


def run_demo(
    out: Path, *, once: bool, timeout_s: float, on_real_films: bool = False, open_browser: bool = False
) -> int:
    """Run the demonstration into the folder `out`.

    Args:
        once: end when every study is delivered and acknowledged; nobody is given an account, and no browser is opened.
        on_real_films: let the commissioning model read the film that is no phantom.

    Returns:
        0 when every study was delivered to the PACS and acknowledged by the RIS, else 1.
    """
    console, asked = Console(), AskedToEnd()
    fresh(out)
    films = demo_films(out / "films")
    with DemoPacs(out / "sr", ae_title=PACS_AE_TITLE) as pacs, DemoRis(out / "oru") as ris:
        ports = {"port": free_port(), "pacs_port": pacs.port, "ris_port": ris.port}
        settings_path = write_settings(out, **ports, on_real_films=on_real_films)
        people = () if once else add_people(load(settings_path))
        line = Line(settings_path, out / "preread.log")
        try:
            line.wait_until_ready()
            settings = load(settings_path)
            _invite(console, settings, line, people, open_browser=open_browser)
            _send(console, settings, films)
            done = _watch(console, settings, line, len(films), asked, once=once, timeout_s=timeout_s)
        finally:
            line.stop()
    return _conclude(console, settings, out, done)


def _invite(console: Console, settings: Settings, line: Line, people: Sequence[Known], *, open_browser: bool) -> None:
    """Say where the worklist is, and who may see it."""
    if not people or not wait_for_pages(settings, line.alive):
        return
    console.print(f"\nThe worklist: [bold]{address(settings)}[/]   Sign in as")
    for one in people:
        console.print(f"    {one.name:14} password {one.password}", highlight=False)
    if open_browser and not show(address(settings)):
        console.print("No browser was opened: there is none here, or no screen for it.")
    console.print("Ctrl-C ends the demonstration.\n")


def _send(console: Console, settings: Settings, films: Sequence[Sequence[Path]]) -> None:
    """Be the PACS that sends: one association a study."""
    node = Peer(
        name="self", ae_title=settings.node.ae_title, host="127.0.0.1", port=settings.node.port, may=frozenset()
    )
    for study in films:
        results = scu.store(node, study, own_ae_title=PACS_AE_TITLE, timeout_s=30.0)
        refused = [r for r in results if not r.accepted]
        if refused:
            raise Permanent(f"{refused[0].file.name} was answered {refused[0].status_text}", code="demo-refused")
        console.print(f"sent {', '.join(p.name for p in study)}: Success")


def _watch(
    console: Console, settings: Settings, line: Line, wanted: int, asked: AskedToEnd, *, once: bool, timeout_s: float
) -> bool:
    ledger, _ = existing_store(settings)
    deadline, done = time.monotonic() + timeout_s, False
    with Live(console=console, refresh_per_second=4, transient=False) as live, contextlib.suppress(KeyboardInterrupt):
        while line.alive():
            table, done = _picture(ledger, wanted)
            live.update(table)
            if asked.heard or (once and (done or time.monotonic() > deadline)):
                return done
            time.sleep(0.25)
        return False
    return done


def _picture(ledger: Ledger, wanted: int) -> tuple[Table, bool]:
    with ledger.read() as view:
        lines = overview.studies(view)
        roles = processes.all_processes(view)
    table = Table(title="cxr-preread", caption=" | ".join(f"{r.role}: {r.state}" for r in roles))
    for heading in ("accession", "priority", "images", "state", "deliveries"):
        table.add_column(heading)
    for line in reversed(lines):
        accession = line.about.get("order", {}).get("accession_number") or line.study_instance_uid[-12:]
        state = f"{line.state}{': ' + line.reason if line.reason else ''}"
        sent = ", ".join(f"{n} {s}" for s, n in sorted(line.deliveries.items())) or "-"
        table.add_row(accession, line.priority or "-", str(line.images), state, sent)
    return table, len(lines) == wanted and all(_delivered(line) for line in lines)


def _delivered(line: overview.StudyLine) -> bool:
    """Both destinations have it: the PACS its SR and the RIS its ORU."""
    return line.deliveries.get("delivered", 0) >= 2 and set(line.deliveries) <= _FINAL


def _conclude(console: Console, settings: Settings, out: Path, done: bool) -> int:
    ledger, files = existing_store(settings)
    with ledger.read() as view:
        lines = overview.studies(view)
        refused = overview.refusals(view)
    studies: list[dict[str, Any]] = [
        everything_about(ledger, files, line.study_instance_uid) for line in reversed(lines)
    ]
    ledger_file = out / "ledger.json"
    value = {"complete": done, "studies": studies, "refusals": refused}
    ledger_file.write_text(json.dumps(value, indent=2, ensure_ascii=False, default=str), encoding="utf-8")
    for study in studies:
        _print_report(console, study)
    console.print(
        f"\nStructured Reports: {out / 'sr'}\nHL7 messages:       {out / 'oru'}\nledger:             {ledger_file}"
    )
    console.print(f"look again with:    {sys.argv[0]} --settings {out / 'settings.toml'} studies")
    if not done:
        console.print(
            "[bold red]not every study was delivered and acknowledged[/]; see preread.log and ledger.json in the folder"
        )
    return 0 if done else 1


def _print_report(console: Console, study: dict[str, Any]) -> None:
    about, reading = study["study"], study["reading"]
    console.rule(f"study {about['study_instance_uid']}")
    console.print(f"{about['state']} {about['explanation']}".strip(), markup=False)
    if study["flag"] is not None and not study["flag"]["trouble"]:
        after = (study["flag"]["flagged_at"] - about["last_received_at"]).total_seconds()
        console.print(f"Flagged {study['flag']['priority']} {after:.1f} s after its last image", markup=False)
    if about["priority"]:
        console.print(f"Triage: {'; '.join((about['priority'], *about['reasons']))}", markup=False)
    if reading and reading["draft"]:
        console.print(BANNER, style="bold", markup=False)
        console.print(f"Findings: {reading['draft']}", markup=False)
        for region in reading["regions"]:
            console.print(_where(region), markup=False)
        for verdict in reading["verdicts"]:
            console.print(f"check {verdict['code']}: {verdict['sentence']}", markup=False)
        console.print(f"Reasoning trace: {reading['reasoning']}", markup=False, style="dim")


def _where(region: dict[str, Any]) -> str:
    """A box in the stored image. In an upright frontal film the patient's right is on the left."""
    what = " ".join(filter(None, (region["laterality"], region["concept"].replace("_", " "))))
    columns, rows = (f"{region[a]:.0f} to {region[b]:.0f}" for a, b in (("x0", "x1"), ("y0", "y1")))
    return f"Box: {what} in columns {columns}, rows {rows}"
