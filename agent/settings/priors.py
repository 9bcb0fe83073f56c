"""Where earlier films of a patient, and orders that no message brought, are asked for."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from agent.settings.types import Frozen, Name, Number, OptionalPath, Whole

OWN_STORE = "self"


def check_service_url(value: str) -> str:
    """The URL, if it is one of a DICOMweb service. Raises `ValueError` in words for the person who typed it."""
    parts = urlsplit(value)
    try:
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:  # a port that is none
        usable = False
    if not usable or parts.query or parts.fragment or any(c.isspace() or not c.isprintable() for c in value):
        raise ValueError('must be http or https, a host, and at most a path, for example "https://pacs/dicom-web"')
    if "@" in parts.netloc:
        raise ValueError("must not hold a user or a password; a token belongs in the file that token_file names")
    return value


class DicomwebSettings(Frozen):
    """A DICOMweb service that may be asked what a patient has."""

    name: Name
    url: Annotated[str, AfterValidator(check_service_url)]
    ca_file: OptionalPath = None
    certificate_file: OptionalPath = None
    key_file: OptionalPath = None
    token_file: OptionalPath = None

    @model_validator(mode="after")
    def _belongs_together(self) -> DicomwebSettings:
        shown = [k for k in ("ca_file", "certificate_file", "key_file") if getattr(self, k) is not None]
        if shown and not self.url.lower().startswith("https:"):
            raise ValueError(f"{', '.join(shown)}: the url is not https, so no certificate is ever looked at")
        if self.key_file is not None and self.certificate_file is None:
            raise ValueError("key_file: there is no certificate_file that it belongs to")
        return self


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
