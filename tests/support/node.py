"""The receiver of the program in the test's own process, and what a sender can do to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

from pydicom import Dataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE, build_context
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.pdu_primitives import P_DATA
from pynetdicom.presentation import PresentationContext

from agent.audit.refusal_book import RefusalBook
from agent.audit.trail import Trail
from agent.audit.unwritten import Unwritten
from agent.clock import SystemClock
from agent.intake.admission import Admission
from agent.service import open_store
from agent.settings import Settings
from agent.store import overview, studies
from dicom_nodes.contexts import COMPUTED_RADIOGRAPHY, VERIFICATION, storage_contexts
from dicom_nodes.scp import SecureDoor, StorageSCP
from tests.support.site import PATIENCE_S, until


class Node:
    """The receiver of the program in this process, with its real ledger and files."""

    def __init__(
        self,
        root: Path,
        *,
        reserve_gb: float = 0.0,
        max_associations: int = 5,
        quiet_time_s: float = 5.0,
        port: int = 0,
        peers: Sequence[dict[str, Any]] = (),
        undeclared: str = "",
        tls: dict[str, Any] | None = None,
        contexts: Sequence[PresentationContext] | None = None,
        **more: Any,
    ) -> None:
        self.settings = Settings(
            node={"host": "127.0.0.1", "max_associations": max_associations, "tls": tls},
            peers=[
                {"name": "s", "ae_title": "SENDER", "host": "127.0.0.1", "may": ["send"]},
                {"name": "elsewhere", "ae_title": "ELSEWHERE", "host": "192.0.2.7", "may": ["send"]},
                {"name": "mute", "ae_title": "MUTE", "host": "127.0.0.1", "may": ["receive"]},
                *peers,
            ],
            storage={"root": root, "reserve_gb": reserve_gb},
            intake={"quiet_time_s": quiet_time_s, "longest_wait_s": 0.0, "undeclared_character_set": undeclared},
            **more,
        )
        self.ledger, self.files = open_store(self.settings)
        self.book = RefusalBook(self.ledger, SystemClock(), Trail.of(self.settings), Unwritten(self.files.root))
        self.admission = Admission(self.settings, self.ledger, self.files, SystemClock(), self.book)
        self.admission.start()
        self.scp = StorageSCP(
            self.admission,
            host="127.0.0.1",
            port=port,
            contexts=contexts or storage_contexts(secondary_capture=False),
            max_associations=max_associations,
            network_timeout_s=PATIENCE_S,  # the senders are in this process, and wait as long as it does
            secure=None if self.settings.node.tls is None else SecureDoor(0, self.settings.node.tls.files()),
        )
        self.scp.start()

    def stop(self) -> None:
        self.scp.stop(2.0)
        self.admission.close()
        self.ledger.close()

    def refusals(self) -> list[dict[str, Any]]:
        with self.ledger.read() as view:
            return overview.refusals(view)

    def images(self, study: str) -> tuple[studies.StoredImage, ...]:
        with self.ledger.read() as view:
            return studies.images_of(view, study)

    def associate(
        self,
        calling: str = "SENDER",
        called: str = "PREREAD",
        sop_class: str = COMPUTED_RADIOGRAPHY,
        syntax: str = ExplicitVRLittleEndian,
    ) -> Association:
        ae = AE(ae_title=calling)
        ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = PATIENCE_S
        contexts = [build_context(sop_class, syntax), build_context(VERIFICATION)]
        return ae.associate("127.0.0.1", self.scp.port, ae_title=called, contexts=contexts)

    def send(
        self,
        data_set: bytes,
        *,
        instance: str,
        sop_class: str = COMPUTED_RADIOGRAPHY,
        syntax: str = ExplicitVRLittleEndian,
        context: str = COMPUTED_RADIOGRAPHY,
    ) -> tuple[int, str]:
        """Send exactly these bytes as a data set, on a context of that SOP class; returns status and Error Comment."""
        association = self.associate(sop_class=context, syntax=syntax)
        assert association.is_established
        request = C_STORE()
        request.MessageID, request.Priority = 1, 2
        request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = sop_class, instance
        request.DataSet = BytesIO(data_set)
        with alone(association):
            context_id = association.accepted_contexts[0].context_id
            association.dimse.send_msg(request, context_id)
            if not data_set:  # pynetdicom sends no fragment then, not even an empty one
                empty = P_DATA()
                empty.presentation_data_value_list = [[context_id, b"\x02"]]
                association.dul.send_pdu(empty)
            _, answer = association.dimse.get_msg(block=True)
        association.release()
        assert answer is not None, "no answer"
        return int(answer.Status), str(answer.ErrorComment or "")

    def send_image(self, image: Dataset, **changes: Any) -> tuple[int, str]:
        return self.send(
            encoded(image), instance=changes.pop("instance", image.get("SOPInstanceUID", "1.2.3")), **changes
        )


@contextmanager
def alone(association: Association) -> Iterator[None]:
    """Keep pynetdicom's own thread from taking the answer."""
    association._reactor_checkpoint.clear()
    until(lambda: association._is_paused, what="pynetdicom's reactor rests")
    yield
    association._reactor_checkpoint.set()


def encoded(image: Dataset, *, implicit: bool = False) -> bytes:
    """The data set alone, in Explicit or Implicit VR Little Endian."""
    buffer = BytesIO()
    dcmwrite(buffer, Dataset(image), implicit_vr=implicit, little_endian=True)
    return buffer.getvalue()
