"""From the settings to the destinations they name."""

from __future__ import annotations

from collections.abc import Mapping

from agent.delivery.dicom_destination import DicomDestination
from agent.delivery.folder import FolderDestination
from agent.delivery.hl7_destination import Hl7Destination
from agent.delivery.protocol import Committing, Destination
from agent.settings import DicomDestinationSettings, Hl7DestinationSettings, Settings


def build_destinations(settings: Settings) -> dict[str, Destination]:
    """Every configured destination by its name, in the order of the settings. Nothing is connected yet."""
    made: dict[str, Destination] = {}
    timeout = settings.delivery.timeout_s
    for d in settings.destinations:
        if isinstance(d, DicomDestinationSettings):
            made[d.name] = DicomDestination(
                d.name,
                settings.peer(d.peer),
                own_ae_title=settings.node.ae_title,
                timeout_s=timeout,
                commit=d.commit,
                commit_deadline_s=d.commit_deadline_s,
            )
        elif isinstance(d, Hl7DestinationSettings):
            made[d.name] = Hl7Destination(d.name, d.host, d.port, timeout_s=timeout)
        else:
            made[d.name] = FolderDestination(d.name, d.path)
    return made


def committing(settings: Settings, built: Mapping[str, Destination]) -> dict[str, Committing]:
    """Those of the destinations that are asked to keep what they are sent, by name."""
    asked = {d.name for d in settings.destinations if isinstance(d, DicomDestinationSettings) and d.commit}
    return {name: d for name, d in built.items() if name in asked and isinstance(d, DicomDestination)}
