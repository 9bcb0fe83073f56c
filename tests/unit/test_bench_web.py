"""`preread bench web`: what it says is of pages that were really answered, on a ledger as the line would have left it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from agent.commands.bench import bench as bench_commands
from agent.service import open_store
from agent.settings import load
from agent.store import overview


def bench(folder: Path, *arguments: str) -> dict[str, Any]:
    done = CliRunner().invoke(bench_commands, ["web", "--work", str(folder), "--rounds", "2", "--json", *arguments])
    assert done.exit_code == 0, done.output
    return dict(json.loads(done.stdout))


def test_every_page_is_asked_of_a_small_and_a_large_site_and_the_ledgers_are_used_again(tmp_path: Path) -> None:
    first = bench(tmp_path, "--studies", "20", "--studies", "300")
    pages = {t["page"] for t in first["timings"]}
    assert pages == set(first["flatness"])
    assert {(t["page"], t["studies"]) for t in first["timings"]} == {(p, n) for p in pages for n in (20, 300)}
    assert all(w["kb"] > 1 and any(n.endswith(".css") for n in w["parts"]) for w in first["weights"])
    made = (tmp_path / "sqlite-300" / "made.json").read_text("utf-8")
    bench(tmp_path, "--studies", "300")
    assert (tmp_path / "sqlite-300" / "made.json").read_text("utf-8") == made

    ledger, _ = open_store(load(tmp_path / "sqlite-300" / "settings.toml"))
    with ledger.read() as view:
        lines = overview.studies(view, limit=1000)
        work = overview.without_job(view)
        first_line = lines[150]
        said = overview.deliveries(view, first_line.study_instance_uid)
    ledger.close()
    assert len(lines) == 300
    assert {kind for kind, _, _ in work} <= {"assemble", "flag"}, (
        "what has arrived last, and nothing else, is still to be done"
    )
    assert {d["destination"] for d in said} == {"to-pacs", "to-ris"}
