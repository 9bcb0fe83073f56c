"""Where earlier films of a patient, and orders that no message brought, are asked for."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from agent.settings.types import Frozen, Number, Whole

OWN_STORE = "self"


class _From(Frozen):
    """A table with a key that is a word of Python's."""

    model_config = ConfigDict(serialize_by_alias=True)

    source: Annotated[str, Field(alias="from", pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]{0,63})?$")] = ""


class Priors(_From):
    """Earlier films of the same patient, for the comparison."""

    retrieve: Literal["get", "move"] = "get"
    oldest_days: Annotated[Whole, Field(ge=1, le=36_500)] = 1825
    deadline_s: Annotated[Number, Field(gt=0, le=3600)] = 60.0


class Worklist(_From):
    """Orders from a modality worklist."""

    deadline_s: Annotated[Number, Field(gt=0, le=600)] = 10.0
