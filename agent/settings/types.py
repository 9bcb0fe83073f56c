"""What values of settings have in common: frozen models, and types that explain what they refuse."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from agent.settings.values import check_host, check_one_line, check_path, no_truth_for_a_number
from dicom_nodes.roles import check_ae_title


class Frozen(BaseModel):
    """A table of settings: nothing is changed in it, and no key is unknown."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True, allow_inf_nan=False)


def _ae_title(value: str) -> str:
    return check_ae_title(value)


AeTitle = Annotated[str, AfterValidator(_ae_title)]
Whole = Annotated[int, BeforeValidator(no_truth_for_a_number)]
Number = Annotated[float, BeforeValidator(no_truth_for_a_number)]
Port = Annotated[Whole, Field(ge=1, le=65535)]
Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Line = Annotated[str, AfterValidator(check_one_line)]
Host = Annotated[str, BeforeValidator(lambda value: check_host(value) if isinstance(value, str) else value)]
SomePath = Annotated[Path, BeforeValidator(check_path)]
# In a TOML file nothing stands for "none"; empty text does.
OptionalPath = Annotated[Path | None, BeforeValidator(lambda value: None if value == "" else check_path(value))]
