"""What an archive's validator refuses, or a viewer draws elsewhere, nobody sees: other people's programs on what stands beside
the report."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from numpy.typing import NDArray
from PIL import Image
from pydicom import dcmread

from agent.delivery.dicom_destination import DicomDestination
from agent.delivery.protocol import OutgoingDocument
from agent.errors import Permanent
from agent.in_words import english
from dicom_nodes.contexts import BASIC_TEXT_SR, GRAYSCALE_PRESENTATION_STATE, KEY_OBJECT_SELECTION, SECONDARY_CAPTURE
from dicom_nodes.roles import Peer
from structured_report.content import BANNER, Narrative, Outcome, Patient, PreRead, PriorStudy
from structured_report.plain_sr import encode_plain_sr
from structured_report.presentation import encode_presentation_state
from structured_report.rejection_note import encode_rejection_note
from structured_report.secondary_capture import encode_picture
from structured_report.sr import encode_sr
from tests.support.peers import Orthanc
from tests.support.pictures import PLACE, about, film, kept, seen
from tests.support.reports import images, preread, prereads
from tests.support.site import PATIENCE_S, free_port, until
from tests.support.validators import complaints

pytestmark = [pytest.mark.peers, pytest.mark.timeout(240), pytest.mark.requirement("PICTURE-1")]
EVIDENCE = images()
FILMS = [seen(EVIDENCE[0]), seen(EVIDENCE[1], "lateral")]
LONG = "".join(chr(c) for c in (*range(0x20, 0x3000), *range(0x1F300, 0x1F600)) if chr(c).isprintable()) * 6


def errors(path: Path) -> list[str]:
    """What dciodvfy calls an error."""
    done = subprocess.run(["dciodvfy", "-new", str(path)], capture_output=True, text=True, check=False, timeout=60)
    return [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Error")]


# Both validators count bytes where the standard counts characters (PS3.5 6.2), and dcmpschk knows no letters beyond ASCII: whose study
# it is, where and when it was read, are plain here.
@settings(
    max_examples=10,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(value=prereads(EVIDENCE))
def test_every_kind_of_any_pre_read_is_valid(value: PreRead, tmp_path: Path) -> None:
    plain = preread(EVIDENCE, patient=Patient("PID1", "HOSP", "Doe^Jane", "19600101", "F"))
    made_by = replace(value.provenance, institution_name="Hospital")
    value = replace(value, study=plain.study, analysed_at=plain.analysed_at, provenance=made_by)
    made = {
        "sc": encode_picture(value, EVIDENCE, FILMS, PLACE),
        "plain": encode_plain_sr(
            value, EVIDENCE, replace(PLACE, sop_instance_uid="2.25.903"), predecessor=("2.25.5", "2.25.6")
        ),
        "gsps": encode_presentation_state(value, EVIDENCE[0], replace(PLACE, sop_instance_uid="2.25.904")),
    }
    place = replace(PLACE, sop_instance_uid="2.25.905")
    made["ko"] = encode_rejection_note([*made.values(), encode_sr(value, EVIDENCE)], value, place, reason="wrong side")
    for name, data_set in made.items():
        assert errors(kept(tmp_path, f"{name}.dcm", data_set)) == [], name
    done = subprocess.run(
        ["dcmpschk", str(tmp_path / "gsps.dcm")], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "Test passed" in done.stderr


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"monochrome1": True},
        {"turn": "quarter-turn"},
        {"tall_pixels": True},
        {"window": False},
        {"monochrome1": True, "window": False},
    ],
    ids=str,
)
def test_a_viewer_shows_the_film_under_its_boxes_as_it_was_read(how: dict[str, object], tmp_path: Path) -> None:
    """DCMTK applies the state to the image. Polarity, window and proportions are those of the reading; where the film lies on
    its side, the state leaves it as it is stored."""
    turn = str(how.get("turn", "upright"))
    image = film(**how)  # type: ignore[arg-type]
    from agent.imaging.render import render

    made = render(image, image.pixel_array)
    state = encode_presentation_state(about(image, turn), image, PLACE, window=made.window)
    source, target, states = tmp_path / "image.dcm", tmp_path / "shown.pgm", kept(tmp_path, "state.dcm", state)
    image.save_as(source, enforce_file_format=True)
    command = ["dcmp2pgm", "-v", "-p", str(states), str(source), str(target)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    shown = np.asarray(Image.open(target), dtype=int)
    read = render(_as_stored(image), image.pixel_array).picture
    expected = np.asarray(Image.fromarray(read).resize(shown.shape[::-1]), dtype=int)
    assert np.abs(shown - expected).max() <= 60, "at the edges of the square"
    assert np.mean(np.abs(shown - expected)) < 1.5
    x0, y0, x1, y1 = (getattr(about(image, turn).regions[0], k) for k in ("x0", "y0", "x1", "y1"))
    assert f"{x0:g}\\{y0:g}, {x1:g}\\{y0:g}, {x1:g}\\{y1:g}, {x0:g}\\{y1:g}, {x0:g}\\{y0:g}" in done.stderr
    assert BANNER in done.stderr


def _as_stored(image):  # type: ignore[no-untyped-def]
    """The film without its orientation: then it is read as it is stored."""
    import copy

    plain = copy.deepcopy(image)
    del plain.PatientOrientation
    return plain


def test_another_decoder_sees_the_same_picture(tmp_path: Path) -> None:
    image = film()
    made = encode_picture(about(image), [image], [seen(image)], PLACE)
    source, target = kept(tmp_path, "sc.dcm", made), tmp_path / "sc.ppm"
    subprocess.run(["dcm2pnm", "+op", str(source), str(target)], check=True, capture_output=True, timeout=60)
    assert np.array_equal(_pixels(target), made.pixel_array)


def _pixels(path: Path) -> NDArray[np.uint8]:
    return np.asarray(Image.open(path).convert("RGB"))


@pytest.mark.parametrize("outcome", [Outcome.READ, Outcome.WITHDRAWN])
def test_the_plain_report_is_valid_and_read_by_others(outcome: Outcome, tmp_path: Path) -> None:
    value = preread(EVIDENCE, narrative=Narrative("Effusion ≥ 2 cm.", "Effusion.", LONG, "Larger."))
    value = replace(value, prior=PriorStudy("2.25.51", "20250102", "1.2.840.10008.5.1.4.1.1.1", "2.25.52", "2.25.53"))
    if outcome is Outcome.WITHDRAWN:
        value = preread(EVIDENCE, outcome=outcome)
    path = kept(tmp_path, "plain.dcm", encode_plain_sr(value, EVIDENCE, PLACE, predecessor=("2.25.5", "2.25.6")))
    # PixelMed's copy of TID 2000 stops before LOINC came into CID 7001, and asks nothing of what is below.
    known = ("Content Item not in template", "BasicTextSR", "TID_2000")
    assert [line for line in complaints(path) if not any(k in line for k in known)] == []
    done = subprocess.run(
        ["/usr/bin/dsrdump", "+Pl", str(path)], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.startswith("Basic Text SR Document")
    assert done.stdout.index(BANNER) < done.stdout.index("contains CONTAINER", done.stdout.index(BANNER)), (
        "the banner first"
    )
    assert "UNVERIFIED" in done.stdout
    assert ("Effusion ≥ 2 cm." in done.stdout) == (outcome is Outcome.READ)


@pytest.mark.requirement("REJECT-1")
def test_dsrdump_reads_what_is_rejected_where_and_why(tmp_path: Path) -> None:
    value = about(film())
    report = encode_sr(value, [film()])
    note = encode_rejection_note([report], value, replace(PLACE, sop_instance_uid="2.25.14"), reason="of another, Ä")
    done = subprocess.run(
        ["/usr/bin/dsrdump", "+Pl", str(kept(tmp_path, "ko.dcm", note))], capture_output=True, text=True, check=True,
        timeout=60,
    )  # fmt: skip
    assert done.stdout.startswith("Key Object Selection Document")
    for words in ("Rejected for Patient Safety Reasons", "of another, Ä", "PID1", "Comprehensive3DSRStorage"):
        assert words in done.stdout, words


def documents(folder: Path) -> list[OutgoingDocument]:
    image = film()
    value = about(image)
    made = {
        "sr": encode_sr(value, [image]),
        "sc": encode_picture(value, [image], [seen(image)], replace(PLACE, sop_instance_uid="2.25.11")),
        "gsps": encode_presentation_state(value, image, replace(PLACE, sop_instance_uid="2.25.12")),
        "plain-sr": encode_plain_sr(value, [image], replace(PLACE, sop_instance_uid="2.25.13")),
    }
    place = replace(PLACE, sop_instance_uid="2.25.14")
    made["ko"] = encode_rejection_note(list(made.values()), value, place, reason="wrong side")
    return [
        OutgoingDocument(k, str(d.SOPInstanceUID), kept(folder, f"{k}.dcm", d), value.study.study_instance_uid)
        for k, d in made.items()
    ]


def to(ae_title: str, port: int, *, commit: bool = False) -> DicomDestination:
    peer = Peer("pacs", ae_title, "127.0.0.1", port, frozenset({"receive"}))
    beside = ("sc", "gsps", "plain-sr", "ko")
    return DicomDestination("to-pacs", peer, own_ae_title="PREREAD", timeout_s=PATIENCE_S, commit=commit, beside=beside)


def test_orthanc_has_all_of_it_once_and_unchanged(tmp_path: Path) -> None:
    with Orthanc(tmp_path / "orthanc") as pacs:
        destination = to(pacs.ae_title, pacs.port, commit=True)
        found = destination.probe()
        for name in (
            "Comprehensive 3D SR",
            "Secondary Capture",
            "Grayscale Softcopy Presentation State",
            "Basic Text SR",
            "Key Object Selection",
        ):
            assert name in english(*found.said)
        assert found.remarks == ()
        sent = documents(tmp_path)
        for document in (*sent, *sent):
            receipt = destination.send(document)
            assert receipt.words.startswith("0000")
            assert receipt.to_commit is not None
            assert receipt.to_commit.sop_instance_uid == document.identifier
            assert receipt.to_commit.sop_class_uid == dcmread(document.path).SOPClassUID
        held = {str(d.SOPInstanceUID): d for d in (dcmread(BytesIO(pacs.file(i))) for i in pacs.instances())}
    assert held == {d.identifier: dcmread(d.path) for d in sent}


@contextmanager
def storescp(folder: Path, *sop_classes: str) -> Iterator[int]:
    """DCMTK's storescp that takes those SOP classes and no other."""
    folder.mkdir()
    port, profile = free_port(), folder / "scp.cfg"
    rows = "".join(
        f"PresentationContext{n} = {uid}\\T\n" for n, uid in enumerate(("1.2.840.10008.1.1", *sop_classes), start=1)
    )
    profile.write_text(
        "[[TransferSyntaxes]]\n[T]\nTransferSyntax1 = 1.2.840.10008.1.2.1\nTransferSyntax2 = 1.2.840.10008.1.2\n"
        f"[[PresentationContexts]]\n[C]\n{rows}[[Profiles]]\n[P]\nPresentationContexts = C\n",
        encoding="ascii",
    )
    process = subprocess.Popen(
        ["/usr/bin/storescp", "-xf", str(profile), "P", "-od", str(folder), "-aet", "DCMTK", str(port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        until(lambda: _listens(port), what="storescp listens")
        yield port
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def _listens(port: int) -> bool:
    import socket

    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_storescp_has_all_of_it(tmp_path: Path) -> None:
    beside = (SECONDARY_CAPTURE, GRAYSCALE_PRESENTATION_STATE, BASIC_TEXT_SR, KEY_OBJECT_SELECTION)
    classes = ("1.2.840.10008.5.1.4.1.1.88.34", *beside)
    with storescp(tmp_path / "scp", *classes) as port:
        for document in documents(tmp_path):
            assert to("DCMTK", port).send(document).words.startswith("0000")
    held = [dcmread(p) for p in (tmp_path / "scp").iterdir() if p.suffix != ".cfg"]
    assert {str(d.SOPClassUID) for d in held} == set(classes)


def test_who_takes_no_pictures_gets_the_report_and_the_check_says_so(tmp_path: Path) -> None:
    with storescp(tmp_path / "scp", "1.2.840.10008.5.1.4.1.1.88.33") as port:
        destination = to("DCMTK", port)
        found = destination.probe()
        assert "Comprehensive SR" in english(*found.said)
        for name, switch in (
            ("Secondary Capture", "summary_image"),
            ("Grayscale Softcopy Presentation State", "presentation_state"),
            ("Basic Text SR", "plain_sr"),
            ("Key Object Selection", "rejection_note"),
        ):
            assert f"does not accept {name}" in english(*found.remarks)
            assert f"{switch} = false" in english(*found.remarks)
        report, *beside = documents(tmp_path)
        for document in beside:
            with pytest.raises(Permanent, match="= false here"):
                destination.send(document)
        assert destination.send(report).words == "0000 as Comprehensive SR"
