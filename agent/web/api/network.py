"""`/api/v1/peers` and `/api/v1/destinations`: whom the line speaks to, and how what goes to them stands."""

from __future__ import annotations

from fastapi import APIRouter

from agent.settings import Settings
from agent.settings.network import DestinationSettings
from agent.store import tallies, trouble
from agent.web.api.models import network as models
from agent.web.context import WebContext


def add(routes: APIRouter, context: WebContext) -> None:
    """The routes of this module."""

    @routes.get("/peers", tags=["network"])
    def peers() -> models.Peers:
        """The peers of the settings, and what each of them may do."""
        return models.Peers(
            peers=tuple(
                models.PeerState(
                    name=p.name, ae_title=p.ae_title, host=p.host, port=p.port, may=tuple(sorted(p.may)), tls=p.tls
                )
                for p in context.current.peers
            )
        )

    @routes.get("/destinations", tags=["network"])
    def destinations() -> models.Destinations:
        """The destinations of the settings, and how many deliveries to each wait, are held back or are parked."""
        with context.ledger.read() as view:
            counts = tallies.open_deliveries(view)
            words = trouble.last_words(view)
        settings = context.current
        return models.Destinations(
            destinations=tuple(
                models.DestinationState(
                    name=d.name,
                    type=d.type,
                    where=where(settings, d),
                    waiting=counts.get((d.name, "waiting"), 0),
                    held=counts.get((d.name, "held"), 0),
                    parked=counts.get((d.name, "parked"), 0),
                    error=words.get(d.name, ""),
                )
                for d in settings.destinations
            )
        )


def where(settings: Settings, destination: DestinationSettings) -> str:
    """Where a destination is, in the terms of its protocol."""
    if destination.type == "dicom":
        peer = next(p for p in settings.peers if p.name == destination.peer)
        return f"{peer.ae_title} at {peer.host}:{peer.port}"
    if destination.type == "hl7":
        return f"{destination.host}:{destination.port}"
    return str(destination.path) if destination.type == "folder" else destination.url
