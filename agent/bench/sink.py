"""A receiver that answers Success to everything and keeps nothing: what the sender and this machine allow at most.

``python -m agent.bench.sink PORT``. For measuring only; nothing of the line uses it.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence

from agent.work.signals import when_asked_to_stop
from dicom_nodes.contexts import storage_contexts
from dicom_nodes.receiver import Event, RefusedContext, StoreAnswer, StoreRequest
from dicom_nodes.roles import AssociationInfo
from dicom_nodes.scp import StorageSCP
from dicom_nodes.status import INVALID_ARGUMENT, SUCCESS


class _Forgotten:
    def write(self, fragment: bytes) -> None:
        """Let it go."""

    def finish(self) -> StoreAnswer:
        return StoreAnswer(SUCCESS)

    def discard(self) -> None:
        """There is nothing to discard."""


class _Sink:
    """The `dicom_nodes.receiver.Receiver` that keeps nothing."""

    def admit(self, association: AssociationInfo) -> None:
        return None

    def refused(self, association: AssociationInfo, reason: str, words: str) -> None:
        """Nobody is refused."""

    def may_use(self, association: AssociationInfo, sop_class_uid: str) -> bool:
        return True

    def event(self, association: AssociationInfo, event: Event) -> StoreAnswer:
        return StoreAnswer(INVALID_ARGUMENT)

    def contexts_refused(self, association: AssociationInfo, contexts: Sequence[RefusedContext]) -> None:
        """Nothing to note."""

    def opened(self, association: AssociationInfo) -> None:
        """Nothing to note."""

    def closed(self, association: AssociationInfo, how: str) -> None:
        """Nothing to note."""

    def begin(self, association: AssociationInfo, request: StoreRequest) -> _Forgotten:
        return _Forgotten()


def main(port: int) -> None:
    """Listen on loopback until SIGTERM."""
    stop = threading.Event()
    when_asked_to_stop(stop.set)
    contexts = storage_contexts(secondary_capture=False)
    scp = StorageSCP(
        _Sink(), host="127.0.0.1", port=port, contexts=contexts, max_associations=16, network_timeout_s=60.0
    )
    scp.start()
    stop.wait()
    scp.stop(1.0)


if __name__ == "__main__":
    main(int(sys.argv[1]))
