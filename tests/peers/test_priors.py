"""The earlier film: whoever reads a chest film looks at it first, and so must what reads for them; and it must be the
patient's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread

from agent.demo.ris import DemoRis
from agent.model.load import load_model
from agent.model.protocol import Model
from agent.settings import Settings
from dicom_nodes.roles import Peer
from tests.support.archives import Dcmqrscp, put
from tests.support.comparing import Comparing, film
from tests.support.peers import Orthanc
from tests.support.site import free_port

pytestmark = [pytest.mark.peers, pytest.mark.model, pytest.mark.xdist_group("priors")]

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")


@pytest.fixture(scope="module")
def model(checkpoint: Path) -> Model:
    return load_model(Settings(model={"weights": str(checkpoint), "quantization": "none", "device": "cpu"}).model)


@pytest.fixture
def ris(tmp_path: Path) -> Iterator[DemoRis]:
    with DemoRis(tmp_path / "ris") as made:
        yield made


@dataclass
class Archive:
    """Somebody who has earlier films, and a line that asks them."""

    line: Comparing
    put: Callable[..., None]


def _row(peer: Peer, *may: str) -> dict[str, Any]:
    return {"name": "archive", "ae_title": peer.ae_title, "host": peer.host, "port": peer.port, "may": ["query", *may]}


def _orthanc(stack: ExitStack, folder: Path) -> Orthanc:
    assert PLUGIN.exists()
    return stack.enter_context(Orthanc(folder / "orthanc", Plugins=[str(PLUGIN)]))


@pytest.fixture(params=["orthanc-get", "orthanc-move", "orthanc-web", "dcmqrscp-get", "dcmqrscp-move"])
def archive(request: pytest.FixtureRequest, tmp_path: Path, model: Model, ris: DemoRis) -> Iterator[Archive]:
    program, way = str(request.param).split("-")
    with ExitStack() as stack:
        yield _archive(stack, tmp_path, model, ris, program, way)


def _archive(stack: ExitStack, folder: Path, model: Model, ris: DemoRis, program: str, way: str) -> Archive:
    port = free_port()
    if program == "orthanc":
        made: Any = _orthanc(stack, folder)
        peer = Peer("archive", made.ae_title, "127.0.0.1", made.port, frozenset())
    else:
        made = Dcmqrscp(folder / "dcmqrscp", {"PREREAD": port})
        stack.callback(made.stop)
        peer = made.peer()
    if way == "web":
        source: dict[str, Any] = {"name": "archive", "url": made.url("/dicom-web")}
    else:
        source = _row(peer, *(["send"] if way == "move" else []))
    options = {"retrieve": "move"} if way == "move" else {}
    line = Comparing(folder / "node", model, ris, source, port=port if way == "move" else 0, **options)
    stack.callback(line.node.stop)
    if program == "orthanc" and way == "move":
        made.knows("PREREAD", line.node.scp.port)
    return Archive(line, lambda *images: put(peer, folder, *images))


def test_a_film_that_the_archive_holds_is_compared_with_and_is_not_read_for_itself(archive: Archive) -> None:
    line = archive.line
    (before,) = film("clear", day="20251001")
    (now,) = film("left-effusion", seed=2)
    archive.put(before)
    uid = str(now.StudyInstanceUID)
    line.send(now)
    line.do("assemble", "flag", "prior", "read", "report")
    search, reading, used = line.search(uid), line.reading(uid), line.used(uid)
    assert search.outcome == "found", search.remarks
    assert used is not None
    assert used.sop_instance_uid == before.SOPInstanceUID
    assert reading.comparison, "the progression was asked about, and answered"
    assert "compared with the frontal film of 2025-10-01 from archive" in reading.notes
    assert not [v for v in reading.verdicts if v["code"] == "comparison-without-prior"]
    kept = line.node.files.path(used.path)
    assert dcmread(kept).PixelData == before.PixelData, "as the archive has it"
    assert line.known_studies() == {uid}, "the earlier study is not one that was sent to be read"
    assert line.idle("assemble")
