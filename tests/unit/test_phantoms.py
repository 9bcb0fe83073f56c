"""Drawn films: the truth that is planted is the truth that can be seen, at any size, and never mirrored."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.commissioning import phantom
from agent.commissioning.phantom import Box, Plant, Scene, draw, random_pair, random_scene
from agent.commissioning.pictures import LEAST_CELLS, MOST_CELLS, fitted, model_size
from agent.commissioning.scene import CHANGING, KINDS, SIDED
from agent.commissioning.unlike import unlike

seeds = st.integers(0, 2**40)
SIZE = (256, 210)


def side_of(kind: str) -> str:
    return "right" if kind in SIDED else "bilateral" if kind == "pulmonary_edema" else ""


def mean_in(density: np.ndarray, box: Box) -> float:
    rows, columns = density.shape
    x0, x1 = int(box.x0 * columns), max(int(box.x1 * columns), int(box.x0 * columns) + 1)
    y0, y1 = int(box.y0 * rows), max(int(box.y1 * rows), int(box.y0 * rows) + 1)
    return float(density[y0:y1, x0:x1].mean())


def test_the_same_scene_gives_the_same_film() -> None:
    scene = Scene(4, (Plant("pneumothorax", "left", 0.5),))
    before = draw(scene, *SIZE)
    phantom._drawn.cache_clear()
    assert draw(scene, *SIZE) is not before
    assert np.array_equal(draw(scene, *SIZE).density, before.density)
    assert not np.array_equal(draw(scene, *SIZE).density, draw(Scene(5, scene.plants), *SIZE).density)


@settings(max_examples=25, deadline=None)
@given(seeds, st.sampled_from([(200, 164), (256, 210), (256, 256), (210, 256), (300, 190)]))
def test_a_film_is_a_picture_and_its_boxes_lie_in_it(seed: int, size: tuple[int, int]) -> None:
    drawing = draw(random_scene(np.random.default_rng(seed)), *size)
    assert drawing.density.shape == size
    assert drawing.density.dtype == np.float32
    assert 0 <= drawing.density.min() < 0.2 < 0.6 < drawing.density.max() <= 1
    for box in drawing.boxes:
        assert 0 <= box.x0 < box.x1 <= 1
        assert 0 <= box.y0 < box.y1 <= 1


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_every_planted_finding_has_its_boxes(seed: int) -> None:
    scene = random_scene(np.random.default_rng(seed))
    got = sorted((b.kind, b.side) for b in draw(scene, 360, 300).boxes)
    assert got == sorted((p.kind, side) for p in scene.plants for side in p.sides)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [0.1, 1.0])
def test_a_finding_changes_the_film_where_its_box_is(kind: str, size: float) -> None:
    plant = Plant(kind, side_of(kind), size)
    for seed in range(4):
        with_it, without = draw(Scene(seed, (plant,)), *SIZE), draw(Scene(seed), *SIZE)
        change = np.abs(with_it.density - without.density)
        inside = np.mean([mean_in(change, box) for box in with_it.boxes])
        assert change.max() > 0.04, "it can be seen"
        assert inside > 1.5 * change.mean(), "it is where the box is"


@pytest.mark.parametrize("kind", [k for k in SIDED if k != "central_line"])
@pytest.mark.parametrize("side", ["left", "right"])
def test_the_patients_left_is_on_the_pictures_right(kind: str, side: str) -> None:
    for seed in range(5):
        (box,) = draw(Scene(seed, (Plant(kind, side, 0.6),), "AP" if seed % 2 else "PA"), *SIZE).boxes
        middle = (box.x0 + box.x1) / 2
        assert (middle > 0.5) == (side == "left")


@pytest.mark.parametrize("view", ["PA", "AP"])
def test_the_heart_points_to_the_patients_left(view: str) -> None:
    for seed in range(6):
        box = next(b for b in draw(Scene(seed, (Plant("cardiomegaly", "", 0.5),), view), *SIZE).boxes)
        assert box.x1 - 0.5 > 0.5 - box.x0


def test_boxes_do_not_depend_on_the_number_of_pixels() -> None:
    rng = np.random.default_rng(2)
    for _ in range(6):
        scene = random_scene(rng, normal_share=0)
        small, large = draw(scene, 400, 328).boxes, draw(scene, 800, 656).boxes
        for a, b in zip(small, large, strict=True):
            assert (a.kind, a.side) == (b.kind, b.side)
            assert max(abs(a.x0 - b.x0), abs(a.y0 - b.y0), abs(a.x1 - b.x1), abs(a.y1 - b.y1)) < 0.012


def test_a_film_made_smaller_looks_like_one_drawn_small() -> None:
    scene = Scene(8, (Plant("pleural_effusion", "left", 0.5),))
    large, small = draw(scene, 512, 416).density, draw(scene, 256, 208).density
    halved = large.reshape(256, 2, 208, 2).mean((1, 3))
    assert np.abs(halved - small).mean() < 0.02


def test_a_larger_finding_has_a_larger_box() -> None:
    for kind in ("pneumothorax", "pleural_effusion", "consolidation", "nodule", "cardiomegaly"):
        areas = []
        for size in (0.15, 0.5, 0.9):
            box = draw(Scene(3, (Plant(kind, side_of(kind), size),)), 400, 328).boxes[0]
            areas.append((box.x1 - box.x0) * (box.y1 - box.y0))
        assert areas == sorted(areas)
        assert areas[0] < areas[-1]


def test_what_cannot_be_is_refused() -> None:
    for kind, side, size in (
        ("hernia", "left", 0.5),
        ("pneumothorax", "", 0.5),
        ("cardiomegaly", "left", 0.5),
        ("nodule", "left", 1.5),
        ("pulmonary_edema", "left", 0.5),
    ):
        with pytest.raises(ValueError, match=r"not|cannot"):
            Plant(kind, side, size)
    with pytest.raises(ValueError, match="at most once"):
        Scene(1, (Plant("nodule", "left", 0.2), Plant("nodule", "right", 0.2)))
    with pytest.raises(ValueError, match="PA, AP, LL"):
        Scene(1, (), "RL")


@settings(max_examples=60, deadline=None)
@given(seeds)
def test_films_of_a_pair_are_of_one_patient_and_change_as_they_say(seed: int) -> None:
    before, now, course = random_pair(np.random.default_rng(seed))
    assert before.patient == now.patient is not None
    assert before.seed != now.seed
    for kind in CHANGING:
        a, b = before.plant(kind), now.plant(kind)
        change = (b.size if b else 0) - (a.size if a else 0)
        if a and b:
            assert a.side == b.side
        if a or b:
            assert {"worsening": change >= 0.1, "improving": change <= -0.1, "stable": abs(change) < 0.05}[course]


def test_a_good_part_of_films_is_normal() -> None:
    rng = np.random.default_rng(0)
    scenes = [random_scene(rng) for _ in range(2000)]
    assert 0.36 < np.mean([not s.plants for s in scenes]) < 0.44
    assert {p.kind for s in scenes for p in s.plants} == set(KINDS)


def test_other_pictures_are_pictures() -> None:
    rng = np.random.default_rng(1)
    for _ in range(40):
        picture = unlike(rng, 120, 100)
        assert picture.shape == (120, 100)
        assert picture.dtype == np.float32
        assert 0 <= picture.min() <= picture.max() <= 1


@settings(max_examples=200)
@given(st.integers(64, 4000), st.integers(64, 4000))
def test_the_model_sees_a_picture_of_whole_cells(rows: int, columns: int) -> None:
    if max(rows, columns) > 4 * min(rows, columns):
        return
    high, wide = model_size(rows, columns)
    assert high % 28 == wide % 28 == 0
    assert LEAST_CELLS <= high * wide // 784 <= MOST_CELLS


def test_a_picture_is_resized_as_the_image_processor_does_it() -> None:
    from PIL import Image

    from agent.commissioning.network import make_processor

    for rows, columns in ((512, 420), (300, 300), (224, 224), (400, 610)):
        picture = (draw(Scene(1), rows, columns).density * 255).astype(np.uint8)
        grid = make_processor()(images=[Image.fromarray(picture).convert("RGB")], return_tensors="np")["image_grid_thw"]
        assert tuple(14 * int(n) for n in grid[0][1:]) == fitted(picture).shape
