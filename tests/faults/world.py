"""A site with a sender, a PACS and a RIS around it, networks between them that can fail, and a disk that can be filled.

The peers outlive every process of the site. What they sent and got is the evidence that it is judged by.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from pydicom import Dataset
from sqlalchemy.engine import make_url

from agent.commissioning.films import make_study
from agent.model.protocol import ModelIdentity
from agent.model.weights import shipped_weights
from dicom_nodes import scu
from dicom_nodes.roles import Peer
from dicom_nodes.scu import NodeError
from tests.faults.checker import DEFECT, LEAKED, UNSETTLED, Complaint, Evidence, Film, Refused, check
from tests.faults.databases import Trouble, of_file, of_server
from tests.faults.plan import READING, STEPPED, SUPERVISED
from tests.faults.tables import InFile, OnServer, Tables, Unreadable
from tests.support.fault_proxy import FaultProxy
from tests.support.films import save, small_image
from tests.support.kept_roles import KeptRoles
from tests.support.moody_peers import MoodyPacs, MoodyRis
from tests.support.postgres import Cluster
from tests.support.site import PATIENCE_S, ROLES, SENDER, Site, until
from tests.support.small_disk import SmallDisk

DISK_MB = 160
SETTLE_S = PATIENCE_S
PEER_TIMEOUT_S = 2.0
COMPILER = shutil.which("cc")  # for a clock that can be set
# A process has so many descriptors when it rests, those of the database aside: log, lock, listener, pipes.
MOST_DESCRIPTORS, MOST_OF_DATABASE = 40, 48


class World:
    """From the beginning of a `with` block, when the site accepts associations, to its end."""

    def __init__(self, folder: Path, mode: str, *, small_disk: bool = True, server: Cluster | None = None) -> None:
        """Args:
        small_disk: the storage root is a file system of its own that can be filled, where the user may mount one.
        server: where the ledger lies; else in a file.
        """
        self.folder, self.mode, self._has_small_disk, self.server = folder, mode, small_disk, server
        self.site = Site(folder / "site")
        self.clock_file = folder / "clock"
        self.disk = SmallDisk(folder / "site" / "state", megabytes=DISK_MB)
        self.pacs = MoodyPacs(folder / "pacs", ae_title="PACS")
        self.ris = MoodyRis(folder / "ris")
        self._films = folder / "films"
        self._films.mkdir(parents=True)
        root, self.database_url = self.site.folder / "state", "" if server is None else server.empty()
        self.ledger: Tables = InFile(root) if server is None else OnServer(self.database_url)
        self.evidence = Evidence(root, folder / "pacs", folder / "ris", self.ledger)
        self.proxies: dict[str, FaultProxy] = {}
        self._log_seen = 0
        self.retried = 0
        self._stack = ExitStack()

    def __enter__(self) -> World:
        with ExitStack() as stack:
            if self._has_small_disk:
                stack.enter_context(self.disk)
            for peer in (self.pacs, self.ris):
                stack.enter_context(peer)
            targets = {"sender": self.site.port, "pacs": self.pacs.port, "ris": self.ris.port}
            self.proxies = {name: stack.enter_context(FaultProxy(port)) for name, port in targets.items()}
            self._write_settings()
            self.roles = KeptRoles(self.site, supervised=self.mode == SUPERVISED, environment=self._environment())
            stack.callback(self.roles.stop)
            self.roles.start()
            until(lambda: all(map(self.is_ready, ROLES)), what="every role is ready")
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _write_settings(self) -> None:
        site = self.site
        if self.server is not None:
            url = make_url(self.database_url)
            (site.folder / "password").write_text(f"{url.password}\n", "utf-8")
            site.set(
                "database",
                url=f"{url.drivername}://{url.username}@{url.host}:{url.port}/{url.database}",
                password_file="password",
            )
        site.set("node", network_timeout_s=3.0)
        site.set("intake", quiet_time_s=0.3, longest_wait_s=3.0)
        site.set("delivery", timeout_s=PEER_TIMEOUT_S, first_retry_s=0.2, longest_retry_s=1.0)
        site.peer("pacs", "PACS", self.proxies["pacs"].port, ["receive"])
        site.destination(name="to-pacs", type="dicom", peer="pacs")
        site.destination(name="to-ris", type="hl7", host="127.0.0.1", port=self.proxies["ris"].port)
        if self.mode == READING:
            site.set("model", weights=str(shipped_weights()), quantization="none")
        else:
            recordings = self.folder / "recordings"
            recordings.mkdir()
            nothing = ModelIdentity("recorded", "0" * 64, "none", "recorded", "", "", for_commissioning=True)
            (recordings / "model.json").write_text(json.dumps(asdict(nothing)), "utf-8")
            site.set("model", backend="recorded", recordings=str(recordings))

    def _environment(self) -> dict[str, str]:
        if self.mode != STEPPED:
            return {}
        assert COMPILER is not None, "a site whose clock can be set needs a C compiler"
        library = self.folder / "stepped_clock.so"
        source = Path(__file__).with_name("stepped_clock.c")
        subprocess.run([COMPILER, "-O2", "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
        self.set_clock(0)
        return {"LD_PRELOAD": str(library), "STEPPED_CLOCK": str(self.clock_file)}

    def set_clock(self, seconds: int) -> None:
        """How far the site's clock is from the right time from now on."""
        new = self.clock_file.with_suffix(".new")
        new.write_text(f"{seconds:+d}\n", "ascii")
        new.replace(self.clock_file)

    def is_ready(self, role: str) -> bool:
        """Whether the process that has the role at the moment says that it works."""
        try:
            rows = self.ledger.rows("SELECT pid, state FROM process WHERE role = ?", role)
        except Unreadable:
            return False
        return bool(rows) and rows[0]["state"] == "ready" and rows[0]["pid"] == self.roles.pids().get(role)

    def trouble_of_database(self, chance: random.Random) -> Trouble:
        """One that the ledger's database can have."""
        if self.server is None:
            return of_file(self.evidence.root / "preread.db", chance)
        return of_server(self.server, self.database_url, chance)

    def hand(self, number: int, *, images: int = 1, suffix: str = "", rows: int = 96) -> list[Path]:
        """Films of a hand: received, assembled, reported as not analysed, and delivered, without a model."""
        names = {"AccessionNumber": f"ACC{number}{suffix}", "PatientID": f"P{number}{suffix}"}
        first = small_image(rows, rows, BodyPartExamined="HAND", **names)
        rest = [
            small_image(rows, rows, BodyPartExamined="HAND", StudyInstanceUID=first.StudyInstanceUID, **names)
            for _ in range(images - 1)
        ]
        return self.keep([first, *rest])

    def chest(self, number: int) -> list[Path]:
        """A drawn chest, for the model."""
        return self.keep(
            make_study("left-effusion", seed=number, patient_id=f"P{number}", accession=f"ACC{number}", views=("PA",))
        )

    def keep(self, images: Sequence[Dataset]) -> list[Path]:
        paths = []
        for image in images:
            film = Film.of(image)
            self.evidence.films[film.sop_instance_uid] = film
            paths.append(save(image, self._films / f"{film.sop_instance_uid}.dcm"))
        return paths

    def send(self, films: Sequence[Path], *, by_dcmtk: bool = False) -> None:
        """As a PACS does: again and again until every image is answered Success."""
        until(lambda: self.attempt(films, by_dcmtk=by_dcmtk), what="the images were accepted")

    def attempt(self, films: Sequence[Path], *, by_dcmtk: bool = False) -> bool:
        """Once; returns whether every image was answered Success. What was answered is evidence."""
        if by_dcmtk:
            if self._storescu(films):
                self.evidence.acknowledged.update(f.stem for f in films)
                return True
            return False
        node = Peer("node", "PREREAD", "127.0.0.1", self.proxies["sender"].port, frozenset())
        try:
            results = scu.store(node, films, own_ae_title=SENDER, timeout_s=PEER_TIMEOUT_S)
        except NodeError:
            return False
        for result in results:
            if result.accepted:
                self.evidence.acknowledged.add(result.file.stem)
            elif result.status is not None:
                self.evidence.refused.append(Refused(result.file.stem, result.status_text))
        return all(r.accepted for r in results)

    def _storescu(self, films: Sequence[Path]) -> bool:
        command = ["/usr/bin/storescu", "-to", "2", "-ta", "2", "-td", "2", "-aet", SENDER, "-aec", "PREREAD"]
        done = subprocess.run(
            [*command, "127.0.0.1", str(self.proxies["sender"].port), *map(str, films)],
            capture_output=True, timeout=PATIENCE_S, check=False,
        )  # fmt: skip
        return done.returncode == 0

    def settle(self) -> list[Complaint]:
        """End every fault, do as an operator does with what is parked, and wait until nothing is left to do."""
        for proxy in self.proxies.values():
            proxy.clear()
        self.pacs.answers.clear()
        self.ris.answers.clear()
        try:
            until(self._is_settled, seconds=SETTLE_S, what="everything is delivered")
        except AssertionError:
            return [Complaint(UNSETTLED, f"after {SETTLE_S:.0f} s: {self._what_is_left()}")]
        return []

    def _is_settled(self) -> bool:
        try:
            jobs = self.ledger.rows("SELECT kind, state, key FROM job WHERE state != 'parked'")
            parked = self._parked()
            states = {row["state"] for row in self.ledger.rows("SELECT state FROM study")}
        except Unreadable:
            return False
        if jobs or "receiving" in states or "assembled" in states:
            return False
        for accession in parked:
            # Refused where nobody could do it: a process is coming back. What stays parked is said in the end.
            self.retried += self.site.run("retry", accession).returncode == 0
        return not parked and all(map(self.is_ready, ROLES))

    def _parked(self) -> list[str]:
        """Accession numbers of what waits for a person, each with a reason that he can read."""
        rows = self.ledger.rows(
            "SELECT DISTINCT revision.study_instance_uid AS study, delivery.words FROM delivery "
            "JOIN document ON document.id = delivery.document_id "
            "JOIN study_revision AS revision ON revision.id = document.revision_id WHERE delivery.state = 'parked'"
        )
        assert all(row["words"] for row in rows), "a delivery is parked without a word"
        return sorted({row["study"] for row in rows})

    def _what_is_left(self) -> str:
        jobs = [
            dict(r) for r in self.ledger.rows("SELECT kind, lane, key, state, run_at, claims, error FROM job LIMIT 5")
        ]
        roles = [dict(r) for r in self.ledger.rows("SELECT role, pid, state, words FROM process")]
        return json.dumps({"jobs": jobs, "roles": roles, "running": self.roles.pids()})

    def judge(self) -> list[Complaint]:
        """Settle, and say what does not hold."""
        unsettled = self.settle()
        if unsettled:
            return unsettled + list(self._defects())
        self.evidence.refusals = self.site.json("refusals", "--limit", "1000000")
        return [*check(self.evidence), *self._leaks(), *self._defects()]

    def _leaks(self) -> list[Complaint]:
        """What is not given back in the time that a connection takes to end."""
        try:
            until(lambda: not self._holding_too_many(), seconds=30.0, what="descriptors are given back")
        except AssertionError:
            return self._holding_too_many()
        return []

    def _holding_too_many(self) -> list[Complaint]:
        found = []
        for role, pid in self.roles.pids().items():
            database, others = descriptors(pid, self.ledger)
            if database > MOST_OF_DATABASE or others > MOST_DESCRIPTORS:
                found.append(
                    Complaint(LEAKED, f"{role} has {others} descriptors, and {database} of the database, at rest")
                )
        return found

    def _defects(self) -> list[Complaint]:
        """What the program itself calls an error of its own, or did not catch at all."""
        with self.site.log.open("rb") as log:
            log.seek(self._log_seen)
            new = log.read().decode("utf-8", "replace")
            self._log_seen = log.tell()
        found, lines = [], new.splitlines()
        for place, line in enumerate(lines):
            if line.startswith("Traceback"):  # whole, or nobody can say afterwards what it was
                found.append(Complaint(DEFECT, "\n".join(lines[max(0, place - 3) : place + 40])[:6000]))
            elif '"stage failed"' in line or '"delivery failed"' in line:
                found.append(Complaint(DEFECT, line[:2000]))
        return found


def descriptors(pid: int, ledger: Tables) -> tuple[int, int]:
    """How many descriptors a process has: of the database's files, and all others."""
    database = others = 0
    try:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            try:
                target = str(entry.readlink())
            except OSError:
                continue
            if ledger.holds_open(target):
                database += 1
            else:
                others += 1
    except OSError:
        return 0, 0
    return database, others


def moments_of(chance: random.Random, longest_s: float) -> float:
    """A moment within that time, early ones more often: that is where the work is."""
    return longest_s * chance.random() ** 2


def pause(seconds: float) -> None:
    """For as long as a fault lasts."""
    until_then = time.monotonic() + seconds
    while (left := until_then - time.monotonic()) > 0:
        time.sleep(left)
