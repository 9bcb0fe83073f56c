"""All settings together, and what must be right between them."""

from __future__ import annotations

from pydantic import model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from agent.errors import Permanent
from agent.settings.audit import Audit
from agent.settings.database import Database
from agent.settings.health import Alarms, Web
from agent.settings.keeping import Keeping
from agent.settings.line import Delivery, Intake, Log, Report, Storage
from agent.settings.matching import Matching
from agent.settings.network import (
    DestinationSettings,
    DicomDestinationSettings,
    Hl7DestinationSettings,
    Node,
    PeerSettings,
)
from agent.settings.orders import Orders
from agent.settings.priors import OWN_STORE, Priors, Worklist
from agent.settings.reading import Gate, ModelSettings, Qc, Triage
from agent.settings.values import same_place
from agent.settings.web import DicomwebSettings
from agent.settings.words import ENV_PREFIX
from dicom_nodes.roles import Peer


class Settings(BaseSettings):
    """Everything a site can decide. Build with :func:`load`."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix=ENV_PREFIX, env_nested_delimiter="__", case_sensitive=False
    )

    node: Node = Node()
    peers: tuple[PeerSettings, ...] = ()
    destinations: tuple[DestinationSettings, ...] = ()
    dicomweb: tuple[DicomwebSettings, ...] = ()
    intake: Intake = Intake()
    storage: Storage = Storage()
    database: Database = Database()
    model: ModelSettings = ModelSettings()
    triage: Triage = Triage()
    gate: Gate = Gate()
    priors: Priors = Priors()
    worklist: Worklist = Worklist()
    orders: Orders = Orders()
    matching: Matching = Matching()
    delivery: Delivery = Delivery()
    report: Report = Report()
    qc: Qc = Qc()
    audit: Audit = Audit()
    keeping: Keeping = Keeping()
    web: Web = Web()
    alarms: Alarms = Alarms()
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
        self.must_be_consistent()
        return self

    def must_be_consistent(self) -> None:
        """What must be right between several settings. Raises `ValueError`."""
        _unique("peers", [p.name for p in self.peers])
        _unique("destinations", [d.name for d in self.destinations])
        peers = {p.name: p for p in self.peers}
        for number, peer in enumerate(self.peers):
            _not_ourselves(f"peers[{number}] ({peer.name})", peer, self.node)
            if peer.tls and self.node.tls is None:
                raise ValueError(
                    f"peers[{number}] ({peer.name}): tls needs a certificate of this node's own; give [node.tls] its files"
                )
        for place, destination in enumerate(self.destinations):
            if not isinstance(destination, DicomDestinationSettings):
                continue
            key = f"destinations[{place}] ({destination.name})"
            if destination.peer not in peers:
                known = ", ".join(sorted(peers)) or "none are configured"
                raise ValueError(f'{key}: peer "{destination.peer}" is not among the [[peers]]; known: {known}')
            if "receive" not in peers[destination.peer].may:
                raise ValueError(f'{key}: peer "{destination.peer}" may not receive; add "receive" to its `may`')
        self._hears_orders_alone()
        self._tells_somebody_else()
        _unique("dicomweb", [w.name for w in self.dicomweb])
        self._askable(peers)
        self._web_has_a_port()

    def _web_has_a_port(self) -> None:
        own = {self.node.port: "node.port", self.orders.port: "orders.port"}
        if self.node.tls is not None:
            own[self.node.tls.port] = "node.tls.port"
        if self.web.enabled and self.web.port in own:
            raise ValueError(f"web.port: {self.web.port} is {own[self.web.port]} already; choose another")

    def _hears_orders_alone(self) -> None:
        """Whether HL7 messages have a port of their own and what TLS needs."""
        port, tls = self.orders.port, self.orders.tls
        for key, other in (
            ("node.port", self.node.port),
            ("node.tls.port", self.node.tls.port if self.node.tls else 0),
        ):
            if port and port == other:
                raise ValueError(f"orders.port: {port} is also {key}; give HL7 messages a port of their own")
        if tls is not None and tls.certificate_file is None:
            raise ValueError("orders.tls: a listener needs a certificate_file and a key_file of its own")

    def _tells_somebody_else(self) -> None:
        """A result that goes to our own listener is acknowledged, and nobody has it."""
        for place, destination in enumerate(self.destinations):
            if not isinstance(destination, Hl7DestinationSettings):
                continue
            if destination.port == self.orders.port and same_place(destination.host, self.orders.host):
                raise ValueError(
                    f"destinations[{place}] ({destination.name}): this node itself listens for HL7 messages on "
                    f"{destination.host}:{destination.port} ([orders]); give the receiver's own host and port"
                )

    def _askable(self, peers: dict[str, PeerSettings]) -> None:
        """Whether those whom `priors` and `worklist` name may be asked."""
        services = {w.name for w in self.dicomweb}
        if both := sorted(services & set(peers)):
            raise ValueError(f"[[dicomweb]]: {both[0]} is also the name of one of the [[peers]]; names must differ")
        asked = self.priors.source
        if asked and asked != OWN_STORE and asked not in services:
            peer = _queried("priors.from", asked, peers, also=("the [[dicomweb]] services", sorted(services)))
            if self.priors.retrieve == "move" and "send" not in peer.may:
                raise ValueError(
                    f'priors.retrieve: with "move" the images come from "{asked}" as if it sent them; add "send" to its `may`'
                )
        elif self.priors.retrieve == "move":
            raise ValueError('priors.retrieve: "move" is for a peer; leave it at "get" for anything else')
        if self.worklist.source:
            _queried("worklist.from", self.worklist.source, peers)

    def peer(self, name: str) -> Peer:
        """The peer of that name. Raises `Permanent` when there is none."""
        for candidate in self.peers:
            if candidate.name == name:
                return candidate.peer(self.node.tls)
        known = ", ".join(p.name for p in self.peers) or "none"
        raise Permanent(f'there is no peer "{name}" in the settings; configured peers: {known}', code="unknown-peer")

    def all_peers(self) -> tuple[Peer, ...]:
        """Every peer, in the order of the settings."""
        return tuple(p.peer(self.node.tls) for p in self.peers)

    @property
    def identity(self) -> Matching:
        """How identity is weighed: images that name no issuer are of that of `matching`, else of that whose identifiers are
        heard."""
        return self.matching.model_copy(update={"issuer": self.matching.issuer or self.orders.issuer})

    @property
    def database_url(self) -> str:
        """URL for SQLAlchemy: `url`, which :func:`load` has filled from the secret files, or a file in `storage.root`. It may
        hold a password: for the ledger alone, and for no message."""
        return self.database.url or f"sqlite:///{self.storage.root / 'preread.db'}"


def _queried(
    key: str, name: str, peers: dict[str, PeerSettings], *, also: tuple[str, list[str]] | None = None
) -> PeerSettings:
    """The peer of that name, which may be asked. Raises `ValueError`."""
    if name not in peers:
        known = sorted(peers) + (also[1] if also else [])
        where = f"the [[peers]] or {also[0]}" if also else "the [[peers]]"
        raise ValueError(f'{key}: "{name}" is not among {where}; known: {", ".join(known) or "none are configured"}')
    if "query" not in peers[name].may:
        raise ValueError(f'{key}: peer "{name}" may not be asked; add "query" to its `may`')
    return peers[name]


def _not_ourselves(key: str, peer: PeerSettings, node: Node) -> None:
    """A peer that is this node would be sent what it has sent, and reports would come back as images."""
    if peer.name == "self":
        raise ValueError(f'{key}: "self" means this node in the commands; give the peer another name')
    own = {node.port} | ({node.tls.port} if node.tls else set())
    if not same_place(peer.host, node.host) or peer.port not in own:
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
