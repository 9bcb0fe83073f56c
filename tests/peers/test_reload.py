"""Peers and destinations change while the line runs: whoever is connected stays so, and whoever is new is let in."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import dcmread
from pynetdicom import AE

from agent.commands.common import existing_store
from agent.store import overview
from tests.support.films import save, small_image
from tests.support.peers import Ris
from tests.support.site import PATIENCE_S, SENDER, Site, until

pytestmark = pytest.mark.peers
UID = "1.2.826.0.1.3680043.8.498.77"


def scu(site: Site, title: str, film: Path, *options: str) -> list[str]:
    return ["/usr/bin/storescu", *options, "-aet", title, "-aec", "PREREAD", "127.0.0.1", str(site.port), str(film)]


def sent(site: Site, title: str, film: Path) -> bool:
    return subprocess.run(scu(site, title, film, "-R"), capture_output=True, timeout=PATIENCE_S).returncode == 0


def lateral(folder: Path, number: int) -> Path:
    """An image that no model is needed for: a lateral is not analysed, and that is reported."""
    uids = {"StudyInstanceUID": f"{UID}.{number}", "SeriesInstanceUID": f"{UID}.{number}.1"}
    image = small_image(**uids, SOPInstanceUID=f"{UID}.{number}.1.1", ViewPosition="LL", AccessionNumber=f"ACC{number}")
    return save(image, folder / f"{number}.dcm")


@pytest.fixture
def ris() -> Iterator[Ris]:
    with Ris() as made:
        yield made


def deliveries(site: Site, uid: str) -> list[dict[str, object]]:
    ledger, _ = existing_store(site.settings())
    with ledger.read() as view:
        found = overview.deliveries(view, uid)
    ledger.close()
    return found


def test_a_new_peer_is_let_in_and_an_open_association_goes_on(site: Site, tmp_path: Path) -> None:
    site.set("node", network_timeout_s=PATIENCE_S)
    site.serve("--role", "receive")
    film, other = dcmread(lateral(tmp_path, 1)), lateral(tmp_path, 2)
    assert not sent(site, "NEWCT", other)
    ae = AE(ae_title=SENDER)
    ae.add_requested_context(film.SOPClassUID)
    association = ae.associate("127.0.0.1", site.port, ae_title="PREREAD")
    assert association.send_c_store(film).Status == 0x0000
    site.peer("new", "NEWCT", 11998, ["send"])
    done = site.run("reload")
    assert done.returncode == 0, done.stderr
    assert "receive: peers and destinations of the file are in force" in done.stdout
    assert sent(site, "NEWCT", other)
    assert association.send_c_store(film).Status == 0x0000, "in the middle of its association"
    association.release()


def test_wrong_settings_change_nothing_and_are_said(site: Site, tmp_path: Path) -> None:
    site.serve("--role", "receive")
    right = site.settings_file.read_text(encoding="utf-8")
    site.settings_file.write_text(right.replace('may = ["send"]', 'may = ["sned"]'), encoding="utf-8")
    refused = site.run("reload")
    assert refused.returncode == 78 and "sned" in refused.stdout + refused.stderr
    site.settings_file.write_text(right, encoding="utf-8")
    assert sent(site, SENDER, lateral(tmp_path, 3))


def test_what_needs_a_start_is_named_and_not_half_taken_up(site: Site) -> None:
    site.serve("--role", "receive")
    site.set("intake", quiet_time_s=2.0)
    answer = site.json("reload")["answers"]
    assert [(a["role"], a["outcome"], a["restart"]) for a in answer] == [("receive", "taken-up", ["intake"])]
    said = {c["what"]: c for c in site.json("doctor", "--no-network")}
    assert said["settings of receive"]["state"] == "note" and "intake" in said["settings of receive"]["words"]


def test_a_destination_that_was_dead_is_changed_without_a_start_and_what_waited_arrives(
    site: Site, ris: Ris, tmp_path: Path
) -> None:
    site.destination(name="to-ris", type="hl7", host="127.0.0.1", port=9)  # discard: nobody listens
    site.serve("--role", "receive")
    site.serve("--role", "office")
    assert sent(site, SENDER, lateral(tmp_path, 4))
    uid = f"{UID}.4"
    until(lambda: any(d["attempts"] for d in deliveries(site, uid)), what="a delivery that failed")
    text = site.settings_file.read_text(encoding="utf-8")
    site.settings_file.write_text(text.replace("port = 9\n", f"port = {ris.port}\n"), encoding="utf-8")
    assert site.run("reload", check=True)
    site.run("retry", uid, check=True)
    until(lambda: [d["state"] for d in deliveries(site, uid)] == ["delivered"], what="the result at the RIS")
    assert len(ris.messages) == 1
