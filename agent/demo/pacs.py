"""The embedded PACS of the demonstration: a Storage SCP of pynetdicom's that keeps what it gets. Not the receiver of
this program: a peer from elsewhere."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

from pynetdicom import AE, evt
from pynetdicom.sop_class import Comprehensive3DSRStorage, ComprehensiveSRStorage, Verification

from dicom_nodes.contexts import UNCOMPRESSED

SUCCESS, OUT_OF_RESOURCES = 0x0000, 0xA700


class DemoPacs:
    """Listens on a free loopback port from the beginning of a `with` block to its end, and writes ``<SOP Instance
    UID>.dcm`` into a folder."""

    def __init__(self, folder: Path, *, ae_title: str) -> None:
        self._folder, self._ae_title = folder, ae_title
        self._server: Any = None

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self._server.server_address[1])

    def __enter__(self) -> DemoPacs:
        self._folder.mkdir(parents=True, exist_ok=True)
        ae = AE(ae_title=self._ae_title)
        for sop_class in (Comprehensive3DSRStorage, ComprehensiveSRStorage, Verification):
            ae.add_supported_context(sop_class, list(UNCOMPRESSED))
        self._server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, self._store)])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()

    def _store(self, event: Any) -> int:
        path = self._folder / f"{event.request.AffectedSOPInstanceUID}.dcm"
        temporary = path.with_suffix(".part")
        try:
            temporary.write_bytes(event.encoded_dataset())
            temporary.replace(path)
        except OSError:
            return OUT_OF_RESOURCES
        return SUCCESS
