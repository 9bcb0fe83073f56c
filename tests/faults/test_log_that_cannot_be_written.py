"""A full log disk, or a log reader that has gone, stops no study: the images may well be on another disk."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from agent.demo.pacs import DemoPacs
from agent.demo.ris import DemoRis
from dicom_nodes import scu
from dicom_nodes.roles import Peer
from dicom_nodes.scu import NodeError
from tests.support.films import save, small_image
from tests.support.site import PATIENCE_S, SENDER, Site, until


@pytest.fixture
def deaf(site: Site, tmp_path: Path) -> Iterator[Site]:
    """A site with a PACS that answers and a RIS that is not there, so that there is something to complain about."""
    with DemoPacs(tmp_path / "pacs", ae_title="PACS") as pacs:
        site.peer("pacs", "PACS", pacs.port, ["receive"])
        site.destination(name="to-pacs", type="dicom", peer="pacs")
        site.destination(name="to-ris", type="hl7", host="127.0.0.1", port=9)
        site.set("model", backend="recorded", recordings=str(tmp_path))
        yield site


def node(site: Site) -> Peer:
    return Peer("node", "PREREAD", "127.0.0.1", site.port, frozenset())


def answers(site: Site) -> bool:
    try:
        return scu.echo(node(site), own_ae_title=SENDER, timeout_s=PATIENCE_S).status == 0x0000
    except NodeError:
        return False


@pytest.mark.parametrize("roles", [("receive", "office"), ("",)], ids=["alone", "supervised"])
def test_studies_go_through_while_the_log_disk_is_full(deaf: Site, tmp_path: Path, roles: tuple[str, ...]) -> None:
    with ExitStack() as stack, Path("/dev/full").open("wb", buffering=0) as full:
        for role in roles:
            command = deaf.command("serve", *(["--role", role] if role else []))
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=full, stderr=full)
            stack.callback(process.wait, PATIENCE_S)
            stack.callback(process.terminate)
        until(lambda: answers(deaf), what="it accepts associations")
        refused = save(small_image(StudyInstanceUID=None), tmp_path / "refused.dcm")
        films = [save(small_image(BodyPartExamined="HAND"), tmp_path / f"{n}.dcm") for n in range(3)]
        statuses = [
            r.status for r in scu.store(node(deaf), [refused, *films], own_ae_title=SENDER, timeout_s=PATIENCE_S)
        ]
        assert statuses[1:] == [0x0000] * 3
        assert statuses[0] not in (None, 0x0000)
        until(lambda: len(list((tmp_path / "pacs").glob("*.dcm"))) == 3, what="the reports are in the PACS")
        deaf_ris = [d for s in deaf.studies() for d in s["deliveries"].items()]
        assert ("delivered", 1) in deaf_ris
        with DemoRis(tmp_path / "ris") as ris:
            assert ris.port != 9  # nobody listens there: the office went on complaining all the while
    (seen,) = deaf.json("refusals")
    assert seen["what"] == "instance"


def test_a_supervisor_whose_log_reader_has_gone_still_starts_a_role_again(deaf: Site) -> None:
    process = subprocess.Popen(
        deaf.command("serve"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        assert b"ready" in process.stdout.readline()
        process.stdout.close()
        process.stderr.close()
        first = deaf.role_pid("receive", process)  # type: ignore[arg-type]
        assert first is not None
        subprocess.run(["kill", "-9", str(first)], check=True)
        until(
            lambda: deaf.role_pid("receive", process) not in (None, first) and answers(deaf),  # type: ignore[arg-type]
            what="it receives again",
        )
    finally:
        process.terminate()
        process.wait(PATIENCE_S)
