"""The page of a study."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from agent.web.context import WebContext
from agent.web.rights import Role
from tests.support.drafted import Desk


@pytest.fixture
def desk(context: WebContext) -> Desk:
    return Desk(context.ledger, context.files)


def test_findings_words_and_films_of_a_study_are_on_its_page(desk: Desk, browser: Callable[[Role], TestClient]) -> None:
    drafted = desk.phantom()
    page = browser(Role.RADIOLOGIST).get(f"/studies/{drafted.uid}")
    assert page.status_code == 200
    assert 'id="finding-pleural_effusion"' in page.text
    assert "91 %" in page.text
    assert "The heart is mildly enlarged." in page.text
    for image in drafted.images:
        assert f"/studies/{drafted.uid}/images/{image.SOPInstanceUID}/preview?revision=1" in page.text
