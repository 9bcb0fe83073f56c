"""docs/api.md: every command of it works, as it stands there, on a site that serves."""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn

from agent.cli import preread
from agent.clock import SystemClock
from agent.keeping.projector import Projector
from agent.numbers.count import Counting
from agent.service import open_store
from agent.settings import Settings
from agent.settings.line import Storage
from agent.web.app import make_app
from agent.web.context import WebContext
from agent.web.rights import RIGHTS
from tests.support.planted_days import Planted, plant
from tests.support.site import PATIENCE_S, free_port, until

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
UID = "1.2.840.99"
COMMANDS = [line for line in PAGE.splitlines() if line.startswith("curl ")]


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of the page: a site that serves, with a study, and the token of an administrator in its file."""
    folder = tmp_path_factory.mktemp("site")
    settings, clock, port = Settings(storage=Storage(root=folder)), SystemClock(), free_port()
    ledger, files = open_store(settings)
    with ledger.begin() as tx:
        plant(tx, [Planted(UID, clock.now(), present=("consolidation",), took=(("flag", "", 4.0),))])
    Projector(ledger, clock, threading.Event()).catch_up()
    Counting(ledger, clock, None).count()
    server = uvicorn.Server(
        uvicorn.Config(make_app(WebContext(settings, ledger, files, clock)), port=port, lifespan="off", log_config=None)
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started, what="the site serves")
    reads = f'header = "Authorization: Bearer {_token(folder, "radiologist")}"\n'
    (folder / "radiologist.curl").write_text(reads)
    yield {"PREREAD": f"http://127.0.0.1:{port}", "STUDY": UID, "TOKEN": _token(folder), "HOME": str(folder)}
    server.should_exit = True
    thread.join(PATIENCE_S)
    ledger.close()


def _token(folder: Path, role: str = "administrator") -> str:
    from click.testing import CliRunner

    file = folder / "settings.toml"
    file.write_text(f'[storage]\nroot = "{folder}"\n')
    words = ["--settings", str(file), "tokens", "add", f"docs {role}", "--role", role, "--json"]
    return str(json.loads(CliRunner().invoke(preread, words).output)["token"])


def run(command: str, environment: dict[str, str]) -> str:
    done = subprocess.run(
        ["/bin/sh", "-c", command], env={"PATH": os.environ["PATH"], **environment}, cwd=environment["HOME"],
        capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_every_command_of_the_page_does_what_it_says(shell: dict[str, str]) -> None:
    (made,) = (line for line in PAGE.splitlines() if line.startswith("printf "))
    run(f"{made}\nchmod 600 token.curl", shell)
    assert len(COMMANDS) >= 12
    for command in COMMANDS:
        said = run(command, shell)
        if "/events" in command:
            assert f'"study_instance_uid": "{UID}"' in said
            assert "event: flagged" in said
        else:
            assert isinstance(json.loads(said), dict), command
    assert UID in run(COMMANDS[0], shell)


def test_every_call_of_the_interface_is_on_the_page() -> None:
    for _, path in RIGHTS:
        if path.startswith("/api/v1/"):
            told = re.escape(path).replace(r"\{study_instance_uid\}", r"\$STUDY")
            assert re.search(rf"{told}(?![\w/])", PAGE), path
