"""Where results go over HTTP."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from agent.settings.types import Frozen, Name, OptionalPath, SomePath


def check_url(value: str) -> str:
    """The URL, if results can be sent there. Raises `ValueError` in words for the person who typed it."""
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


class WebDestination(Frozen):
    """What every destination over HTTP has."""

    name: Name
    url: Annotated[str, AfterValidator(check_url), Field(max_length=2000)]
    token_file: OptionalPath = None
    ca_file: OptionalPath = None
    certificate_file: OptionalPath = None
    key_file: OptionalPath = None

    @model_validator(mode="after")
    def _belongs_together(self) -> WebDestination:
        shown = [k for k in ("ca_file", "certificate_file", "key_file") if getattr(self, k) is not None]
        if shown and not self.url.lower().startswith("https:"):
            raise ValueError(f"{', '.join(shown)}: the url is not https, so no certificate is ever looked at")
        if self.key_file is not None and self.certificate_file is None:
            raise ValueError("key_file: there is no certificate_file that it belongs to")
        return self


class StowDestinationSettings(WebDestination):
    """DICOM documents by STOW-RS."""

    type: Literal["stow"]


class WebhookDestinationSettings(WebDestination):
    """The result as JSON, signed."""

    type: Literal["webhook"]
    secret_file: SomePath


WEB_FILES = ("token_file", "ca_file", "certificate_file", "key_file", "secret_file")
