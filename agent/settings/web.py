"""Web services: where results go, and where earlier films are asked for."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from agent.settings.beside import Beside
from agent.settings.types import Frozen, Name, OptionalPath, SomePath
from agent.settings.values import check_http_url


def check_url(value: str) -> str:
    """The URL, if a DICOMweb service or a program can be asked there. Raises `ValueError` in words for the person who typed it."""
    return check_http_url(
        value, example="https://pacs/dicom-web", instead="a token belongs in the file that token_file names"
    )


class WebService(Frozen):
    """What every service over HTTP has."""

    name: Name
    url: Annotated[str, AfterValidator(check_url), Field(max_length=2000)]
    token_file: OptionalPath = None
    ca_file: OptionalPath = None
    certificate_file: OptionalPath = None
    key_file: OptionalPath = None

    @model_validator(mode="after")
    def _belongs_together(self) -> WebService:
        shown = [k for k in ("ca_file", "certificate_file", "key_file") if getattr(self, k) is not None]
        if shown and not self.url.lower().startswith("https:"):
            raise ValueError(f"{', '.join(shown)}: the url is not https, so no certificate is ever looked at")
        if self.key_file is not None and self.certificate_file is None:
            raise ValueError("key_file: there is no certificate_file that it belongs to")
        return self


class StowDestinationSettings(WebService, Beside):
    """DICOM documents by STOW-RS."""

    type: Literal["stow"]


class WebhookDestinationSettings(WebService):
    """The result as JSON, signed."""

    type: Literal["webhook"]
    secret_file: SomePath


class DicomwebSettings(WebService):
    """A DICOMweb service that may be asked what a patient has."""


WEB_FILES = ("token_file", "ca_file", "certificate_file", "key_file", "secret_file")
