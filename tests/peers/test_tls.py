"""DICOM over TLS (PS3.15 B.12): who may speak is proven by a certificate, and who may not is told apart and written down."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent import authority
from agent.delivery.dicom_destination import DicomDestination
from agent.delivery.protocol import OutgoingDocument
from agent.doctor import certificates
from agent.errors import Transient
from dicom_nodes import scu
from dicom_nodes.roles import Peer
from dicom_nodes.scu import NodeError
from dicom_nodes.tls import TlsFiles
from structured_report.sr import encode_sr, file_bytes
from tests.support.films import save, small_image
from tests.support.node import Node
from tests.support.reports import images, preread
from tests.support.site import PATIENCE_S, Site, free_port, until

pytestmark = [pytest.mark.peers, pytest.mark.requirement("TLS-1")]

NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The certificates of a site: this node, a modality, and what an attacker or a mistake might show instead."""
    folder = tmp_path_factory.mktemp("tls")
    authority.authority_in(folder, now=NOW)
    authority.issue(folder, "preread", ["127.0.0.1", "localhost"], days=30, now=NOW)
    authority.issue(folder, "modality", ["ct1.hospital", "127.0.0.1"], days=30, now=NOW)
    authority.issue(folder, "another", ["elsewhere.hospital"], days=30, now=NOW)
    authority.issue(folder, "expired", ["127.0.0.1"], days=1, now=NOW - timedelta(days=3))
    strange = folder / "strange"
    authority.authority_in(strange, now=NOW)
    authority.issue(strange, "modality", ["127.0.0.1"], days=30, now=NOW)
    return folder


@pytest.fixture
def node(own: Path, tmp_path: Path) -> Iterator[Node]:
    files = {"ca_file": own / "ca.pem", "certificate_file": own / "preread.pem", "key_file": own / "preread.key"}
    peers = [
        {"name": "modality", "ae_title": "MODALITY", "host": "127.0.0.1", "may": ["send"], "tls": True},
        {
            "name": "named", "ae_title": "NAMED", "host": "127.0.0.1", "may": ["send"], "tls": True,
            "certificate_name": "ct1.hospital",
        },
    ]  # fmt: skip
    made = Node(tmp_path / "node", peers=peers, tls=files)
    yield made
    made.stop()


def send(node: Node, own: Path, shown: str | None, *, calling: str = "MODALITY", port: int | None = None) -> bool:
    """Whether DCMTK's storescu could send one image, showing that certificate; None: it shows none and speaks TLS."""
    folder = own / "strange" if shown == "strange" else own
    name = "modality" if shown == "strange" else shown
    tls = ["+tla"] if name is None else ["+tls", str(folder / f"{name}.key"), str(folder / f"{name}.pem")]
    image = save(small_image(), node.files.root.parent / "image.dcm")
    command = [
        "/usr/bin/storescu",
        "-R",
        *tls,
        "+cf",
        str(own / "ca.pem"),
        "-aet",
        calling,
        "-aec",
        "PREREAD",
        "-to",
        "5",
    ]
    done = subprocess.run(
        [*command, "127.0.0.1", str(port or node.scp.secure_port), str(image)], capture_output=True, timeout=PATIENCE_S
    )
    return done.returncode == 0


def why(node: Node) -> tuple[str, str]:
    """Reason and words of the one refusal."""
    (refusal,) = until(node.refusals, what="the refusal is written down")
    return refusal["reason"], refusal["comment"]


@pytest.mark.parametrize("calling", ["MODALITY", "NAMED"])
def test_a_modality_with_its_own_certificate_can_send(node: Node, own: Path, calling: str) -> None:
    assert send(node, own, "modality", calling=calling)
    assert node.refusals() == []
    assert len(list(node.files.root.glob("images/*/*.dcm"))) == 1


@pytest.mark.parametrize(
    ("shown", "reason", "words"),
    [
        (None, "tls-refused", "it showed no certificate"),
        ("strange", "tls-refused", "its certificate is not accepted: "),
        ("expired", "tls-refused", "its certificate is not accepted: certificate has expired"),
        ("another", "certificate-of-another", "rejected"),
    ],
)
def test_nobody_comes_in_on_somebody_elses_certificate(
    node: Node, own: Path, shown: str | None, reason: str, words: str
) -> None:
    assert not send(node, own, shown)
    assert why(node)[0] == reason
    assert words in why(node)[1]
    assert list(node.files.root.glob("images/*/*.dcm")) == []


def test_a_peer_that_must_speak_tls_is_not_taken_in_the_clear(node: Node, own: Path) -> None:
    """Anybody in the network could call itself so."""
    association = node.associate(calling="MODALITY")
    assert association.is_rejected
    assert why(node)[0] == "tls-required"


def test_a_peer_without_tls_does_not_come_in_on_the_certificate_of_another(node: Node, own: Path) -> None:
    assert not send(node, own, "modality", calling="SENDER")
    assert why(node)[0] == "certificate-of-another"


def test_plain_dicom_on_the_port_for_tls_is_told_where_to_go(node: Node) -> None:
    command = ["/usr/bin/echoscu", "-aet", "MODALITY", "-aec", "PREREAD", "-to", "5", "127.0.0.1"]
    assert (
        subprocess.run([*command, str(node.scp.secure_port)], capture_output=True, timeout=PATIENCE_S).returncode != 0
    )
    assert why(node) == (
        "tls-refused",
        "the connection was closed: it speaks no TLS; plain DICOM goes to node.port",
    )


def test_tls_1_1_is_too_old(node: Node, own: Path) -> None:
    command = ["openssl", "s_client", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0", "-CAfile", str(own / "ca.pem")]
    shown = ["-cert", str(own / "modality.pem"), "-key", str(own / "modality.key")]
    done = subprocess.run(
        [*command, *shown, "-connect", f"127.0.0.1:{node.scp.secure_port}"],
        input=b"", capture_output=True, timeout=PATIENCE_S,
    )  # fmt: skip
    assert done.returncode != 0
    assert why(node)[0] == "tls-refused"


def test_a_hundred_silent_callers_keep_nobody_out(node: Node, own: Path) -> None:
    """pynetdicom's own server does the handshake where it accepts: one silent caller stops it for everybody."""
    silent = [socket.create_connection(("127.0.0.1", node.scp.secure_port)) for _ in range(60)]
    silent += [socket.create_connection(("127.0.0.1", node.scp.port)) for _ in range(40)]
    try:
        until(lambda: send(node, own, "modality"), what="the modality can send")
    finally:
        for connection in silent:
            connection.close()


def test_a_renewed_certificate_is_shown_without_a_restart(node: Node, own: Path, tmp_path: Path) -> None:
    def shown() -> str:
        command = ["openssl", "s_client", "-connect", f"127.0.0.1:{node.scp.secure_port}"]
        done = subprocess.run(command, input=b"", capture_output=True, timeout=PATIENCE_S)
        return done.stdout.partition(b"-----BEGIN")[2].decode()

    before = shown()
    kept = {f: f.read_bytes() for f in (own / "preread.pem", own / "preread.key")}
    authority.issue(own, "preread", ["127.0.0.1", "localhost"], days=60, now=NOW)
    try:
        assert shown() not in ("", before)
    finally:
        for file, content in kept.items():
            file.write_bytes(content)


@pytest.fixture
def pacs(own: Path, tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """DCMTK's storescp that wants to see a certificate."""
    port, folder = free_port(), tmp_path / "pacs"
    folder.mkdir()
    tls = ["+tls", str(own / "modality.key"), str(own / "modality.pem"), "+cf", str(own / "ca.pem"), "-rc"]
    process = subprocess.Popen(
        ["/usr/bin/storescp", *tls, "-aet", "PACS", "-od", str(folder), str(port)], stdout=subprocess.DEVNULL
    )

    def listens() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    until(listens, what="storescp listens")
    yield port, folder
    process.kill()
    process.wait()


def caller(own: Path, port: int, shown: str, *, ca: Path | None = None, name: str = "127.0.0.1") -> Peer:
    files = TlsFiles(ca or own / "ca.pem", own / f"{shown}.pem", own / f"{shown}.key", name)
    return Peer("pacs", "PACS", "127.0.0.1", port, frozenset({"receive"}), files)


def test_a_report_reaches_a_pacs_over_tls(own: Path, pacs: tuple[int, Path], tmp_path: Path) -> None:
    port, folder = pacs
    evidence = images()
    report = preread(evidence)
    file = tmp_path / "sr.dcm"
    file.write_bytes(file_bytes(encode_sr(report, evidence)))
    document = OutgoingDocument("sr", report.sr_instance_uid, file, report.study.study_instance_uid)
    to_pacs = DicomDestination("to-pacs", caller(own, port, "preread"), own_ae_title="PREREAD", timeout_s=PATIENCE_S)
    assert to_pacs.send(document).words.startswith("0000")
    assert len(list(folder.iterdir())) == 1


@pytest.mark.parametrize(
    ("shown", "ca", "name", "words"),
    [
        ("preread", "strange/ca.pem", "127.0.0.1", "its certificate is not accepted"),
        ("preread", "ca.pem", "elsewhere.hospital", "its certificate is not accepted: Hostname mismatch"),
        ("expired", "ca.pem", "127.0.0.1", "does not accept our certificate"),
    ],
)
def test_a_report_goes_to_no_pacs_that_is_not_the_one(
    own: Path, pacs: tuple[int, Path], shown: str, ca: str, name: str, words: str
) -> None:
    with pytest.raises(NodeError, match=words):
        scu.echo(caller(own, pacs[0], shown, ca=own / ca, name=name), own_ae_title="PREREAD", timeout_s=PATIENCE_S)


def test_a_pacs_in_the_clear_gets_no_report_that_was_to_be_secret(own: Path, node: Node) -> None:
    destination = DicomDestination(
        "to", caller(own, node.scp.port, "preread"), own_ae_title="PREREAD", timeout_s=PATIENCE_S
    )
    with pytest.raises(Transient, match="is its port the one for TLS"):
        destination.probe()


def test_the_certificates_of_a_pilot_are_made_by_one_command_and_the_doctor_says_when_they_run_out(
    site: Site, tmp_path: Path
) -> None:
    done = site.run("certs", "preread=127.0.0.1", "pacs=10.0.0.5,pacs.hospital", "--out", str(tmp_path / "tls"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "tls" / "ca.key").stat().st_mode & 0o077 == 0
    verified = subprocess.run(
        ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", "ca.pem", "preread.pem", "pacs.pem"],
        cwd=tmp_path / "tls", capture_output=True, text=True,
    )  # fmt: skip
    assert verified.stdout.split() == ["preread.pem:", "OK", "pacs.pem:", "OK"], verified.stderr
    authority.issue(tmp_path / "tls", "preread", ["127.0.0.1"], days=20, now=NOW)
    shutil.move(tmp_path / "tls", site.folder / "tls")
    site.set("node.tls", ca_file="tls/ca.pem", certificate_file="tls/preread.pem", key_file="tls/preread.key")
    found = {c.what: c for c in certificates.certificates(site.settings())}
    assert found["node.tls.ca_file"].state == "ok"
    assert found["node.tls.certificate_file"].state == "bad"
    assert "more days" in found["node.tls.certificate_file"].words


@pytest.mark.parametrize("gone", ["ca.key", "ca.pem"])
def test_an_authority_whose_key_is_kept_elsewhere_is_not_made_anew_without_a_word(
    site: Site, tmp_path: Path, gone: str
) -> None:
    """Every node has a copy of its certificate, and would trust nobody that the new one vouches for."""
    folder = tmp_path / "tls"
    assert site.run("certs", "preread=127.0.0.1", "--out", str(folder)).returncode == 0
    (folder / gone).rename(tmp_path / gone)
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    done = site.run("certs", "pacs=10.0.0.5", "--out", str(folder))
    assert (done.returncode, f"{gone} is not" in done.stderr) == (1, True), done.stderr
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
