"""What is answered about peers and destinations."""

from __future__ import annotations

from pydantic import Field

from agent.web.api.models.base import Answer


class DestinationState(Answer):
    """A destination of the settings, and how its deliveries stand: those that are not done with, by state."""

    name: str
    type: str
    where: str
    waiting: int
    held: int
    parked: int
    error: str = Field(description="Why the last of the parked deliveries was, in the destination's own words.")


class PeerState(Answer):
    """A peer of the settings."""

    name: str
    ae_title: str
    host: str
    port: int
    may: tuple[str, ...]
    tls: bool


class Destinations(Answer):
    """All destinations, in the order of the settings."""

    destinations: tuple[DestinationState, ...]


class Peers(Answer):
    """All peers, in the order of the settings."""

    peers: tuple[PeerState, ...]
