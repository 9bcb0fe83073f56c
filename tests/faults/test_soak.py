"""The soak's own eyes: what leaks must be seen to leak, and a box through which studies go is looked at as a whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.plan import ALONE
from tests.faults.soak import Sample, fits, progress, soak, summary
from tests.faults.world import World
from tests.support.site import ROLES


def samples(rss_mb_a_study: float, descriptors_a_study: float) -> list[Sample]:
    return [
        Sample(n, n * 10, 0, "office", 200 + rss_mb_a_study * n * 10, int(20 + descriptors_a_study * n * 10), 9)
        for n in range(100)
    ]


@pytest.mark.parametrize(
    ("memory", "descriptors", "flat"),
    [(0.0, 0.0, (True, True)), (0.05, 0.0, (False, True)), (0.0, 0.1, (True, False)), (-0.05, 0.0, (True, True))],
)
def test_what_grows_with_every_study_is_called_growing(
    memory: float, descriptors: float, flat: tuple[bool, bool]
) -> None:
    rss, count = fits(samples(memory, descriptors))
    assert (rss.what, count.what) == ("rss_mb", "descriptors")
    assert (rss.is_flat, count.is_flat) == flat
    assert rss.per_thousand == pytest.approx(memory * 1000, abs=0.01)


def test_a_few_samples_make_no_verdict() -> None:
    assert fits(samples(0.0, 0.0)[:4]) == []
    assert not summary(samples(0.0, 0.0)[:4], [], 40, 0)["measured"]


def test_studies_go_through_a_box_whose_processes_are_all_looked_at(tmp_path: Path) -> None:
    with World(tmp_path / "world", ALONE, small_disk=False) as world:
        taken, complaints = soak(world, 20, 0, every_s=0.5)
        assert complaints == []
        assert progress(world) == (20, 0)
    assert {s.role for s in taken} == set(ROLES)
    assert all(s.rss_mb > 10 and s.descriptors > 3 for s in taken if s.studies)
