"""One bad file costs none of the others, and what a peer refuses is called by its name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom.uid import JPEGLosslessSV1
from pynetdicom import AE, evt

from dicom_nodes import scu
from dicom_nodes.contexts import COMPUTED_RADIOGRAPHY, DEFLATED, VERIFICATION
from dicom_nodes.roles import Peer
from dicom_nodes.scu import NoAcceptedContext
from tests.support.films import save, small_image
from tests.support.site import PATIENCE_S

pytestmark = pytest.mark.filterwarnings("ignore:.*VR UI")


@pytest.fixture
def taking() -> Iterator[Callable[..., Peer]]:
    """Starts a PACS that takes these SOP classes in these transfer syntaxes."""
    servers: list[Any] = []

    def start(**accepted: tuple[str, list[str] | None]) -> Peer:
        ae = AE(ae_title="PACS")
        for sop_class, syntaxes in accepted.values():
            ae.add_supported_context(sop_class, syntaxes)
        servers.append(
            ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, lambda _: 0x0000)])
        )
        return Peer("pacs", "PACS", "127.0.0.1", int(servers[-1].server_address[1]), frozenset())

    yield start
    for server in servers:
        server.shutdown()


def broken_deflate(path: Path) -> Path:
    image = small_image()
    image.file_meta.TransferSyntaxUID = DEFLATED
    save(image, path)
    content = bytearray(path.read_bytes())
    content[-40:] = b"\xff" * 40
    start = content.index(DEFLATED.encode()) + len(DEFLATED)
    content[start + 20 : start + 60] = b"\xff" * 40
    path.write_bytes(bytes(content))
    return path


def with_too_long_a_uid(path: Path) -> Path:
    image = small_image()
    image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = "1." + "2" * 70
    return save(image, path)


def with_a_class_that_is_no_uid(path: Path) -> Path:
    content = save(small_image(), path).read_bytes()
    path.write_bytes(content.replace(COMPUTED_RADIOGRAPHY.encode(), b"x" * len(COMPUTED_RADIOGRAPHY), 1))
    return path


def test_a_file_that_cannot_be_sent_fails_by_its_name_and_the_others_go(
    tmp_path: Path, taking: Callable[..., Peer]
) -> None:
    good, last = save(small_image(), tmp_path / "good.dcm"), save(small_image(), tmp_path / "last.dcm")
    bad = [
        broken_deflate(tmp_path / "deflated.dcm"),
        with_too_long_a_uid(tmp_path / "instance.dcm"),
        with_a_class_that_is_no_uid(tmp_path / "class.dcm"),
    ]
    pacs = taking(images=(COMPUTED_RADIOGRAPHY, None))
    results = scu.store(pacs, [good, *bad, last], own_ae_title="PREREAD", timeout_s=PATIENCE_S)
    assert [r.accepted for r in results] == [True, False, False, False, True]
    for result in results[1:4]:
        assert str(result.file) in result.comment, result


def test_a_transfer_syntax_that_is_refused_is_not_called_a_sop_class(
    tmp_path: Path, taking: Callable[..., Peer]
) -> None:
    film = save(small_image(), tmp_path / "film.dcm")
    pacs = taking(images=(COMPUTED_RADIOGRAPHY, [JPEGLosslessSV1]), echo=(VERIFICATION, None))
    with pytest.raises(NoAcceptedContext, match=r"Computed Radiography .* but not in the transfer syntax Explicit VR"):
        scu.store(pacs, [film], own_ae_title="PREREAD", timeout_s=PATIENCE_S)
    with pytest.raises(NoAcceptedContext, match="does not accept Computed Radiography"):
        scu.store(taking(echo=(VERIFICATION, None)), [film], own_ae_title="PREREAD", timeout_s=PATIENCE_S)


def test_a_refused_transfer_syntax_beside_an_accepted_one_is_named(tmp_path: Path, taking: Callable[..., Peer]) -> None:
    film, packed = save(small_image(), tmp_path / "film.dcm"), small_image()
    packed.file_meta.TransferSyntaxUID = DEFLATED
    pacs = taking(images=(COMPUTED_RADIOGRAPHY, ["1.2.840.10008.1.2.1"]))
    files = [film, save(packed, tmp_path / "packed.dcm")]
    sent, unsent = scu.store(pacs, files, own_ae_title="PREREAD", timeout_s=PATIENCE_S)
    assert sent.accepted
    assert "not in the transfer syntax Deflated" in unsent.comment
