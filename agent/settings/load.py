"""Finding, reading and checking the settings file."""

from __future__ import annotations

import hashlib
import os
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from agent.errors import SettingsError
from agent.model.weights import COMMISSIONING, shipped_weights
from agent.settings.database import SQLITE, Database, check_database_url, has_password, with_password
from agent.settings.network import (
    DESTINATION_KINDS,
    DestinationSettings,
    FolderDestinationSettings,
    Hl7DestinationSettings,
)
from agent.settings.settings import Settings
from agent.settings.types import Frozen
from agent.settings.values import in_the_way, kind_of
from agent.settings.web import WEB_FILES
from agent.settings.words import ENV_PREFIX, environment_words, explain, limit_of, place_of, source_of

_Named = TypeVar("_Named", bound=Frozen)
SEARCH_PATH = (Path("settings.toml"), Path("/etc/preread/settings.toml"))
# Variables of ours that are not settings.
_ENV_NOT_SETTINGS = {"PREREAD_SETTINGS"}


def find(path: Path | None = None) -> Path:
    """The settings file to use: the one given, else `PREREAD_SETTINGS`, else ./settings.toml, else
    /etc/preread/settings.toml.

    Raises:
        SettingsError: the file does not exist.
    """
    given = path or (Path(os.environ["PREREAD_SETTINGS"]) if os.environ.get("PREREAD_SETTINGS") else None)
    if given is not None:
        _must_be_a_file(given)
        return given
    for candidate in SEARCH_PATH:
        if candidate.is_file():
            return candidate
    places = " or ".join(str(p) for p in SEARCH_PATH)
    raise SettingsError(f"no settings file: expected {places}, or name one with --settings", code="settings-missing")


def _must_be_a_file(given: Path) -> None:
    kind = kind_of(given)
    if kind == "nothing":
        raise SettingsError(f"{given}: there is no such settings file", code="settings-missing")
    if kind == "folder":
        inside = given / "settings.toml"
        hint = f"; did you mean {inside}?" if kind_of(inside) == "other" else "; name the settings file itself"
        raise SettingsError(f"{given}: is a folder{hint}", code="settings-missing")


@dataclass(frozen=True, slots=True)
class SettingsFile:
    """Settings as they were read. `digest`: sha256 of the file's bytes."""

    path: Path
    digest: str
    settings: Settings


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing that is wrong.

    Attributes:
        place: the keys and numbers that lead to it, empty where it is between several.
        kind: pydantic's name of the mistake; empty for one that pydantic does not know.
        limit: what is at most or at least allowed, where that was passed.
    """

    place: tuple[str | int, ...]
    words: str
    kind: str = ""
    limit: str = ""


class InvalidSettings(SettingsError):
    """The file can be read, and says what is not allowed; the message has every mistake, one a line."""

    def __init__(self, message: str, mistakes: Sequence[Mistake]) -> None:
        super().__init__(message, code="settings-invalid")
        self.mistakes = tuple(mistakes)


def load(path: Path | None = None) -> Settings:
    """Read and check the settings. Relative paths in the file are relative to the file.

    Raises:
        SettingsError: every mistake, one a line: file, key, what is allowed.
    """
    return read(path).settings


def read(path: Path | None = None) -> SettingsFile:
    """The same, with the file that was found and what it held at that moment."""
    file = find(path)
    try:
        content = file.read_bytes()
    except OSError as error:
        raise SettingsError(f"{file}: cannot be read ({error.strerror})", code="settings-unreadable") from error
    return SettingsFile(file, digest_of(content), checked(content, file))


def digest_of(content: bytes) -> str:
    """By what one state of the file is told from another."""
    return hashlib.sha256(content).hexdigest()


def checked(content: bytes, file: Path) -> Settings:
    """What these bytes would be as that file, the environment on top of them.

    Raises:
        SettingsError: as :func:`load`.
    """
    try:
        values = tomllib.loads(content.decode("utf-8-sig"))  # editors on Windows write a mark first
    except UnicodeDecodeError as error:
        raise SettingsError(f"{file}: is not UTF-8 text (byte {error.start})", code="settings-unreadable") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{file}: is not valid TOML: {error}", code="settings-syntax") from error
    stray = _unknown_environment()
    try:
        settings = Settings(**values)
    except ValidationError as error:
        found = [
            Mistake(place_of(p, DESTINATION_KINDS), explain(p, Settings, DESTINATION_KINDS), p["type"], limit_of(p))
            for p in error.errors()
        ]
        lines = [f"{source_of(file, p)}: {m.words}" for p, m in zip(error.errors(), found, strict=True)] + stray
        raise InvalidSettings("\n".join(lines), found) from error
    except Exception as error:  # pydantic-settings wraps unparsable environment JSON in an error type of its own
        raise SettingsError(environment_words(error), code="settings-invalid") from error
    if stray:
        raise SettingsError("\n".join(stray), code="settings-invalid")
    settings = _absolute(settings, file.resolve().parent)
    if problems := _misplaced(settings):
        lines = [f"{file}: {words}" for words in problems]
        raise InvalidSettings("\n".join(lines), [Mistake((), words) for words in problems])
    return settings


def _misplaced(settings: Settings) -> list[str]:
    """Paths that cannot be what they are for, as this machine's disk stands."""
    problems, root = [], settings.storage.root
    if (blocked := in_the_way(root)) is not None:
        problems.append(f"storage.root: {root} must be a folder, and {blocked} is a file")
    database = Path(settings.database_url.removeprefix(SQLITE))
    if not settings.database.on_a_server and kind_of(database) == "folder":
        problems.append(f"database.url: {database} is a folder; name a file, for example {database / 'preread.db'}")
    for number, destination in enumerate(settings.destinations):
        if not isinstance(destination, FolderDestinationSettings):
            continue
        place = os.path.normpath(destination.path)
        if Path(place).is_relative_to(os.path.normpath(root)):
            problems.append(
                f"destinations[{number}] ({destination.name}).path: {destination.path} lies inside storage.root, "
                "which is the program's own; name a folder outside it"
            )
    return problems


def _absolute(settings: Settings, base: Path) -> Settings:
    """Relative paths mean: relative to the settings file, so that a service started from / finds the same folders."""
    storage = settings.storage.model_copy(update={"root": (base / settings.storage.root.expanduser())})
    destinations = tuple(_placed(d, base) for d in settings.destinations)
    model = settings.model
    beside = base / Path(model.weights).expanduser()
    if model.weights == COMMISSIONING:
        model = model.model_copy(update={"weights": str(shipped_weights())})
    elif model.weights.startswith((".", "~", "/")) or beside.is_dir():
        model = model.model_copy(update={"weights": str(beside)})
    files = {key: getattr(model, key) for key in ("api_key_file", "ca_file", "recordings")}
    placed: dict[str, object] = {key: base / file.expanduser() for key, file in files.items() if file is not None}
    if model.protocol.endswith(".toml"):
        placed["protocol"] = str(base / Path(model.protocol).expanduser())
    model = model.model_copy(update=placed)
    database = _with_secrets(settings.database, base)
    triage = settings.triage.model_copy(
        update={
            key: base / path.expanduser()
            for key in ("rules", "calibration")
            if (path := getattr(settings.triage, key)) is not None
        }
    )
    orders = settings.orders
    if orders.tls is not None:
        orders = orders.model_copy(update={"tls": orders.tls.beside(base)})
    services = tuple(_beside(service, base) for service in settings.dicomweb)
    own = settings.node.tls
    node = settings.node if own is None else settings.node.model_copy(update={"tls": own.beside(base)})
    audit = settings.audit
    if audit.syslog is not None:
        syslog = audit.syslog.model_copy(update={"tls": audit.syslog.tls.beside(base)})
        audit = audit.model_copy(update={"syslog": syslog})
    changed = {
        "triage": triage, "storage": storage, "destinations": destinations, "dicomweb": services, "model": model,
        "database": database, "node": node, "audit": audit, "orders": orders, "web": settings.web.beside(base),
        "alarms": settings.alarms.beside(base),
    }  # fmt: skip
    return settings.model_copy(update=changed)


def _placed(destination: DestinationSettings, base: Path) -> DestinationSettings:
    """With every file and folder that it names in its place."""
    if isinstance(destination, Hl7DestinationSettings) and destination.tls is not None:
        return destination.model_copy(update={"tls": destination.tls.beside(base)})
    return _beside(destination, base)


def _beside(named: _Named, base: Path) -> _Named:
    keys = [k for k in ("path", *WEB_FILES) if isinstance(getattr(named, k, None), Path)]
    return named.model_copy(update={k: base / getattr(named, k).expanduser() for k in keys})


def _with_secrets(database: Database, base: Path) -> Database:
    """With `url` from `url_file` and its password from `password_file`. Raises `SettingsError` for a file that cannot be read
    or holds nothing usable."""
    if database.url_file is not None:
        if database.url:
            raise SettingsError("database: url and url_file are both given; give one of them", code="settings-invalid")
        file, url = _secret(base, database.url_file, "url_file")
        try:
            check_database_url(url)
        except ValueError as error:
            raise SettingsError(f"database.url_file: what {file} holds {error}", code="settings-invalid") from error
        database = database.model_copy(update={"url": url, "url_file": file})
    if database.password_file is not None:
        return _with_password(database, *_secret(base, database.password_file, "password_file"))
    if database.url and not database.on_a_server:
        path = base / Path(database.url.removeprefix(SQLITE)).expanduser()
        database = database.model_copy(update={"url": f"{SQLITE}{path}"})
    return database


def _with_password(database: Database, file: Path, password: str) -> Database:
    wrong = ""
    if not database.on_a_server:
        wrong = "is for a PostgreSQL server, and the settings name none; leave it out"
    elif has_password(database.url):
        wrong = "is given, and database.url holds a password, too; take it out of the URL"
    elif not password or "\n" in password:
        wrong = f"must name a file with one line; {file} holds {'none' if not password else 'more'}"
    if wrong:
        raise SettingsError(f"database.password_file: {wrong}", code="settings-invalid")
    return database.model_copy(update={"url": with_password(database.url, password), "password_file": file})


def _secret(base: Path, named: Path, key: str) -> tuple[Path, str]:
    file = base / named.expanduser()
    try:
        return file, file.read_text(encoding="utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        words = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise SettingsError(f"database.{key}: {file} cannot be read ({words})", code="secret-unreadable") from error


def _unknown_environment() -> list[str]:
    sections = {name: field.annotation for name, field in Settings.model_fields.items()}
    problems = []
    for variable in sorted(os.environ):
        if not variable.startswith(ENV_PREFIX) or variable in _ENV_NOT_SETTINGS:
            continue
        section, _, key = variable[len(ENV_PREFIX) :].lower().partition("__")
        model = sections.get(section)
        fields = getattr(model, "model_fields", {})
        names = {field.alias or name for name, field in fields.items()}
        known = model is not None and (not key or key.split("__")[0] in names)
        if not known:
            problems.append(f"environment variable {variable}: there is no such setting")
    return problems
