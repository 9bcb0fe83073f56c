"""How long things are kept."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from agent.settings.types import Frozen, Whole

Days = Annotated[Whole, Field(ge=0, le=36_500)]


class Keeping(Frozen):
    """Days, counted from the last image of a study, or from when an order was last heard of; 0: for ever. Nothing of a study that
    is not finished is let go."""

    images_days: Days = 0
    replies_days: Days = 0
    studies_days: Days = 0
    orders_days: Days = 0
    quarantine_days: Days = 0
    make_room: bool = False

    @model_validator(mode="after")
    def _in_order(self) -> Keeping:
        if self.studies_days and self.images_days > self.studies_days:
            raise ValueError("images_days: images cannot outlive the study that they are of (studies_days)")
        return self
