"""What the constancy test compares with must itself be right: where things are drawn, and as whom one may send."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

from agent.commissioning.films import ORIENTATIONS, FilmStyle, oriented
from agent.commissioning.phantom import Box
from agent.errors import Permanent
from agent.evaluation.qc.door import find_door
from agent.evaluation.qc.films import CATALOGUE, drawn, overlap, stored_box
from agent.imaging.facts import facts_of
from agent.settings import QcFilm, Settings


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_a_drawn_box_lies_in_the_stored_image_where_its_pixels_lie(orientation: str) -> None:
    style = FilmStyle(rows=100, columns=80, orientation=orientation)
    upright = np.zeros((100, 80), np.uint8)
    upright[10:40, 8:24] = 1
    box = stored_box(Box("nodule", "right", 0.1, 0.1, 0.3, 0.4), style)
    rows, columns = np.nonzero(oriented(upright, orientation))
    found = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert (box.x0, box.y0, box.x1, box.y1) == pytest.approx(found)


@pytest.mark.parametrize(
    ("other", "expected"),
    [((0, 0, 2, 2), 1.0), ((1, 0, 3, 2), 1 / 3), ((2, 0, 4, 2), 0.0), ((0, 0, 1, 1), 0.25), ((5, 5, 6, 6), 0.0)],
)
def test_overlap_is_intersection_over_union(other: tuple[int, ...], expected: float) -> None:
    assert overlap((0, 0, 2, 2), other) == pytest.approx(expected)


def test_every_film_of_the_settings_exists_and_compares_with_one_that_shows_the_same() -> None:
    assert tuple(CATALOGUE) == get_args(QcFilm)
    for film in CATALOGUE.values():
        if film.same_as:
            assert film.scene == CATALOGUE[film.same_as].scene
            assert film.style != CATALOGUE[film.same_as].style


def test_a_film_is_known_as_one_of_the_test_by_more_than_its_number() -> None:
    small = replace(CATALOGUE["normal"], style=FilmStyle(rows=128, columns=96))
    (image,) = drawn(small, run_id="261125004800", number=3)
    assert (str(image.AccessionNumber), str(image.PatientID)) == ("QC26112500480003", "QC261125004800-03")
    assert facts_of(image).is_of_constancy_test
    image.Manufacturer = "ACME"
    assert not facts_of(image).is_of_constancy_test
    image.Manufacturer, image.PatientID = "cxr-preread project", "DEMO1"
    assert not facts_of(image).is_of_constancy_test


def peer(**values: object) -> dict[str, object]:
    return {"name": str(values["ae_title"]).lower(), "host": "127.0.0.1", "may": ["send"], **values}


def test_the_first_peer_that_may_send_from_this_host_sends() -> None:
    elsewhere, mute = peer(ae_title="FAR", host="192.0.2.7"), peer(ae_title="MUTE", may=["receive"])
    settings = Settings(peers=[elsewhere, mute, peer(ae_title="HERE"), peer(ae_title="ALSO")])
    door = find_door(settings)
    assert (door.ae_title, door.node.host, door.node.port) == ("HERE", "127.0.0.1", 11112)
    assert find_door(settings, "ALSO").ae_title == "ALSO"
    with pytest.raises(Permanent, match=r"no peer may send from this host.*\[\[peers\]\]"):
        find_door(Settings(peers=[elsewhere, mute]))


def test_a_line_that_listens_elsewhere_is_not_sent_to_by_loopback() -> None:
    """The connection would come from another address than the peer's, and be rejected."""
    with pytest.raises(Permanent, match=r"192\.0\.2\.1"):
        find_door(Settings(node={"host": "192.0.2.1"}, peers=[peer(ae_title="HERE")]))
