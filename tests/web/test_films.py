"""The films of a study as a browser gets them: every value, and of nothing but that study."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import Dataset, dcmread
from starlette.testclient import TestClient

from agent.commissioning.films import FilmStyle, phantom_study, scene_of
from agent.store import audit, purging
from agent.web.context import WebContext
from agent.web.rights import Role
from tests.support.drafted import NOW, Desk, Drafted
from tests.support.films import rg1, small_image

Browser = Callable[[Role], TestClient]


def address(drafted: Drafted, what: str, number: int = 0) -> str:
    return f"/studies/{drafted.uid}/images/{drafted.images[number].SOPInstanceUID}/{what}"


def values(client: TestClient, drafted: Drafted) -> np.ndarray[tuple[int, int], np.dtype[np.int_]]:
    about = client.get(address(drafted, "about")).json()
    answer = client.get(address(drafted, "values"))
    assert answer.headers["content-encoding"] == "gzip"
    plain = np.frombuffer(answer.content, "<i2" if about["signed"] else "<u2")
    return plain.reshape(about["rows"], about["columns"]).astype(int)


def unlike(tmp_path: Path) -> dict[str, Dataset]:
    signed = (np.arange(96 * 80) - 3000).astype("<i2").tobytes()
    return {
        "unsigned": small_image(),
        "signed": small_image(PixelRepresentation=1, RescaleSlope="0.5", RescaleIntercept="-7", PixelData=signed),
        "MONOCHROME1": small_image(PhotometricInterpretation="MONOCHROME1"),
        "8 bits": phantom_study(
            scene_of("clear", seed=1), patient_id="P", accession="A", lateral=False,
            style=FilmStyle(rows=128, columns=104, bits_stored=8),
        )[0],
        "compressed": dcmread(rg1(tmp_path, "1.2.840.10008.1.2.4.70")),
    }  # fmt: skip


def test_every_value_arrives_as_it_is_stored(desk: Desk, browser: Browser, tmp_path: Path) -> None:
    client = browser(Role.VIEWER)
    for name, image in unlike(tmp_path).items():
        drafted = desk.study([image], read=False)
        assert np.array_equal(values(client, drafted), image.pixel_array), name


def test_the_preview_is_upright_and_no_larger_than_it_need_be(desk: Desk, browser: Browser) -> None:
    style = FilmStyle(rows=1500, columns=1200, orientation="transposed")
    images = phantom_study(scene_of("clear", seed=1), patient_id="P", accession="A", lateral=False, style=style)
    answer = browser(Role.VIEWER).get(address(desk.study(images, read=False), "preview"))
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["cache-control"] == "no-store"
    picture = Image.open(BytesIO(answer.content))
    assert (picture.mode, picture.size) == ("L", (819, 1024))


def test_films_of_another_study_are_not_there(desk: Desk, browser: Browser) -> None:
    one, other = desk.study([small_image()], read=False), desk.study([small_image()], read=False)
    client = browser(Role.VIEWER)
    sop = other.images[0].SOPInstanceUID
    wrong = (
        f"/studies/{one.uid}/images/{sop}",
        f"/studies/1.2.3/images/{sop}",
        f"/studies/{one.uid}/images/1.2.3",
        f"/studies/{one.uid}/images/..%2f..%2fpreread.db",
    )
    for place in wrong:
        for what in ("preview", "about", "values"):
            assert client.get(f"{place}/{what}").status_code == 404, (place, what)
    assert client.get(address(one, "preview") + "?revision=2").status_code == 404


def test_the_earlier_film_is_shown_to_who_looks_at_the_study_and_both_are_written_down(
    desk: Desk, browser: Browser, context: WebContext
) -> None:
    prior = small_image(PatientID="T1")
    drafted = desk.study([small_image()], prior=prior, boxes={})
    client = browser(Role.VIEWER)
    assert client.get(f"/studies/{drafted.uid}").status_code == 200
    assert client.get(f"/studies/{drafted.uid}/images/{prior.SOPInstanceUID}/preview").status_code == 200
    assert client.get(address(drafted, "preview")).status_code == 200
    with context.ledger.read() as view:
        said = [row.message for row in audit.rows(view) if "110103" in row.message]
    assert sorted(sum(uid in m for m in said) for uid in (drafted.uid, str(prior.StudyInstanceUID))) == [1, 1]
    assert all("viewer" in m for m in said)


def test_a_film_that_was_let_go_is_gone_at_once_whatever_is_kept_in_memory(
    desk: Desk, browser: Browser, context: WebContext
) -> None:
    drafted = desk.study([small_image()], read=False)
    client = browser(Role.VIEWER)
    assert client.get(address(drafted, "preview")).status_code == 200
    for file in (context.files.root / "images").rglob("*.dcm"):
        file.unlink()
    for what in ("preview", "about", "values"):
        answer = client.get(address(drafted, what), headers={"Accept": "application/json"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (410, "file-lost"), what
    with context.ledger.begin() as tx:
        purging.purge(tx, drafted.uid, now=NOW)
    assert client.get(address(drafted, "preview")).status_code == 404


def test_nothing_that_was_made_of_a_film_is_left_on_the_disk(desk: Desk, browser: Browser, context: WebContext) -> None:
    drafted = desk.study([small_image()], read=False)
    before = {p for p in context.files.root.rglob("*") if p.is_file()}
    client = browser(Role.VIEWER)
    for what in ("preview", "about", "values"):
        assert client.get(address(drafted, what)).status_code == 200
    made = {p for p in context.files.root.rglob("*") if p.is_file()} - before
    assert [p for p in made if "preread.db" not in p.name] == []


@pytest.mark.parametrize(
    ("image", "code"),
    [
        (small_image(PhotometricInterpretation="RGB", SamplesPerPixel=3), "not-grayscale"),
        (small_image(PixelData=b"\1\0" * 96 * 80), "constant-image"),
    ],
)
def test_a_film_that_cannot_be_shown_says_why(desk: Desk, browser: Browser, image: Dataset, code: str) -> None:
    drafted = desk.study([image], read=False)
    answer = browser(Role.VIEWER).get(address(drafted, "values"), headers={"Accept": "application/json"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, code)


def test_a_browser_can_unpack_what_it_gets(desk: Desk, browser: Browser) -> None:
    drafted = desk.study([small_image()], read=False)
    client = browser(Role.VIEWER)
    with client.stream("GET", address(drafted, "values")) as answer:
        packed = b"".join(answer.iter_raw())
    assert len(gzip.decompress(packed)) == 2 * 96 * 80
