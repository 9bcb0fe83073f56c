"""``python -m agent.bench.web_process SETTINGS``: the web server of the office on a site of the bench, and nothing else of the office."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from agent.clock import SystemClock
from agent.service import open_store
from agent.settings import load
from agent.web.context import WebContext
from agent.web.server import WebServer
from agent.work.role import stop_when_asked


def main(settings_file: str) -> None:
    """Serve until SIGTERM, or until whoever started it has ended."""
    stop = threading.Event()
    stop_when_asked(stop, supervised=True)
    settings = load(Path(settings_file))
    ledger, files = open_store(settings)
    server = WebServer(WebContext(settings, ledger, files, SystemClock()), stop, changed=lambda: None)
    server.start()
    sys.stdout.write(f"{server.words}\n")
    sys.stdout.flush()
    stop.wait()
    server.join(10)
    ledger.close()


if __name__ == "__main__":
    main(sys.argv[1])
