"""A gate that cannot fail is no gate: each finds what is planted for it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
# The one model in the repository: trained on drawn films and on a published set, small, with its card beside it.
WEIGHTS = "agent/commissioning/weights/model.safetensors"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The sources, to plant something in."""
    for name in ("agent", "dicom_nodes", "structured_report"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "weights", "static"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def run(*command: str, where: Path) -> subprocess.CompletedProcess[str]:
    environment = dict(os.environ) | {"PYTHONPATH": str(where)}
    return subprocess.run(
        [str(BIN / command[0]), *command[1:]], cwd=where, capture_output=True, text=True, check=False, env=environment
    )


def test_a_layer_that_reaches_nowhere_it_must_not_is_let_be(copy: Path) -> None:
    assert run("lint-imports", "--no-cache", where=copy).returncode == 0


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        ("structured_report/content.py", "import agent.clock", "The reports know nothing"),
        ("structured_report/content.py", "import sqlalchemy", "The reports know nothing"),
        ("dicom_nodes/roles.py", "import structured_report.content", "The DICOM nodes know nothing"),
        ("agent/intake/admission.py", "import torch", "Only the local model backend"),
        ("agent/model/served.py", "import transformers", "Only the local model backend"),
        ("agent/model/served.py", "import httpx2", "One module for the foreign HTTP library"),
        ("agent/store/engine.py", "import agent.intake.assembly", "The stages know nothing of one another"),
        ("agent/reporting/compose.py", "import agent.delivery.outbox", "The stages know nothing of one another"),
        ("agent/work/worker.py", "import apscheduler", "One module each"),
        ("agent/health/watch.py", "import fastapi", "One room for the foreign web framework"),
        ("agent/delivery/outbox.py", "import asyncio", "One room for the foreign web framework"),
        ("agent/work/schedule.py", "import agent.health.watch", "The stages know nothing of who watches them"),
    ],
)
def test_a_layer_that_reaches_where_it_must_not_is_found(copy: Path, file: str, line: str, contract: str) -> None:
    path = copy / file
    path.write_text(path.read_text(encoding="utf-8") + f"\n{line}\n", encoding="utf-8")
    done = run("lint-imports", "--no-cache", where=copy)
    assert done.returncode == 1
    assert contract in done.stdout.split("Broken contracts")[-1]


@pytest.mark.parametrize(
    "line", ["import os", "print('left over')", "def f():\n    try:\n        pass\n    except Exception:\n        pass"]
)
def test_lint_finds_what_is_planted(copy: Path, line: str) -> None:
    (copy / "agent" / "planted.py").write_text(f"{line}\n", encoding="utf-8")
    assert run("ruff", "check", "agent/planted.py", where=copy).returncode == 1


def test_a_type_error_is_found(copy: Path) -> None:
    (copy / "agent" / "planted.py").write_text("def f(x: int) -> str:\n    return x\n", encoding="utf-8")
    done = run("mypy", "-m", "agent.planted", where=copy)
    assert done.returncode == 1
    assert "planted.py" in done.stdout


# Ours, with what all tests share; schemathesis takes longer to import than all of these tests to run.
PYTEST = (sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider", "-p", "no:schemathesis")


@pytest.mark.parametrize(("ci", "code"), [("true", 1), ("", 0)])
def test_a_skipped_test_is_a_failure_in_ci(tmp_path: Path, ci: str, code: int) -> None:
    (tmp_path / "test_skipping.py").write_text(
        "import pytest\n\n@pytest.mark.skip(reason='no')\ndef test_x(): pass\n", encoding="utf-8"
    )
    environment = dict(os.environ) | {"CI": ci, "PYTHONPATH": str(ROOT)}
    command = [*PYTEST, str(tmp_path / "test_skipping.py")]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout


GROUPED = """
import os, pytest

pytestmark = pytest.mark.xdist_group({group!r})

@pytest.mark.parametrize("number", range(4))
def test_x(number):
    with open("workers", "a") as file:
        file.write({group!r} + " " + os.environ["PYTEST_XDIST_WORKER"] + "\\n")
"""


def test_what_is_expensive_is_made_once_for_all_tests_that_share_it(tmp_path: Path) -> None:
    """A newer pytest once passed over the groups in silence, and every site and archive was started once a worker."""
    for module, group in (("one", "a"), ("two", "b"), ("three", "a")):
        (tmp_path / f"test_{module}.py").write_text(GROUPED.format(group=group), encoding="utf-8")
    environment = dict(os.environ) | {"PYTHONPATH": str(ROOT)}
    command = [*PYTEST, "-p", "no:randomly", "-n", "2", "--dist", "loadgroup", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    ran = (tmp_path / "workers").read_text(encoding="utf-8").split("\n")[:-1]
    assert len(ran) == 12
    assert sorted({line.split()[0] for line in ran}) == sorted(line.split()[0] for line in set(ran)) == ["a", "b"]


def test_a_group_that_would_be_passed_over_is_refused(tmp_path: Path) -> None:
    test = "import pytest\nNAME = 'a'\n\n@pytest.mark.xdist_group(NAME)\ndef test_x(): pass\n"
    (tmp_path / "test_grouped.py").write_text(test, encoding="utf-8")
    command = [*PYTEST, str(tmp_path)]
    environment = dict(os.environ) | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert "test_grouped.py has one group" in done.stderr


def test_the_repository_names_no_machine_and_holds_no_film() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    for name in filter(None, listed):
        if name == WEIGHTS:
            assert (ROOT / name).stat().st_size < 25_000_000
            continue
        assert not name.lower().endswith((".dcm", ".dicom", ".jpeg", ".jpg", ".safetensors", ".db")), name
        content = (ROOT / name).read_bytes()
        assert not re.search(rb"(?<![\w.*-])/(work|root|home)/", content), f"{name} names a path of one machine"
