"""What the worklist's page and its script send."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

_MOST_ROWS = 500  # that one page shows, and asks for anew at once
_Text = Annotated[str, Field(max_length=64)]


class Shown(BaseModel):
    """What a page asks about by itself: what has become of these studies."""

    uids: list[_Text] = Field(max_length=_MOST_ROWS)
    wanted: dict[Annotated[str, Field(max_length=16)], _Text] = Field(max_length=20)


class Filled(BaseModel):
    """A form of the page: filters, and what is searched for or how a view is called."""

    text: _Text = ""
    name: _Text = ""
    default: _Text = ""
    standing: _Text = ""
    priority: _Text = ""
    finding: _Text = ""
    scanner: _Text = ""
    since: _Text = ""
    until: _Text = ""
    failing: _Text = ""
    unreviewed: _Text = ""
    trouble: _Text = ""
    waiting: _Text = ""
