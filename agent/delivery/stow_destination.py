"""A DICOMweb archive as destination: DICOM documents by STOW-RS; what is said of the instance decides."""

from __future__ import annotations

from io import BytesIO

from pydicom import dcmread

from agent.delivery.protocol import OutgoingDocument, Probed, Receipt
from agent.delivery.web import WebPlace, refusal, unheard
from agent.errors import Permanent, Transient
from agent.sentence import sentence
from dicom_nodes import stow
from dicom_nodes.contexts import COMPREHENSIVE_3D_SR, COMPREHENSIVE_SR
from dicom_nodes.scu import NodeError
from dicom_nodes.status import SOP_CLASS_NOT_SUPPORTED, Disposition, classify
from dicom_nodes.stow import Stored
from structured_report.sr import AS_COMPREHENSIVE_SR, as_comprehensive_sr, file_bytes

_WHAT = "DICOM objects by STOW-RS"
DICOM_KINDS = frozenset({"sr", "sc", "gsps", "plain-sr", "ko"})


class StowDestination:
    """Stores documents in a DICOMweb service. The UID is the same on every resend, so a repetition changes nothing."""

    def __init__(self, place: WebPlace) -> None:
        self._place = place

    @property
    def name(self) -> str:
        return self._place.name

    def accepts(self, kind: str) -> bool:
        return kind in DICOM_KINDS

    def send(self, document: OutgoingDocument) -> Receipt:
        if not self.accepts(document.kind):
            raise Permanent(f"{self.name}: a DICOMweb destination takes no {document.kind}", code="not-accepted")
        content = document.path.read_bytes()
        stored, form = self._store(content, document.identifier), ""
        if stored.reason == SOP_CLASS_NOT_SUPPORTED and (simpler := _simpler(content)) is not None:
            stored, form = self._store(simpler, document.identifier), AS_COMPREHENSIVE_SR
        if stored.accepted:
            return Receipt(f"{stored.words}{form}", sop_class_uid=COMPREHENSIVE_SR if form else _class_of(content))
        if stored.reason is None:
            raise refusal(self.name, stored.http_status, _WHAT)
        kind = Transient if classify(stored.reason) is Disposition.TRY_AGAIN else Permanent
        raise kind(f"{self.name} did not store it: {stored.words}", code=f"status-{stored.reason:04x}")

    def probe(self) -> Probed:
        status = self._place.ask().status
        if status in (401, 403):
            raise refusal(self.name, status, _WHAT)
        remarks = (sentence("probe.may-store"),) if status >= 400 else ()
        return Probed((sentence("probe.answers", status=str(status)),), remarks)

    def _store(self, content: bytes, uid: str) -> Stored:
        with self._place.service() as service:
            try:
                return stow.store(service, content, uid, deadline=self._place.deadline())
            except NodeError as error:
                raise unheard(error) from error


def _class_of(content: bytes) -> str:
    return str(dcmread(BytesIO(content), specific_tags=["SOPClassUID"]).SOPClassUID)


def _simpler(content: bytes) -> bytes | None:
    """A Comprehensive 3D SR as the Comprehensive SR that older archives know; None for anything else."""
    data_set = dcmread(BytesIO(content))
    return file_bytes(as_comprehensive_sr(data_set)) if data_set.SOPClassUID == COMPREHENSIVE_3D_SR else None
