"""The line itself: what is taken in, where things lie, how results are delivered, what is written down."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from agent.settings.types import Frozen, Line, Number, SomePath


class Intake(Frozen):
    """When a study is complete, and which images are ours."""

    quiet_time_s: Annotated[Number, Field(ge=0, le=3600)] = 5.0
    longest_wait_s: Annotated[Number, Field(ge=0, le=86400)] = 300.0
    secondary_capture: bool = False
    undeclared_character_set: Literal[
        "", "ISO_IR 100", "ISO_IR 101", "ISO_IR 109", "ISO_IR 110", "ISO_IR 144", "ISO_IR 127", "ISO_IR 126", "ISO_IR 138",
        "ISO_IR 148", "ISO_IR 203", "ISO_IR 13", "ISO_IR 166", "ISO_IR 192", "GB18030", "GBK",
    ] = ""  # fmt: skip


class Storage(Frozen):
    """Where images and documents lie."""

    root: SomePath = Path("preread-data")
    reserve_gb: Annotated[Number, Field(ge=0)] = 2.0


class Delivery(Frozen):
    """How long and how often to try."""

    timeout_s: Annotated[Number, Field(gt=0, le=3600)] = 30.0
    first_retry_s: Annotated[Number, Field(gt=0, le=3600)] = 5.0
    longest_retry_s: Annotated[Number, Field(gt=0, le=86400)] = 600.0
    give_up_after_h: Annotated[Number, Field(gt=0, le=24 * 90)] = 24.0


class Report(Frozen):
    """What stands in the documents about the site."""

    institution_name: Annotated[Line, Field(max_length=64)] = ""
    station_name: Annotated[Line, Field(max_length=16)] = ""
    send_not_analysed: bool = True


class Log(Frozen):
    """What is written to standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
