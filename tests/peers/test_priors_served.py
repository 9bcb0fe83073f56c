"""Earlier films and the worklist in the processes of a site, as its settings name them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dicom_nodes import scu
from dicom_nodes.roles import Peer
from tests.support.archives import Dcmqrscp, Wlmscpfs, put, worklist_entry
from tests.support.comparing import film
from tests.support.films import save
from tests.support.site import PATIENCE_S, SENDER, Site, until

pytestmark = [
    pytest.mark.peers,
    pytest.mark.model,
    pytest.mark.xdist_group("line"),
    pytest.mark.requirement("PRIOR-1", "WORKLIST-1"),
]


@pytest.fixture
def asked(tmp_path: Path, site: Site) -> Iterator[Dcmqrscp]:
    """An archive that moves to the site, and a worklist; the site is set up to ask both."""
    archive = Dcmqrscp(tmp_path / "dcmqrscp", {"PREREAD": site.port})
    ris = Wlmscpfs(tmp_path / "ris", [worklist_entry(PatientID="P1", AccessionNumber="A20260103")])
    site.peer("archive", archive.ae_title, archive.port, ["query", "send"])
    site.peer("ris", ris.ae_title, ris.port, ["query"])
    yield archive
    archive.stop()
    ris.stop()


def test_a_site_that_names_an_archive_and_a_worklist_gets_the_comparison_and_the_order(
    site: Site, asked: Dcmqrscp, checkpoint: Path, tmp_path: Path
) -> None:
    site.set("model", weights=str(checkpoint), quantization="none", device="cpu")
    site.set("priors", **{"from": "archive", "retrieve": "move"}).set("worklist", **{"from": "ris"})
    (before,), (now,) = film("clear", day="20251001"), film(seed=2)
    put(asked.peer(), tmp_path, before)
    site.serve()
    node = Peer("node", "PREREAD", "127.0.0.1", site.port, frozenset())
    sent = scu.store(node, [save(now, tmp_path / "now.dcm")], own_ae_title=SENDER, timeout_s=PATIENCE_S)
    assert sent[0].accepted
    uid = str(now.StudyInstanceUID)
    until(lambda: [s["state"] for s in site.studies()] == ["read"], what="the study is read")
    shown = site.json("show", uid)
    assert shown["reading"]["comparison"]
    assert (shown["prior"]["outcome"], shown["prior"]["used"]) == ("found", True)
    assert shown["prior"]["image"]["sop_instance_uid"] == str(before.SOPInstanceUID)
    assert shown["worklist"]["status"] == "0000"
    assert [e["order"]["accession_number"] for e in shown["worklist"]["entries"]] == ["A20260103"]
    words = site.run("show", uid).stdout
    assert "Earlier film: found" in words
    assert "Worklist: ris names 1 scheduled steps" in words
    log = site.log.read_text(encoding="utf-8")
    assert not [word for word in ("Doe", 'P1"', "19700101") if word in log], "whose films they are stands in no log"
