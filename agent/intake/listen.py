"""The receiving socket, from the settings."""

from __future__ import annotations

import threading
import time

from pynetdicom.presentation import PresentationContext

from agent.errors import Permanent
from agent.settings import DicomDestinationSettings, Settings
from dicom_nodes.contexts import commitment_contexts, storage_contexts
from dicom_nodes.receiver import Receiver
from dicom_nodes.scp import CannotListen, SecureDoor, StorageSCP

# After a kill the old process may hold the port for a moment longer; a port that is taken for longer belongs to
# somebody else.
_PORT_PATIENCE_S = 5.0


def node_contexts(settings: Settings) -> tuple[PresentationContext, ...]:
    """What this node accepts, as its settings have it."""
    commits = any(isinstance(d, DicomDestinationSettings) and d.commit for d in settings.destinations)
    images = storage_contexts(secondary_capture=settings.intake.secondary_capture)
    return (*images, *(commitment_contexts() if commits else ()))


def storage_scp(settings: Settings, receiver: Receiver, stop: threading.Event) -> StorageSCP:
    """A started SCP on the node's host and port.

    Raises:
        Permanent: the port is in use or not permitted.
    """
    node = settings.node
    scp = StorageSCP(
        receiver,
        host=node.host,
        port=node.port,
        contexts=node_contexts(settings),
        max_associations=node.max_associations,
        network_timeout_s=node.network_timeout_s,
        secure=None if node.tls is None else SecureDoor(node.tls.port, node.tls.files()),
    )
    patience = time.monotonic() + _PORT_PATIENCE_S
    while True:
        try:
            scp.start()
        except CannotListen as error:
            if time.monotonic() >= patience or stop.wait(0.2):
                raise Permanent(
                    f"{error}; free the port, or set node.host and node.port to others", code="cannot-listen"
                ) from error
        else:
            return scp
