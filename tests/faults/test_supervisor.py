"""A supervisor that cannot start a role at the moment, since memory is short or the program is being replaced, tries again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.site import PATIENCE_S, Site, until


def test_a_role_comes_back_when_its_program_is_there_again(site: Site, tmp_path: Path) -> None:
    site.set("model", backend="recorded", recordings=str(tmp_path))
    program = tmp_path / "python"
    script = f'#!/bin/sh\nexec {sys.executable} "$@"\n'
    program.write_text(script, "ascii")
    program.chmod(0o755)
    # The supervisor starts its children with the interpreter that it believes it runs under.
    start = "import sys; sys.executable = sys.argv.pop(1); from agent.cli import main; main()"
    command = [sys.executable, "-c", start, str(program), "--settings", str(site.settings_file), "serve"]
    with (tmp_path / "log").open("wb") as log:
        line = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        assert line.stdout is not None
        assert "ready" in line.stdout.readline()
        first = site.role_pid("receive", line)
        assert first is not None
        program.unlink()
        os.kill(first, 9)
        said = tmp_path / "log"
        until(lambda: b"child not started" in said.read_bytes(), what="it says that it could not")
        program.write_text(script, "ascii")
        program.chmod(0o755)
        until(lambda: site.role_pid("receive", line) not in (None, first), what="the role is back")
    finally:
        line.terminate()
        line.wait(PATIENCE_S)
        line.stdout.close()
