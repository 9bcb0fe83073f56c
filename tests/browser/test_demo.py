"""`make demo` opens on the worklist: whoever starts it has an address and a password that let them in."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Browser, expect

from tests.support.browsing import window
from tests.support.site import PATIENCE_S, until

pytestmark = [pytest.mark.model, pytest.mark.xdist_group("browser")]


@pytest.fixture
def demo(tmp_path: Path, preread: list[str]) -> Iterator[subprocess.Popen[str]]:
    """Started on a machine whose browser writes down what it is asked to open."""
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/opened\n', "utf-8")
    browser.chmod(0o755)
    here = {**os.environ, "PYTHONUNBUFFERED": "1", "COLUMNS": "120", "DISPLAY": ":99", "BROWSER": str(browser)}
    command = [*preread, "demo", "--out", str(tmp_path / "out")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=here)
    yield process
    line = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGTERM)  # as a service manager does, and a terminal that is closed with SIGHUP
    process.communicate(timeout=PATIENCE_S)
    assert line
    assert not psutil.wait_procs(line, timeout=PATIENCE_S)[1], "the line goes on, and nobody sees it"


def test_whoever_starts_the_demonstration_lands_on_a_worklist_that_fills_by_itself(
    demo: subprocess.Popen[str], chromium: Browser, tmp_path: Path
) -> None:
    said = ""
    assert demo.stdout is not None
    for line in demo.stdout:
        said += line
        if "Ctrl-C" in line:
            break
    address = re.search(r"http://127\.0\.0\.1:\d+/", said)
    password = re.search(r"radiologist +password (\S+)", said)
    assert address and password, said
    until(lambda: (tmp_path / "opened").is_file(), what="the browser was opened")
    assert (tmp_path / "opened").read_text("utf-8").strip() == address.group()
    with window(chromium, address.group().rstrip("/")) as seen:
        seen.sign_in("radiologist", password.group(1))
        assert seen.path() == "/"
        expect(seen.page.locator("main")).to_contain_text("DEMO-ACC-0001")
