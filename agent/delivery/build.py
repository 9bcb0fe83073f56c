"""From the settings to the destinations they name."""

from __future__ import annotations

from collections.abc import Mapping

from agent.delivery.dicom_destination import DicomDestination
from agent.delivery.folder import FolderDestination
from agent.delivery.hl7_destination import Hl7Destination
from agent.delivery.protocol import Committing, Destination
from agent.delivery.stow_destination import StowDestination
from agent.delivery.web import WebPlace
from agent.delivery.webhook_destination import WebhookDestination
from agent.settings import (
    DicomDestinationSettings,
    FolderDestinationSettings,
    Hl7DestinationSettings,
    Settings,
    StowDestinationSettings,
    WebhookDestinationSettings,
)


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
                beside=d.kinds(),
            )
        elif isinstance(d, Hl7DestinationSettings):
            both, tls = d.acknowledgement == "both", None if d.tls is None else d.tls.files()
            made[d.name] = Hl7Destination(d.name, d.host, d.port, timeout_s=timeout, both=both, tls=tls)
        elif isinstance(d, FolderDestinationSettings):
            made[d.name] = FolderDestination(d.name, d.path)
        elif isinstance(d, StowDestinationSettings):
            made[d.name] = StowDestination(_place(d, timeout))
        else:
            made[d.name] = WebhookDestination(_place(d, timeout), d.secret_file)
    return made


def _place(d: StowDestinationSettings | WebhookDestinationSettings, timeout_s: float) -> WebPlace:
    return WebPlace(d.name, d.url, timeout_s, d.token_file, d.ca_file, d.certificate_file, d.key_file)


def committing(settings: Settings, built: Mapping[str, Destination]) -> dict[str, Committing]:
    """Those of the destinations that are asked to keep what they are sent, by name."""
    asked = {d.name for d in settings.destinations if isinstance(d, DicomDestinationSettings) and d.commit}
    return {name: d for name, d in built.items() if name in asked and isinstance(d, DicomDestination)}
