"""How a study gets its order, and what a finished report means for it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from agent.settings.types import Frozen, Number


class Matching(Frozen):
    """Whose the study is and which order it belongs to. docs/identity.md"""

    window_h: Annotated[Number, Field(ge=0, le=168)] = 12.0
    issuer: Annotated[str, Field(max_length=64)] = ""
    hold_without_order: bool = False
    suppress_after_final: bool = True
