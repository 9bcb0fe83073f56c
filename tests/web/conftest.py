"""The application in this process, over a ledger of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from agent.web.context import WebContext
from agent.web.rights import Role
from tests.support.drafted import Desk
from tests.support.pages import ORIGIN, PASSWORD, Visitors, site_at

__all__ = ["ORIGIN", "PASSWORD"]


@pytest.fixture
def context(tmp_path: Path) -> WebContext:
    """An empty site."""
    return site_at(tmp_path)


@pytest.fixture
def desk(context: WebContext) -> Desk:
    """Puts studies into the site."""
    return Desk(context.ledger, context.files)


@pytest.fixture
def visitor(context: WebContext) -> Visitors:
    """Makes browsers of nobody."""
    return Visitors(context)


@pytest.fixture
def browser(visitor: Visitors) -> Callable[[Role], TestClient]:
    """Makes browsers of somebody who has signed in."""
    return lambda role: visitor.signed_in(role.value, role)
