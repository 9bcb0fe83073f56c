"""What stands where: nothing is cut off in the longer language, and what belongs side by side is level."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from agent.numbers.count import Counting
from agent.store import listing_rows, schema
from tests.support.browsing import window
from tests.support.open_site import OpenSite
from tests.support.planted_days import plant, realistic

_OUTSIDE = """
() => {
  const within = document.querySelector("#lines").getBoundingClientRect();
  return [...document.querySelectorAll("#lines .chip")].filter((chip) => {
    const box = chip.getBoundingClientRect();
    const cell = chip.closest("td").getBoundingClientRect();
    return box.right > Math.min(within.right, cell.right) + 1 || box.left < cell.left - 1;
  }).map((chip) => chip.textContent);
}
"""
_TOPS = """
() => [...document.querySelectorAll(".charts > figure")].map((one) => {
  const box = one.getBoundingClientRect();
  return [Math.round(box.left), Math.round(box.top)];
})
"""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[OpenSite]:
    made = OpenSite(tmp_path)
    yield made
    made.stop()


@pytest.mark.parametrize("language", ["en-GB", "de-AT"])
def test_no_state_of_a_study_runs_out_of_the_list(chromium: Browser, site: OpenSite, language: str) -> None:
    for number, _ in enumerate(listing_rows.STANDINGS):
        site.arrive(f"1.{number}")
    with site.context.ledger.begin() as tx:
        for number, standing in enumerate(listing_rows.STANDINGS):
            c = schema.listing.c
            tx.execute(schema.listing.update().where(c.study_instance_uid == f"1.{number}").values(standing=standing))
    with window(chromium, site.address, locale=language) as made:
        site.let_in(made)
        page = made.go("/?all=1")
        assert page.locator("#lines .standing .chip").count() == len(listing_rows.STANDINGS)
        assert page.evaluate(_OUTSIDE) == []


def test_charts_beside_one_another_are_level(chromium: Browser, site: OpenSite) -> None:
    now = site.context.clock.now()
    with site.context.ledger.begin() as tx:
        plant(tx, realistic(now - timedelta(days=1), 5, 10))
    counting = Counting(site.context.ledger, site.context.clock, site.context.settings.web.zone)
    while counting.count():
        pass
    with window(chromium, site.address) as made:
        site.let_in(made)
        places = made.go("/numbers").evaluate(_TOPS)
    assert len({left for left, _ in places}) == 2, "two beside one another"
    pairs = list(zip(places[::2], places[1::2], strict=False))
    assert pairs and all(one[1] == other[1] for one, other in pairs)
