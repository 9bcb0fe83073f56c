"""How fast images are received and made durable: this agent against Orthanc and DCMTK's storescp, in the same run, on
the same disk, by the same sender.

The sender is DCMTK's storescu, one process an association. Every receiver starts empty and alone. What is counted is
the time until the last sender has its last Success; afterwards the receiver must really hold every image.
"""

from __future__ import annotations

import json
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydicom.uid import generate_uid

from agent.commissioning.films import make_study
from agent.demo.site import free_port
from agent.errors import Permanent

STORESCU, STORESCP = Path("/usr/bin/storescu"), Path("/usr/bin/storescp")
ORTHANC = next(
    (p for p in (Path("/usr/sbin/Orthanc"), Path("/usr/bin/Orthanc")) if p.exists()), Path("/usr/sbin/Orthanc")
)
AGENT, CEILING = "preread", "ceiling"
IMAGES_PER_STUDY = 2
PEAK_AIM_MB = 200.0
_CALLING, _CALLED = "BENCH", "PREREAD"


@dataclass(frozen=True, slots=True)
class Load:
    """What is sent: so many images of that many rows and columns (2 bytes a pixel), spread over so many
    associations. `aim`: how many times as fast as each peer we mean to be."""

    name: str
    rows: int
    columns: int
    images: int
    associations: int
    aim: float

    @property
    def megabytes(self) -> float:
        """All pixel data together, in 10^6 bytes."""
        return self.rows * self.columns * 2 * self.images / 1e6


@dataclass(frozen=True, slots=True)
class Measurement:
    """Median over the rounds. `peak_mb`: the receiver's greatest resident set, 10^6 bytes. `ratio`: how many times as
    fast we are."""

    load: str
    associations: int
    receiver: str
    images_per_s: float
    mb_per_s: float
    peak_mb: float
    ratio: float
    aim: float

    @property
    def verdict(self) -> str:
        """Whether the aim is met: of the ratio for a peer, of the resident set for us."""
        if self.receiver == CEILING:
            return "keeps nothing: what sender and machine allow"
        if self.receiver == AGENT:
            return "met" if self.peak_mb < PEAK_AIM_MB else f"missed (aim: under {PEAK_AIM_MB:.0f} MB)"
        return "met" if self.ratio >= self.aim else f"missed (aim: {self.aim:.0f} x)"


@dataclass(frozen=True, slots=True)
class Running:
    """A receiver that runs: where it listens, its process, and how many images it holds; None when it keeps none."""

    port: int
    pid: int
    held: Callable[[], int] | None


def loads(scale: float) -> list[Load]:
    """10 MB and 128 kB images over one and over eight associations."""
    large, small = max(8, round(40 * scale)), max(16, round(480 * scale))
    return [
        Load(name, rows, columns, images, associations, aim)
        for name, rows, columns, images, aim in (("10 MB", 2500, 2000, large, 3.0), ("128 kB", 256, 250, small, 10.0))
        for associations in (1, 8)
    ]


def run(
    work: Path, *, rounds: int, scale: float, say: Callable[[str], None], heed: Callable[[], None] = lambda: None
) -> list[Measurement]:
    """Measure every load on every receiver that is installed, `rounds` times, in turn.

    Args:
        heed: called between two measurements; what it raises ends them, and nothing is left running.

    Raises:
        Permanent: a peer is not installed, or a receiver lost an image.
    """
    for name, path in (("storescu", STORESCU), ("storescp", STORESCP), ("Orthanc", ORTHANC)):
        if not path.exists():
            raise Permanent(f"the measurement needs {name}: apt-get install dcmtk orthanc", code="peer-missing")
    receivers = {AGENT: _preread, "Orthanc": _orthanc, "storescp": _storescp, CEILING: _sink}
    seconds: dict[tuple[Load, str], list[float]] = {}
    peaks: dict[tuple[Load, str], list[float]] = {}
    for load in loads(scale):
        folders = _films(work / "films", load)
        for number in range(1, rounds + 1):
            for name in receivers:
                heed()
                say(f"{load.name}, {load.associations} associations, {name}, round {number} of {rounds}")
                took, peak = _measure(work / "receiver", receivers[name], folders, load)
                seconds.setdefault((load, name), []).append(took)
                peaks.setdefault((load, name), []).append(peak)
        shutil.rmtree(work / "films")
    return [
        _summary(load, name, statistics.median(values), statistics.median(seconds[load, AGENT]), max(peaks[load, name]))
        for (load, name), values in seconds.items()
    ]


def _summary(load: Load, name: str, seconds: float, ours: float, peak: float) -> Measurement:
    rate, bandwidth = load.images / seconds, load.megabytes / seconds
    return Measurement(load.name, load.associations, name, rate, bandwidth, peak, seconds / ours, load.aim)


def _measure(
    folder: Path, start: Callable[[Path], AbstractContextManager[Running]], films: Sequence[Path], load: Load
) -> tuple[float, float]:
    folder.mkdir()
    try:
        with start(folder) as running:
            _until(lambda: _listens(running.port), "the receiver listens")
            took = _send(running.port, films)
            if running.held is not None:
                held = running.held
                _until(lambda: held() >= load.images, f"the receiver holds {load.images} images, not {held()}")
            return took, _peak_mb(running.pid)
    finally:
        shutil.rmtree(folder)


def _send(port: int, folders: Sequence[Path]) -> float:
    started = time.monotonic()
    senders = [
        subprocess.Popen(  # noqa: S603  a peer named by us, with ports of our own
            [
                STORESCU,
                "-R",
                "-pdu",
                "131072",
                "-aet",
                _CALLING,
                "-aec",
                _CALLED,
                "+sd",
                "127.0.0.1",
                str(port),
                str(folder),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for folder in folders
    ]
    try:
        for sender in senders:
            _, words = sender.communicate()
            if sender.returncode != 0:
                raise Permanent(f"storescu failed: {words.decode(errors='replace')[:300]}", code="bench-refused")
    finally:
        for sender in senders:
            sender.kill()  # one that has ended is left alone
            sender.wait()
    return time.monotonic() - started


def _films(folder: Path, load: Load) -> list[Path]:
    """Different images, two a study, in one folder for each association."""
    (image,) = make_study("clear", seed=1, patient_id="BENCH", accession="BENCH", views=("PA",))
    image.Rows, image.Columns = load.rows, load.columns
    image.PixelData = (bytes(range(256)) * (load.rows * load.columns * 2 // 256 + 1))[: load.rows * load.columns * 2]
    folders = [folder / str(n) for n in range(load.associations)]
    for path in folders:
        path.mkdir(parents=True)
    for number in range(load.images):
        if (number // load.associations) % IMAGES_PER_STUDY == 0 and number % load.associations == 0:
            studies = [generate_uid() for _ in folders]
        lane = number % load.associations
        image.StudyInstanceUID, image.SeriesInstanceUID = studies[lane], generate_uid()
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        image.save_as(folders[lane] / f"{number}.dcm", enforce_file_format=True)
    return folders


@contextmanager
def _preread(folder: Path) -> Iterator[Running]:
    """The receive role alone, with fsync as always: there is no switch for it."""
    port = free_port()
    settings = folder / "settings.toml"
    settings.write_text(
        f'[node]\nhost = "127.0.0.1"\nport = {port}\nae_title = "{_CALLED}"\n'
        f'[[peers]]\nname = "bench"\nae_title = "{_CALLING}"\nhost = "127.0.0.1"\nmay = ["send"]\n'
        '[storage]\nroot = "state"\nreserve_gb = 0.0\n[log]\nlevel = "error"\n',
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "agent.cli", "--settings", str(settings), "serve", "--role", "receive"]
    with _process(command, folder) as process:
        yield Running(port, process.pid, lambda: sum(1 for _ in (folder / "state" / "images").rglob("*.dcm")))


@contextmanager
def _orthanc(folder: Path) -> Iterator[Running]:
    """Orthanc with its defaults, which synchronise the storage area, and nothing but this machine's loopback."""
    port, http = free_port(), free_port()
    values = {
        "StorageDirectory": str(folder / "store"),
        "IndexDirectory": str(folder / "store"),
        "DicomAet": _CALLED,
        "DicomPort": port,
        "HttpPort": http,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomAlwaysAllowStore": True,
        "Plugins": [],
    }
    (folder / "orthanc.json").write_text(json.dumps(values), encoding="utf-8")

    def held() -> int:
        with urllib.request.urlopen(f"http://127.0.0.1:{http}/statistics", timeout=10) as answer:
            return int(json.load(answer)["CountInstances"])

    with _process([str(ORTHANC), str(folder / "orthanc.json")], folder) as process:
        yield Running(port, process.pid, held)


@contextmanager
def _storescp(folder: Path) -> Iterator[Running]:
    """storescp, which does not synchronise; `--fork` is its way of serving several associations at once."""
    port = free_port()
    store = folder / "store"
    store.mkdir()
    with _process([str(STORESCP), "--fork", "-pdu", "131072", "-od", str(store), str(port)], folder) as process:
        yield Running(port, process.pid, lambda: sum(1 for _ in store.iterdir()))


@contextmanager
def _sink(folder: Path) -> Iterator[Running]:
    """The same wire, and nothing behind it."""
    port = free_port()
    with _process([sys.executable, "-m", "agent.bench.sink", str(port)], folder) as process:
        yield Running(port, process.pid, None)


@contextmanager
def _process(command: Sequence[str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:  # noqa: S603  our own program, with paths of its own folder
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                pass
            finally:
                process.kill()  # whoever asks a second time does not leave it running; one that has ended is left alone


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60.0
    while not condition():
        if time.monotonic() > deadline:
            raise Permanent(f"not within a minute: {what}", code="bench-lost")
        time.sleep(0.05)


def _peak_mb(pid: int) -> float:
    """The greatest resident set so far (VmHWM), 10^6 bytes; children that have ended are not in it."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0
