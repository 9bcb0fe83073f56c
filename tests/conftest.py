"""What all tests share. With CI=true a skipped test is a failure: a test that did not run has shown nothing."""

from __future__ import annotations

import logging
import os
import sys

# Several processes with a model each on a few cores: threads that spin while they wait for one another cost more than
# they bring. Inherited by everything the tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from collections.abc import Callable, Generator, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from hypothesis import HealthCheck
from hypothesis import settings as property_tests

from agent.model.weights import shipped_weights
from agent.store.engine import Ledger
from tests.support.postgres import Cluster, running_cluster
from tests.support.requirements import losses_of, named_by
from tests.support.sharing import GroupScheduling, check_groups
from tests.support.site import Site

if TYPE_CHECKING:
    from agent.model.local import LocalModel

pytest_plugins = ["pytester"]

# A machine that is busy with something else must not make a test fail that says nothing about time.
property_tests.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
property_tests.load_profile("untimed")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fault-rounds", type=int, default=4, help="how many random kills the fault campaign makes")
    parser.addoption(
        "--fault-seed", type=int, default=None, help="the seed of the short campaign; else a new one each time"
    )
    parser.addoption("--write-screenshots", action="store_true", help="take the pictures of docs/pages anew")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        named_by(item)
    check_groups(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> GroupScheduling | None:
    return GroupScheduling(config, log) if config.getvalue("dist") == "loadgroup" else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    report = yield
    if report.failed and (losses := losses_of(item)):
        report.sections.append(("what does not hold", losses))
    if report.skipped and os.environ.get("CI") == "true":
        report.outcome = "failed"
        report.longrepr = f"skipped, which is a failure with CI=true: {report.longrepr}"
    return report


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """A command that runs in this process sets up logging for itself, and the next test would hear no warnings."""
    said, handlers = structlog.get_config(), list(logging.getLogger().handlers)
    yield
    structlog.configure(**said)
    structlog.contextvars.clear_contextvars()
    logging.captureWarnings(False)
    logging.getLogger().handlers[:] = handlers


@pytest.fixture(autouse=True)
def threads_as_they_were() -> Iterator[None]:
    """What trains in this process gives torch more threads; every model of the tests after it would then be ten times slower
    where cores are busy."""
    torch = sys.modules.get("torch")
    threads = torch.get_num_threads() if torch is not None else 0
    yield
    if torch is not None and torch.get_num_threads() != threads:
        torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def checkpoint() -> Path:
    """The commissioning model."""
    return shipped_weights()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """A PostgreSQL server of this run's own."""
    with running_cluster() as made:
        yield made


@pytest.fixture
def postgres_own() -> Iterator[Cluster]:
    """A PostgreSQL server that a test may stop."""
    with running_cluster() as made:
        yield made


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a ledger is kept, on each database in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ledger.db"
    cluster: Cluster = request.getfixturevalue("postgres")
    return cluster.ledger()


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    """An empty ledger, on each database in turn."""
    made = Ledger(ledger_url)
    made.create()
    yield made
    made.close()


@pytest.fixture(scope="session")
def load(checkpoint: Path) -> Callable[[str], LocalModel]:
    """The commissioning model in a quantization; each is loaded once, and nobody closes it."""
    from agent.model.local import load_local  # the engine, which most tests do without

    return cache(lambda quantization: load_local(str(checkpoint), quantization=quantization, device="cpu"))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A site in a folder of its own; whatever it started is stopped."""
    made = Site(tmp_path / "site")
    yield made
    made.stop()


@pytest.fixture
def preread() -> list[str]:
    """The command as a user starts it."""
    return [str(Path(sys.executable).parent / "preread")]
