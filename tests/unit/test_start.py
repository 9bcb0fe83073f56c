"""How the program starts: at once, without what it does not need, and with a sentence when it cannot."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pynetdicom import AE

from agent.work.role import RoleLock
from tests.support.films import save, small_image
from tests.support.scripted_server import ScriptedServer, words
from tests.support.site import PATIENCE_S, SENDER, Site, free_port, until


def seconds(*command: str) -> float:
    started = time.monotonic()
    subprocess.run(command, check=True, capture_output=True)
    return time.monotonic() - started


def best(*measured: Callable[[], float], of: int) -> tuple[float, ...]:
    """The least of several times of each, taken by turns: other tests share the machine, and it may be a slow one."""
    return tuple(map(min, zip(*([one() for one in measured] for _ in range(of)), strict=True)))


def test_help_answers_at_once(preread: list[str]) -> None:
    took, bare = best(lambda: seconds(*preread, "--help"), lambda: seconds(sys.executable, "-c", "import click"), of=5)
    assert took < max(0.3, 2 * bare), f"an interpreter with nothing but what reads the command line takes {bare:.2f} s"


def test_the_receiver_accepts_an_association_within_two_seconds_of_its_start(site: Site) -> None:
    def attempt() -> float:
        started = time.monotonic()
        quiet = {"stdin": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
        process = subprocess.Popen(site.command("serve", "--role", "receive"), **quiet)
        try:
            ae = AE(ae_title=SENDER)
            ae.add_requested_context("1.2.840.10008.1.1")
            association = until(
                lambda: (a := ae.associate("127.0.0.1", site.port)).is_established and a,
                what="an association",
            )
            took = time.monotonic() - started
            association.release()
            return took
        finally:
            process.terminate()
            process.wait(PATIENCE_S)

    def bare() -> float:
        return seconds(sys.executable, "-c", "import numpy, pydantic, pydicom, pynetdicom, sqlalchemy")

    site.set("node", ae_title="ANY-SCP")
    took, others = best(attempt, bare, of=3)
    assert took < max(2.0, 3 * others), f"what it is made of takes {others:.2f} s"


@pytest.mark.parametrize("module", ["agent.cli", "agent.supervisor"])
def test_the_command_and_the_supervisor_import_nothing_heavy(module: str) -> None:
    code = (
        f"import sys, {module}; print(sorted({{'torch','pydicom','sqlalchemy','numpy','pydantic'}} & set(sys.modules)))"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


_ALONE = """
import importlib, os
import numpy, pydantic, pydicom, pynetdicom, sqlalchemy  # of others: what is asked is whether ours need one another
from agent.cli import COMMANDS
failed = []
for module in sorted({m for m, _ in COMMANDS.values()}):
    if (pid := os.fork()) == 0:
        importlib.import_module(f"agent.commands.{module}")
        os._exit(0)
    if os.waitpid(pid, 0)[1]:
        failed.append(module)
print(failed)
"""


def test_every_command_starts_without_another_having_been_imported() -> None:
    done = subprocess.run([sys.executable, "-c", _ALONE], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_the_receiver_never_imports_torch(site: Site) -> None:
    process = site.serve("--role", "receive")
    maps = Path(f"/proc/{process.pid}/maps").read_text(encoding="utf-8")
    assert "libtorch" not in maps
    assert "/torch/" not in maps
    assert "numpy" in maps, "the map does show what is imported"


def test_the_office_never_imports_torch() -> None:
    code = (
        "import sys, agent.service, agent.delivery.build, agent.delivery.outbox, agent.intake.assembly, agent.intake.admission,"
        "agent.reporting.stage, agent.work.schedule; print('torch' in sys.modules, 'transformers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split() == [
        "False",
        "False",
    ]


# With the engine's modules out of reach, as where it is not installed.
_SERVED = """
import sys
sys.modules.update(dict.fromkeys(("torch", "transformers", "bitsandbytes", "tokenizers")))
import numpy, agent.service
from agent.model.load import load_model
from agent.settings import Settings
model = load_model(Settings(model={"backend": sys.argv[1], **eval(sys.argv[2])}).model)
session = model.open_study([numpy.zeros((56, 56), numpy.uint8)], system="s")
print(session.ask("?", pictures=(0,), max_new_tokens=5, deadline_s=60).text, type(model).__name__)
"""


def test_a_served_and_a_recorded_model_need_no_engine(tmp_path: Path) -> None:
    def run(backend: str, **values: object) -> str:
        arguments = [sys.executable, "-c", _SERVED, backend, repr(values)]
        done = subprocess.run(arguments, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    folder = str(tmp_path / "kept")
    with ScriptedServer(words("clear")) as server:
        assert run("served", base_urls=[server.url]) == "clear ServedModel"
        assert run("served", base_urls=[server.url], recordings=folder) == "clear RecordingModel"
    assert run("recorded", recordings=folder) == "clear RecordedModel"


def test_the_read_role_with_a_served_model_never_imports_torch(site: Site) -> None:
    with ScriptedServer(words("clear")) as server:
        site.set("model", backend="served", base_urls=[server.url])
        process = site.serve("--role", "read")
        maps = Path(f"/proc/{process.pid}/maps").read_text(encoding="utf-8")
        refused = site.run("read", str(site.settings_file), "--weights", "x")
    assert "libtorch" not in maps
    assert "/torch/" not in maps
    assert "numpy" in maps, "the map does show what is imported"
    assert 'for model.backend "local"' in refused.stderr


def test_doctor_looks_at_every_model_server(site: Site) -> None:
    with ScriptedServer() as server:
        dead = f"http://127.0.0.1:{free_port()}"
        site.set("model", backend="served", base_urls=[server.url, dead])
        checks = {c["what"]: c for c in site.json("doctor")}
        here, there = (f"model server {u.removeprefix('http://').removesuffix('/v1')}" for u in (server.url, dead))
        assert (checks[here]["state"], checks[here]["words"]) == ("ok", "serves cxr")
        assert (checks[there]["state"], checks[there]["words"]) == ("bad", "cannot be reached (Connection refused)")
        assert "unencrypted" in site.run("settings", "check").stdout


def test_a_port_in_use_is_named(site: Site) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", site.port))
        taken.listen()
        done = site.run("serve", "--role", "receive")
    assert done.returncode == 78
    assert f"port {site.port}" in done.stderr
    assert "node.port" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_line_that_cannot_start_ends_and_says_why(site: Site) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", site.port))
        taken.listen()
        done = site.run("serve")
    assert done.returncode == 78
    assert f"port {site.port}" in done.stderr
    assert "ready" not in done.stdout


def test_a_folder_that_cannot_be_written_is_named(site: Site) -> None:
    """A file in the way refuses even root, whom a read-only folder does not stop."""
    blocked = site.folder / "blocked"
    blocked.write_text("")
    site.set("storage", root=str(blocked / "state"))
    done = site.run("serve", "--role", "receive")
    assert done.returncode == 78
    assert str(blocked / "state") in done.stderr
    assert "Traceback" not in done.stderr


def test_a_role_that_is_taken_takes_down_no_reception(site: Site) -> None:
    """A model's process that outlives its supervisor for a while must not end the line that is started again."""
    with RoleLock(site.settings().storage.root, "read"):
        line = site.serve()
        until(
            lambda: site.log.read_text().count("another process has the role read") >= 2,
            what="the read role was tried twice",
        )
        assert line.poll() is None
        assert site.json("echo", "self", "--as", SENDER)["ok"]
    until(
        lambda: any(p["role"] == "read" for p in site.json("studies")["processes"]),
        what="the read role runs",
    )


def test_two_lines_on_one_folder_are_refused(site: Site) -> None:
    site.serve("--role", "office")
    done = site.run("serve", "--role", "office")
    assert done.returncode == 75
    assert "another process has the role office" in done.stderr


def test_sigterm_ends_the_line_cleanly(site: Site) -> None:
    line = site.serve()
    line.terminate()
    assert line.wait(PATIENCE_S) == 0
    states = {p["role"]: p["state"] for p in site.json("studies")["processes"]}
    assert states["receive"] == states["office"] == "stopped"


IN_THE_MIDDLE = """
import os, signal, threading
from agent.work.signals import when_asked_to_stop

stop = threading.Event()
when_asked_to_stop(stop.set)
with stop._cond:  # as the main thread has it in the middle of stop.wait()
    signal.raise_signal(signal.SIGINT)
os._exit(0 if stop.wait(60.0) else 3)
"""


def test_ctrl_c_never_hangs_the_line() -> None:
    """A handler that sets the event itself waits for ever when it interrupts the wait for that event."""
    subprocess.run([sys.executable, "-c", IN_THE_MIDDLE], check=True, timeout=PATIENCE_S)


HUNG_UP = """
import os, signal, sys, threading
from agent.work.signals import when_asked_to_stop

# As nohup has it, or not, however the tests themselves were started.
signal.signal(signal.SIGHUP, signal.SIG_IGN if "outlives" in sys.argv else signal.SIG_DFL)
stop = threading.Event()
when_asked_to_stop(stop.set)
os.kill(os.getpid(), signal.SIGHUP)
os._exit(0 if stop.wait(1.0 if "outlives" in sys.argv else 60.0) else 3)
"""


@pytest.mark.parametrize(("arguments", "status"), [([], 0), (["outlives"], 3)])
def test_a_terminal_that_is_closed_ends_the_line_as_cleanly_as_ctrl_c(arguments: list[str], status: int) -> None:
    done = subprocess.run([sys.executable, "-c", HUNG_UP, *arguments], timeout=PATIENCE_S, check=False)
    assert done.returncode == status


def test_looking_before_anything_has_run_creates_nothing(site: Site) -> None:
    done = site.run("studies")
    assert done.returncode == 1
    assert "no ledger" in done.stderr
    assert not (site.folder / "state").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["echo", "nobody"],
        ["echo", "unresolvable"],
        ["show", "1.2.3"],
        ["retry", "1.2.3"],
        ["retry", "1.2.3", "--json"],
        ["read", "/etc/hostname"],
        ["read", "/etc/hostname", "--sr", "/no/such/folder/x.dcm"],
        ["send", "/etc/hostname"],
    ],
)
def test_a_wrong_argument_gets_a_sentence(site: Site, arguments: list[str]) -> None:
    site.peer("unresolvable", "GONE", 104, ["receive"], host="no-such-host.invalid")
    done = site.run(*arguments)
    assert done.returncode == 1
    assert done.stderr.strip()
    assert "Traceback" not in done.stderr


def test_one_file_that_is_no_image_keeps_none_of_the_others(site: Site, tmp_path: Path) -> None:
    site.serve("--role", "receive")
    save(small_image(), tmp_path / "a.dcm")
    (tmp_path / "b.txt").write_text("a letter")
    done = site.run("send", "--as", SENDER, str(tmp_path / "a.dcm"), str(tmp_path / "b.txt"), "--json")
    assert done.returncode == 1
    assert [(r["status"], r["accepted"]) for r in json.loads(done.stdout)] == [("0000", True), ("not sent", False)]


def test_a_demonstration_empties_no_folder_of_somebody_else(preread: list[str], tmp_path: Path) -> None:
    film = tmp_path / "films" / "my-film.dcm"
    film.parent.mkdir()
    film.write_text("precious")
    done = subprocess.run(
        [*preread, "demo", "--once", "--out", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, film.read_text()) == (1, "precious")
    assert "name another folder" in done.stderr


def test_doctor_finds_a_line_that_runs_in_good_health(site: Site, checkpoint: Path) -> None:
    site.set("model", weights=str(checkpoint), quantization="none")
    site.serve()
    until(
        lambda: all(p["state"] == "ready" for p in site.json("studies")["processes"]),
        what="all roles are ready",
    )
    done = site.run("doctor")
    assert done.returncode == 0, done.stdout


def test_doctor_leaves_nothing_behind(site: Site) -> None:
    site.run("doctor", "--no-network")
    assert not (site.folder / "state").exists()


def test_doctor_says_what_is_wrong(site: Site) -> None:
    site.serve("--role", "office").terminate()
    site.peer("gone", "GONE", free_port(), ["receive"])
    site.destination(name="to-gone", type="dicom", peer="gone")
    site.set("model", weights="./not-a-model")
    site.set("delivery", timeout_s=2.0)
    checks = {c["what"]: c for c in site.json("doctor")}
    assert checks["decoders"]["state"] == "ok"
    assert checks["peer gone"]["state"] == checks["destination to-gone"]["state"] == "bad"
    assert checks["model"]["state"] == "bad"
    assert checks["database"]["state"] == "ok"
    assert site.run("doctor").returncode == 1
