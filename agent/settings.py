"""Frozen, typed settings from `settings.toml`, the environment and secret files.

Order of precedence: environment variables (``PREREAD_NODE__PORT=104``), then the file, then the defaults below.
Unknown keys and unknown ``PREREAD_`` variables are refused with their path, because a misspelt setting that is
silently ignored is found on the day it matters.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Annotated, Literal, get_args
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from agent.errors import Permanent, SettingsError
from agent.model.weights import COMMISSIONING, shipped_weights
from agent.settings_values import (
    check_home,
    check_host,
    check_one_line,
    check_path,
    in_the_way,
    kind_of,
    no_truth_for_a_number,
    same_place,
)
from agent.settings_words import ENV_PREFIX, environment_words, explain, source_of
from dicom_nodes.roles import Peer, check_ae_title
from structured_report.vocabulary import vocabulary

SEARCH_PATH = (Path("settings.toml"), Path("/etc/preread/settings.toml"))
# Variables of ours that are not settings.
_ENV_NOT_SETTINGS = {"PREREAD_SETTINGS"}


class _Frozen(BaseModel):
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


class Node(_Frozen):
    """This node on the DICOM network."""

    ae_title: AeTitle = "PREREAD"
    host: Host = "0.0.0.0"  # noqa: S104  a PACS must be able to reach it; who may send is decided by `peers`
    port: Port = 11112
    max_associations: Annotated[Whole, Field(ge=1, le=256)] = 16
    network_timeout_s: Annotated[Number, Field(gt=0, le=3600)] = 60.0


class PeerSettings(_Frozen):
    """Another DICOM node and what it may do here."""

    name: Name
    ae_title: AeTitle
    host: Host
    port: Port = 104
    may: frozenset[Literal["send", "receive", "query"]] = frozenset()

    def peer(self) -> Peer:
        return Peer(name=self.name, ae_title=self.ae_title, host=self.host, port=self.port, may=frozenset(self.may))


class DicomDestinationSettings(_Frozen):
    """Structured Reports by C-STORE to a peer."""

    name: Name
    type: Literal["dicom"]
    peer: Name


class Hl7DestinationSettings(_Frozen):
    """ORU^R01 by MLLP."""

    name: Name
    type: Literal["hl7"]
    host: Host
    port: Port
    receiving_application: Annotated[Line, Field(max_length=180)] = "RIS"
    receiving_facility: Annotated[Line, Field(max_length=180)] = ""
    sending_application: Annotated[Line, Field(max_length=180)] = "PREREAD"
    sending_facility: Annotated[Line, Field(max_length=180)] = "RADIOLOGY"
    # R = stored, not verified. With P some archives mark the result as verified, so P is a decision of the site. F
    # does not exist here.
    result_status: Literal["R", "P"] = "R"
    send_flag: bool = False


class FolderDestinationSettings(_Frozen):
    """Every document as a file."""

    name: Name
    type: Literal["folder"]
    path: SomePath


DestinationSettings = Annotated[
    DicomDestinationSettings | Hl7DestinationSettings | FolderDestinationSettings, Field(discriminator="type")
]

DESTINATION_KINDS = {
    "dicom": DicomDestinationSettings,
    "hl7": Hl7DestinationSettings,
    "folder": FolderDestinationSettings,
}


class Intake(_Frozen):
    """When a study is complete, and which images are ours."""

    quiet_time_s: Annotated[Number, Field(ge=0, le=3600)] = 5.0
    longest_wait_s: Annotated[Number, Field(ge=0, le=86400)] = 300.0
    secondary_capture: bool = False


class Storage(_Frozen):
    """Where images and documents lie."""

    root: SomePath = Path("preread-data")
    reserve_gb: Annotated[Number, Field(ge=0)] = 2.0


_SQLITE = "sqlite:///"


def check_database_url(value: str) -> str:
    """The URL, if the ledger can be kept there. Raises `ValueError` in words for the person who typed it."""
    if value and (not value.startswith(_SQLITE) or value == _SQLITE):
        raise ValueError(
            'must be empty (a file in storage.root) or "sqlite:///PATH": this version keeps its ledger in SQLite only'
        )
    check_home(check_one_line(value).removeprefix(_SQLITE))
    return value


class Database(_Frozen):
    """The ledger."""

    url: str = ""
    url_file: Annotated[Path | None, BeforeValidator(check_path)] = None

    @field_validator("url")
    @classmethod
    def _sqlite_only(cls, value: str) -> str:
        return check_database_url(value)


def check_base_url(value: str) -> str:
    """The URL, if a model server can be asked there. Raises `ValueError` in words for the person who typed it."""
    parts = urlsplit(value)
    try:
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:  # a port that is none
        usable = False
    if not usable or parts.query or parts.fragment or any(c.isspace() or not c.isprintable() for c in value):
        raise ValueError('must be http or https, a host, and at most a path, for example "http://gpu-1:8000/v1"')
    if "@" in parts.netloc:
        raise ValueError("must not hold a user or a password; a key belongs in the file that api_key_file names")
    return value


class ModelSettings(_Frozen):
    """The model that reads."""

    backend: Literal["local", "served", "recorded"] = "local"
    weights: Annotated[Line, AfterValidator(check_home), Field(min_length=1)] = "StanfordAIMI/CheXOne"
    quantization: Literal["nf4", "int8", "none"] = "nf4"
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?)$")] = "auto"
    base_urls: tuple[Annotated[str, AfterValidator(check_base_url)], ...] = ()
    served_model: Annotated[Line, Field(max_length=256)] = ""
    api_key_file: OptionalPath = None
    ca_file: OptionalPath = None
    served_for_commissioning: bool = False
    recordings: OptionalPath = None
    deadline_s: Annotated[Number, Field(gt=0, le=86400)] = 600.0
    load_deadline_s: Annotated[Number, Field(gt=0, le=86400)] = 1800.0
    attempts: Annotated[Whole, Field(ge=1, le=20)] = 3
    max_new_tokens: Annotated[Whole, Field(ge=16, le=8192)] = 1024
    protocol: Annotated[Line, AfterValidator(check_home), Field(min_length=1)] = "chexone"
    commissioning_on_patients: bool = False

    @model_validator(mode="after")
    def _belongs_together(self) -> ModelSettings:
        if self.backend == "served" and not self.base_urls:
            raise ValueError('backend "served" needs base_urls, for example base_urls = ["http://gpu-1:8000/v1"]')
        if self.backend != "served":
            keys = ("base_urls", "served_model", "api_key_file", "ca_file", "served_for_commissioning")
            if odd := [k for k in keys if getattr(self, k)]:
                raise ValueError(f'{", ".join(odd)}: only for backend "served", and the backend is "{self.backend}"')
        bare = [u.rstrip("/").removesuffix("/v1").rstrip("/").lower() for u in self.base_urls]
        if len(set(bare)) < len(bare):
            raise ValueError("base_urls: the same server is named twice")
        if self.ca_file is not None and not any(u.lower().startswith("https:") for u in self.base_urls):
            raise ValueError("ca_file: none of the base_urls is https, so no certificate is ever looked at")
        if self.backend == "recorded" and self.recordings is None:
            raise ValueError('backend "recorded" needs recordings, the folder that holds the replies')
        return self


class Triage(_Frozen):
    """What is asked first, and what makes a study urgent."""

    findings: Annotated[tuple[str, ...], Field(min_length=1, max_length=32)] = (
        "pneumothorax", "pleural_effusion", "consolidation", "pulmonary_edema", "cardiomegaly", "atelectasis", "pneumonia",
        "lung_opacity", "nodule", "mass", "fracture", "pneumomediastinum", "endotracheal_tube", "central_line",
    )  # fmt: skip
    rules: Annotated[Path | None, BeforeValidator(check_path)] = None
    calibration: Annotated[Path | None, BeforeValidator(check_path)] = None
    longest_wait_min: Annotated[Number, Field(ge=0, le=10_000)] = 60.0

    @field_validator("findings")
    @classmethod
    def _in_the_vocabulary(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if name not in vocabulary():
                raise ValueError(f'"{name}" is not a finding of the vocabulary; known: {", ".join(vocabulary())}')
        if len(set(value)) != len(value):
            raise ValueError("a finding is named twice")
        return value


class Gate(_Frozen):
    """Which images the model may read at all."""

    youngest_years: Annotated[Whole, Field(ge=0, le=130)] = 18
    oldest_years: Annotated[Whole, Field(ge=0, le=130)] = 0
    unknown_age: Literal["read", "decline"] = "read"
    pixels: bool = True
    wrong_view: Literal["remark", "decline"] = "remark"

    @model_validator(mode="after")
    def _somebody_is_left(self) -> Gate:
        if 0 < self.oldest_years < self.youngest_years:
            raise ValueError("oldest_years is less than youngest_years: nobody would be read")
        return self


class Delivery(_Frozen):
    """How long and how often to try."""

    timeout_s: Annotated[Number, Field(gt=0, le=3600)] = 30.0
    first_retry_s: Annotated[Number, Field(gt=0, le=3600)] = 5.0
    longest_retry_s: Annotated[Number, Field(gt=0, le=86400)] = 600.0
    give_up_after_h: Annotated[Number, Field(gt=0, le=24 * 90)] = 24.0


class Report(_Frozen):
    """What stands in the documents about the site."""

    institution_name: Annotated[Line, Field(max_length=64)] = ""
    station_name: Annotated[Line, Field(max_length=16)] = ""
    send_not_analysed: bool = True


QcFilm = Literal[
    "normal", "normal-two-views", "right-pneumothorax", "left-pneumothorax", "left-effusion", "right-consolidation",
    "cardiomegaly", "stored-monochrome1", "stored-voi-lut", "stored-10-bit", "stored-16-bit", "stored-mirrored",
    "stored-upside-down", "stored-quarter-turn",
]  # fmt: skip


_USUAL: QcFilm = "right-pneumothorax"  # stored in the usual way; the films "stored-..." show the same


class Qc(_Frozen):
    """The constancy test: drawn films that go through the whole line."""

    daily_at: Annotated[str, Field(pattern=r"^(|([01]\d|2[0-3]):[0-5]\d)$")] = ""
    films: Annotated[tuple[QcFilm, ...], Field(min_length=1)] = get_args(QcFilm)
    least_overlap: Annotated[float, Field(gt=0, le=1)] = 0.4
    longest_flag_s: Annotated[float, Field(gt=0, le=86400)] = 30.0
    send: bool = False

    @field_validator("films")
    @classmethod
    def _each_once(cls, value: tuple[QcFilm, ...]) -> tuple[QcFilm, ...]:
        if len(set(value)) != len(value):
            raise ValueError("a film is named twice")
        variants = [name for name in value if name.startswith("stored-")]
        if variants and _USUAL not in value:
            raise ValueError(
                f'"{_USUAL}" is what {", ".join(variants)} is compared with; put it in, or take those out as well'
            )
        return value


class Log(_Frozen):
    """What is written to standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"


class Settings(BaseSettings):
    """Everything a site can decide. Build with :func:`load`."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix=ENV_PREFIX, env_nested_delimiter="__", case_sensitive=False
    )

    node: Node = Node()
    peers: tuple[PeerSettings, ...] = ()
    destinations: tuple[DestinationSettings, ...] = ()
    intake: Intake = Intake()
    storage: Storage = Storage()
    database: Database = Database()
    model: ModelSettings = ModelSettings()
    triage: Triage = Triage()
    gate: Gate = Gate()
    delivery: Delivery = Delivery()
    report: Report = Report()
    qc: Qc = Qc()
    log: Log = Log()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment over file (given as init values by :func:`load`) over defaults; no .env file, nothing found by
        accident."""
        return env_settings, init_settings

    @model_validator(mode="after")
    def _consistent(self) -> Settings:
        _unique("peers", [p.name for p in self.peers])
        _unique("destinations", [d.name for d in self.destinations])
        peers = {p.name: p for p in self.peers}
        for number, peer in enumerate(self.peers):
            _not_ourselves(f"peers[{number}] ({peer.name})", peer, self.node)
        for place, destination in enumerate(self.destinations):
            if not isinstance(destination, DicomDestinationSettings):
                continue
            key = f"destinations[{place}] ({destination.name})"
            if destination.peer not in peers:
                known = ", ".join(sorted(peers)) or "none are configured"
                raise ValueError(f'{key}: peer "{destination.peer}" is not among the [[peers]]; known: {known}')
            if "receive" not in peers[destination.peer].may:
                raise ValueError(f'{key}: peer "{destination.peer}" may not receive; add "receive" to its `may`')
        return self

    def peer(self, name: str) -> Peer:
        """The peer of that name. Raises `Permanent` when there is none."""
        for candidate in self.peers:
            if candidate.name == name:
                return candidate.peer()
        known = ", ".join(p.name for p in self.peers) or "none"
        raise Permanent(f'there is no peer "{name}" in the settings; configured peers: {known}', code="unknown-peer")

    @property
    def database_url(self) -> str:
        """URL for SQLAlchemy: `url`, which :func:`load` has filled from the secret file, or a file in `storage.root`."""
        return self.database.url or f"sqlite:///{self.storage.root / 'preread.db'}"


def _not_ourselves(key: str, peer: PeerSettings, node: Node) -> None:
    """A peer that is this node would be sent what it has sent, and reports would come back as images."""
    if peer.name == "self":
        raise ValueError(f'{key}: "self" means this node in the commands; give the peer another name')
    if not same_place(peer.host, node.host) or peer.port != node.port:
        return
    if peer.ae_title == node.ae_title:
        raise ValueError(f"{key}: {peer.ae_title} at {peer.host}:{peer.port} is this node itself, not another one")
    if peer.may & {"receive", "query"}:
        raise ValueError(
            f"{key}: this node itself listens on {peer.host}:{peer.port}; give the peer's own host and port, "
            "or another node.port to this node"
        )


def _unique(table: str, names: list[str]) -> None:
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise ValueError(f"[[{table}]]: the name {', '.join(twice)} is used more than once; names must be unique")


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


def load(path: Path | None = None) -> Settings:
    """Read and check the settings. Relative paths in the file are relative to the file.

    Raises:
        SettingsError: every mistake, one a line: file, key, what is allowed.
    """
    file = find(path)
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8-sig"))  # editors on Windows write a mark first
    except OSError as error:
        raise SettingsError(f"{file}: cannot be read ({error.strerror})", code="settings-unreadable") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{file}: is not UTF-8 text (byte {error.start})", code="settings-unreadable") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{file}: is not valid TOML: {error}", code="settings-syntax") from error
    stray = _unknown_environment()
    try:
        settings = Settings(**values)
    except ValidationError as error:
        lines = [
            f"{source_of(file, problem)}: {explain(problem, Settings, DESTINATION_KINDS)}" for problem in error.errors()
        ] + stray
        raise SettingsError("\n".join(lines), code="settings-invalid") from error
    except Exception as error:  # pydantic-settings wraps unparsable environment JSON in an error type of its own
        raise SettingsError(environment_words(error), code="settings-invalid") from error
    if stray:
        raise SettingsError("\n".join(stray), code="settings-invalid")
    settings = _absolute(settings, file.resolve().parent)
    if problems := _misplaced(settings):
        raise SettingsError("\n".join(f"{file}: {words}" for words in problems), code="settings-invalid")
    return settings


def _misplaced(settings: Settings) -> list[str]:
    """Paths that cannot be what they are for, as this machine's disk stands."""
    problems, root = [], settings.storage.root
    if (blocked := in_the_way(root)) is not None:
        problems.append(f"storage.root: {root} must be a folder, and {blocked} is a file")
    database = Path(settings.database_url.removeprefix(_SQLITE))
    if kind_of(database) == "folder":
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
    destinations = tuple(
        d.model_copy(update={"path": base / d.path.expanduser()}) if isinstance(d, FolderDestinationSettings) else d
        for d in settings.destinations
    )
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
    database = _with_secret(settings.database, base)
    if database.url:
        path = base / Path(database.url.removeprefix(_SQLITE)).expanduser()
        database = database.model_copy(update={"url": f"{_SQLITE}{path}"})
    triage = settings.triage.model_copy(
        update={
            key: base / path.expanduser()
            for key in ("rules", "calibration")
            if (path := getattr(settings.triage, key)) is not None
        }
    )
    changed = {"triage": triage, "storage": storage, "destinations": destinations, "model": model, "database": database}
    return settings.model_copy(update=changed)


def _with_secret(database: Database, base: Path) -> Database:
    """With `url` from `url_file`. Raises `SettingsError` for a file that cannot be read or holds no usable URL."""
    if database.url_file is None:
        return database
    if database.url:
        raise SettingsError("database: url and url_file are both given; give one of them", code="settings-invalid")
    file = base / database.url_file.expanduser()
    try:
        url = check_database_url(file.read_text(encoding="utf-8-sig").strip())
    except (OSError, UnicodeDecodeError) as error:
        words = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise SettingsError(f"database.url_file: {file} cannot be read ({words})", code="secret-unreadable") from error
    except ValueError as error:
        raise SettingsError(f"database.url_file: what {file} holds {error}", code="settings-invalid") from error
    return database.model_copy(update={"url": url, "url_file": file})


def _unknown_environment() -> list[str]:
    sections = {name: field.annotation for name, field in Settings.model_fields.items()}
    problems = []
    for variable in sorted(os.environ):
        if not variable.startswith(ENV_PREFIX) or variable in _ENV_NOT_SETTINGS:
            continue
        section, _, key = variable[len(ENV_PREFIX) :].lower().partition("__")
        model = sections.get(section)
        known = model is not None and (not key or key.split("__")[0] in getattr(model, "model_fields", {}))
        if not known:
            problems.append(f"environment variable {variable}: there is no such setting")
    return problems
