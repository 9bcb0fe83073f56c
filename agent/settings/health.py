"""How the line is watched: the web server of the office, and who is told when something is wrong."""

from __future__ import annotations

from datetime import tzinfo
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from agent.settings.signing import Oidc
from agent.settings.types import Frozen, Host, Line, Name, Number, OptionalPath, Port, Whole
from agent.settings.values import LOOPBACK, check_link, check_networks
from agent.settings.web import WEB_FILES, WebService, check_url

Address = Annotated[str, Field(max_length=254, pattern=r"^[^\s@<>,;\"]+@[^\s@<>,;\"]+$")]
_USUAL_PORTS = {"starttls": 587, "tls": 465, "none": 25}  # RFC 6409, RFC 8314, RFC 5321


def _known_zone(value: str) -> str:
    if value:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(
                f'"{value}" is no time zone this machine knows; write one such as "Europe/Vienna"'
            ) from error
    return value


def _own_url(value: str) -> str:
    return check_url(value).rstrip("/") if value else value


def _link(value: str) -> str:
    return check_link(value) if value else value


class Web(Frozen):
    """The web server that the office runs."""

    enabled: bool = True
    host: Host = "127.0.0.1"
    port: Port = 8117
    token_file: OptionalPath = None
    language: Literal["en", "de"] = "en"
    time_zone: Annotated[Line, AfterValidator(_known_zone)] = ""
    idle_min: Annotated[Number, Field(ge=1, le=1440)] = 60.0
    longest_h: Annotated[Number, Field(ge=0.1, le=168)] = 12.0
    url: Annotated[str, AfterValidator(_own_url), Field(max_length=2000)] = ""
    proxies: Annotated[tuple[str, ...], AfterValidator(check_networks)] = ()
    certificate_file: OptionalPath = None
    key_file: OptionalPath = None
    oidc: Oidc | None = None
    pacs_link: Annotated[str, AfterValidator(_link), Field(max_length=2000)] = ""

    @model_validator(mode="after")
    def _belongs_together(self) -> Web:
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("certificate_file and key_file belong together; give both of them, or neither")
        if self.certificate_file is not None and self.url and not self.is_https_url:
            raise ValueError("url: with a certificate_file this server speaks HTTPS; the url must begin with https://")
        if self.url and urlsplit(self.url).path:
            raise ValueError("url: must be scheme, host and perhaps port; the pages have no path before them")
        if self.oidc is not None and not self.url and not self.is_local:
            raise ValueError("url: is needed with [web.oidc]: the provider sends people back there")
        return self

    @property
    def is_local(self) -> bool:
        """Whether nobody beyond this machine can call."""
        return self.host.lower() in LOOPBACK

    @property
    def zone(self) -> tzinfo | None:
        """What times are shown in; None is the zone of this machine."""
        return ZoneInfo(self.time_zone) if self.time_zone else None

    @property
    def is_https_url(self) -> bool:
        """Whether the address that people know is one of HTTPS."""
        return self.url.lower().startswith("https:")

    @property
    def is_https(self) -> bool:
        """Whether browsers come by HTTPS: to this server itself, or through a proxy of the site."""
        return self.certificate_file is not None or self.is_https_url

    @property
    def is_private(self) -> bool:
        """Whether what people say to the pages crosses no network in the clear."""
        return self.is_local or self.is_https

    @property
    def address(self) -> str:
        """Scheme, host and port by which people come; nothing after them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.url or f"{'https' if self.certificate_file else 'http'}://{host}:{self.port}"

    def beside(self, base: Path) -> Web:
        """With relative paths meaning: relative to that folder."""
        placed: dict[str, object] = dict(_placed(self, base, ("token_file", "certificate_file", "key_file")))
        if self.oidc is not None:
            placed["oidc"] = self.oidc.beside(base)
        return self.model_copy(update=placed)


class AlarmWebhook(WebService):
    """A program that is told, by signed POST."""

    name: Name = "webhook"
    secret_file: Path


class AlarmMail(Frozen):
    """A mail server that is told, and whom it writes to.

    `from` is a word of Python's, so the field has another name. Without TLS only the machine's own mail server is spoken to.
    """

    model_config = ConfigDict(serialize_by_alias=True)

    host: Host
    port: Port | None = None
    security: Literal["starttls", "tls", "none"] = "starttls"
    ca_file: OptionalPath = None
    user: Annotated[Line, Field(max_length=254)] = ""
    password_file: OptionalPath = None
    sender: Annotated[Address, Field(alias="from")]
    to: Annotated[tuple[Address, ...], Field(min_length=1, max_length=32)]

    @property
    def port_in_use(self) -> int:
        """The port, or the usual one of that security."""
        return self.port or _USUAL_PORTS[self.security]

    @model_validator(mode="after")
    def _belongs_together(self) -> AlarmMail:
        if bool(self.user) != (self.password_file is not None):
            raise ValueError("user and password_file belong together; give both of them, or neither")
        if self.security == "none" and self.host.lower() not in LOOPBACK:
            raise ValueError(
                'security: "none" is for a mail server on this machine; anywhere else use "starttls" or "tls"'
            )
        if self.security == "none" and (self.user or self.ca_file):
            raise ValueError('security: with "none" no certificate is looked at, and no password is sent')
        return self


class Alarms(Frozen):
    """What is an alarm, and who is told."""

    look_every_s: Annotated[Number, Field(ge=1, le=3600)] = 15.0
    standing_min: Annotated[Number, Field(gt=0, le=1440)] = 15.0
    loading_min: Annotated[Number, Field(gt=0, le=1440)] = 10.0
    certificate_days: Annotated[Whole, Field(ge=1, le=365)] = 30
    webhook: AlarmWebhook | None = None
    mail: AlarmMail | None = None

    def beside(self, base: Path) -> Alarms:
        """With relative paths meaning: relative to that folder."""
        changed: dict[str, object] = {}
        if self.webhook is not None:
            changed["webhook"] = self.webhook.model_copy(update=_placed(self.webhook, base, WEB_FILES))
        if self.mail is not None:
            changed["mail"] = self.mail.model_copy(update=_placed(self.mail, base, ("ca_file", "password_file")))
        return self.model_copy(update=changed)


def _placed(table: Frozen, base: Path, keys: tuple[str, ...]) -> dict[str, Path]:
    return {key: base / path.expanduser() for key in keys if (path := getattr(table, key)) is not None}
