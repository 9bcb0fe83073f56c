"""kill -9 of any process at any moment, then restart: the study finishes, and each destination holds one result."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import hl7
import psutil
import pytest
from pydicom import dcmread

from agent.commissioning.films import make_study
from agent.demo.pacs import DemoPacs
from agent.demo.ris import DemoRis
from dicom_nodes import scu
from dicom_nodes.roles import Peer
from dicom_nodes.scu import NodeError
from tests.support.films import save, small_image
from tests.support.site import PATIENCE_S, ROLES, SENDER, Site, until

pytestmark = pytest.mark.timeout(900)
INJECT = Path(__file__).parent / "inject"


@dataclass
class Town:
    """A site with a PACS and a RIS that outlive it."""

    site: Site
    pacs: Path
    ris: Path
    films: Path

    def send(self, study: Sequence[Path]) -> None:
        """Send as a PACS does: again and again until every image is accepted."""
        node = Peer("node", "PREREAD", "127.0.0.1", self.site.port, frozenset())

        def accepted() -> bool:
            try:
                results = scu.store(node, study, own_ae_title=SENDER, timeout_s=10.0)
            except NodeError:
                return False
            return all(r.accepted for r in results)

        until(accepted, what="the images were accepted")

    def study(self, number: int, *, chest: bool) -> list[Path]:
        """A drawn chest, or a small film that is no chest and is reported without being read."""
        if chest:
            images = make_study(
                "left-effusion", seed=number, patient_id=f"P{number}", accession=f"ACC{number}", views=("PA",)
            )
        else:
            images = [small_image(AccessionNumber=f"ACC{number}", PatientID=f"P{number}", BodyPartExamined="HAND")]
        return [save(i, self.films / f"{number}-{n}.dcm") for n, i in enumerate(images)]

    def assert_one_result_each(self, count: int) -> None:
        wanted = Counter({f"ACC{n}": 1 for n in range(1, count + 1)})
        reports = Counter(str(dcmread(p).AccessionNumber) for p in self.pacs.glob("*.dcm"))
        messages = Counter(str(hl7.parse(p.read_bytes().decode()).segment("OBR")[18]) for p in self.ris.glob("*.hl7"))
        assert reports == wanted
        assert messages == wanted
        for sent in self.site.studies():
            assert sent["deliveries"] == {"delivered": 2}


@pytest.fixture
def town(tmp_path: Path, site: Site) -> Iterator[Town]:
    (tmp_path / "films").mkdir()
    with DemoPacs(tmp_path / "pacs", ae_title="PACS") as pacs, DemoRis(tmp_path / "ris") as ris:
        site.peer("pacs", "PACS", pacs.port, ["receive"])
        site.destination(name="to-pacs", type="dicom", peer="pacs")
        site.destination(name="to-ris", type="hl7", host="127.0.0.1", port=ris.port)
        yield Town(site, tmp_path / "pacs", tmp_path / "ris", tmp_path / "films")


# Where each role commits: every boundary between two stages, and what comes before the first.
BOUNDARIES = {
    "receive": [
        "agent.service.open_store", "agent.work.role.say", "agent.intake.admission.start", "agent.intake.committer._commit",
        "agent.intake.admission.closed",
    ],
    "office": [
        "agent.service.open_store", "agent.work.queue.release_own", "agent.work.queue.claim", "agent.intake.assembly.__call__",
        "agent.reporting.stage.__call__", "agent.delivery.outbox._delivered",
    ],
    "read": ["agent.work.queue.release_own", "agent.work.queue.claim", "agent.reading.stage._write"],
}  # fmt: skip


class DyingRole(threading.Thread):
    """Keeps a role running whose n-th life ends at the n-th of the places, and whose next one is left alone."""

    def __init__(self, site: Site, role: str, when: str) -> None:
        super().__init__(daemon=True)
        self.log = site.folder / f"deaths-{role}"
        self.log.touch()
        self._site, self._role, self._when = site, role, when
        self._process: subprocess.Popen[bytes] | None = None
        self._over = threading.Event()

    def run(self) -> None:
        for place in [*BOUNDARIES[self._role], ""]:
            environment = dict(os.environ)
            if place:
                environment |= {
                    "PYTHONPATH": str(INJECT), "FAULT_PLACE": place, "FAULT_WHEN": self._when, "FAULT_LOG": str(self.log),
                }  # fmt: skip
            with self._site.log.open("a") as log:
                self._process = subprocess.Popen(
                    self._site.command("serve", "--role", self._role),
                    env=environment,
                    stderr=log,
                    stdout=log,
                    stdin=subprocess.DEVNULL,
                )
            self._process.wait()
            if self._over.is_set():
                return

    def end(self) -> None:
        self._over.set()
        while self.is_alive():
            if self._process is not None and self._process.poll() is None:
                self._process.terminate()
            self.join(0.2)

    def deaths(self) -> list[str]:
        return self.log.read_text(encoding="utf-8").split()


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("role", ROLES)
def test_a_study_survives_the_death_of_a_process_at_every_stage_boundary(
    town: Town, checkpoint: Path, role: str, when: str
) -> None:
    chest, studies = role == "read", 4
    town.site.set("model", weights=str(checkpoint), quantization="none")
    dying = DyingRole(town.site, role, when)
    if role == "receive":
        dying.start()
    for other in ROLES:
        if other != role and (chest or other != "read"):
            town.site.serve("--role", other)
    for number in range(1, studies + 1):
        town.send(town.study(number, chest=chest))
    if role != "receive":
        dying.start()
    town.site.wait_delivered(studies, 2)
    until(
        lambda: dying.deaths() == BOUNDARIES[role],
        what=f"a death at every boundary, not only {dying.deaths()}",
    )
    dying.end()
    town.assert_one_result_each(studies)


def test_studies_survive_the_death_of_any_process_at_random_moments(
    town: Town, checkpoint: Path, request: pytest.FixtureRequest
) -> None:
    rounds = int(request.config.getoption("--fault-rounds"))
    seed = random.SystemRandom().randrange(1 << 30)
    print(f"seed {seed}")
    chance = random.Random(seed)
    town.site.set("model", weights=str(checkpoint), quantization="none")
    line = town.site.serve()
    pause = threading.Event()
    for number in range(1, rounds + 1):
        sending = threading.Thread(target=town.send, args=(town.study(number, chest=number % 2 == 1),))
        sending.start()
        pause.wait(chance.uniform(0, 3))
        victim = chance.choice([*ROLES, "supervisor"])
        if victim == "supervisor":
            children = psutil.Process(line.pid).children()
            line.send_signal(signal.SIGKILL)
            line.wait()
            psutil.wait_procs(children, timeout=PATIENCE_S)  # they notice, and end by themselves
            line = town.site.serve()
        elif pid := town.site.role_pid(victim, line):
            os.kill(pid, signal.SIGKILL)
        sending.join(PATIENCE_S)
        assert not sending.is_alive()
    town.site.wait_delivered(rounds, 2)
    town.assert_one_result_each(rounds)


def test_children_do_not_outlive_a_supervisor_that_was_killed(site: Site) -> None:
    line = site.serve()
    children = psutil.Process(line.pid).children()
    assert len(children) == len(ROLES)
    line.send_signal(signal.SIGKILL)
    _, alive = psutil.wait_procs(children, timeout=PATIENCE_S)
    assert not alive


def test_the_fault_injection_itself_kills(site: Site) -> None:
    """The campaign would pass for the wrong reason if nobody ever died."""
    environment = dict(os.environ) | {
        "PYTHONPATH": str(INJECT), "FAULT_PLACE": "agent.service.open_store", "FAULT_WHEN": "before",
        "FAULT_LOG": str(site.folder / "deaths"),
    }  # fmt: skip
    done = subprocess.run(
        site.command("serve", "--role", "office"), env=environment, capture_output=True, timeout=PATIENCE_S, check=False
    )
    assert done.returncode == -signal.SIGKILL
    assert "agent" in (site.folder / "deaths").read_text()
