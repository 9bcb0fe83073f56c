"""DCMTK's archive and worklist servers, with what a test puts into them."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE, evt

from dicom_nodes import scu
from dicom_nodes.contexts import STUDY_ROOT_FIND, STUDY_ROOT_GET
from dicom_nodes.roles import Peer
from tests.support.films import save
from tests.support.site import PATIENCE_S, free_port, until


class _Served:
    """A program of DCMTK that listens on a port."""

    def __init__(self, command: Sequence[str], port: int, log: Path, ae_title: str) -> None:
        self.port, self.ae_title = port, ae_title
        self._log = log.open("w", encoding="utf-8")
        self.process = subprocess.Popen(command, stdout=self._log, stderr=subprocess.STDOUT)
        until(self._listens, what=f"{command[0]} listens")

    def _listens(self) -> bool:
        assert self.process.poll() is None, Path(self._log.name).read_text(encoding="utf-8")
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def peer(self, name: str = "archive", may: Sequence[str] = ("query",)) -> Peer:
        return Peer(name, self.ae_title, "127.0.0.1", self.port, frozenset(may))

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(PATIENCE_S)
        self._log.close()


class Dcmqrscp(_Served):
    """DCMTK's query/retrieve archive: knows the AE titles that are given, and moves to them.

    Args:
        known: AE title -> port, of those on this machine who may ask and be moved to.
    """

    def __init__(self, folder: Path, known: Mapping[str, int], *, ae_title: str = "DCMQRSCP") -> None:
        store = folder / "store"
        store.mkdir(parents=True)
        port = free_port()
        hosts = "".join(f"h{n} = ({ae}, 127.0.0.1, {p})\n" for n, (ae, p) in enumerate(known.items()))
        (folder / "dcmqrscp.cfg").write_text(
            f"NetworkTCPPort = {port}\nMaxPDUSize = 16384\nMaxAssociations = 16\nHostTable BEGIN\n{hosts}HostTable END\n"
            f"VendorTable BEGIN\nVendorTable END\nAETable BEGIN\n{ae_title} {store} RW (200, 1024mb) ANY\nAETable END\n",
            encoding="ascii",
        )
        super().__init__(["/usr/bin/dcmqrscp", "-c", str(folder / "dcmqrscp.cfg")], port, folder / "log", ae_title)


class Wlmscpfs(_Served):
    """DCMTK's worklist server over a folder of entries."""

    def __init__(self, folder: Path, entries: Sequence[Dataset], *, ae_title: str = "WORKLIST") -> None:
        own = folder / "worklists" / ae_title
        own.mkdir(parents=True)
        (own / "lockfile").touch()
        for number, entry in enumerate(entries):
            save(entry, own / f"{number}.wl")
        port = free_port()
        command = ["/usr/bin/wlmscpfs", "-csk", "-dfr", "-dfp", str(own.parent), str(port)]
        super().__init__(command, port, folder / "log", ae_title)


def worklist_entry(**attributes: object) -> Dataset:
    """One scheduled step for `Wlmscpfs`; attributes of the step itself are those that begin with "Scheduled", and Modality."""
    entry, step = Dataset(), Dataset()
    entry.file_meta = FileMetaDataset()
    entry.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    entry.file_meta.MediaStorageSOPClassUID = "1.2.276.0.7230010.3.1.0.1"
    entry.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    entry.SpecificCharacterSet = attributes.pop("SpecificCharacterSet", "ISO_IR 192")
    step.ScheduledStationAETitle, step.Modality = "ANY", "DX"
    step.ScheduledProcedureStepStartDate, step.ScheduledProcedureStepStartTime = "20260103", "090000"
    step.ScheduledPerformingPhysicianName, step.ScheduledProcedureStepID = "", "SPS1"
    step.ScheduledProcedureStepDescription = "Chest PA"
    entry.PatientName, entry.PatientID, entry.PatientBirthDate, entry.PatientSex = "", "", "", ""
    entry.AccessionNumber, entry.RequestedProcedureID, entry.StudyInstanceUID = "", "RP1", generate_uid()
    entry.RequestedProcedureDescription = "Chest radiograph"
    for keyword, value in attributes.items():
        setattr(step if keyword.startswith("Scheduled") or keyword == "Modality" else entry, keyword, value)
    entry.ScheduledProcedureStepSequence = [step]
    return entry


def put(peer: Peer, folder: Path, *images: Dataset) -> None:
    """Store images in an archive."""
    files = [save(image, folder / f"{image.SOPInstanceUID}.dcm") for image in images]
    sent = scu.store(peer, files, own_ae_title="PREREAD", timeout_s=PATIENCE_S)
    assert all(one.accepted for one in sent), sent


class Liar:
    """An archive whose index names one image, and that sends another; or that takes its time to answer.

    Args:
        claimed: what its answers to queries say.
        sent: what it sends under the claimed SOP Instance UID.
    """

    def __init__(self, claimed: Dataset, sent: Dataset, *, delay_s: float = 0.0) -> None:
        self._claimed, self._sent, self._delay_s = claimed, Dataset(sent), delay_s
        for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
            setattr(self._sent, keyword, claimed[keyword].value)
        self._sent.file_meta = claimed.file_meta
        self._stopped = threading.Event()
        ae = AE(ae_title="LIAR")
        ae.add_supported_context(STUDY_ROOT_FIND)
        ae.add_supported_context(STUDY_ROOT_GET)
        ae.add_supported_context(str(claimed.SOPClassUID), scu_role=False, scp_role=True)
        handlers = [(evt.EVT_C_FIND, self._find), (evt.EVT_C_GET, self._get)]
        self._server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)

    def _find(self, event: Any) -> Iterator[tuple[int, Dataset | None]]:
        self._stopped.wait(self._delay_s)
        answer = Dataset()
        for element in event.identifier:
            if element.keyword in self._claimed:
                answer[element.tag] = self._claimed[element.tag]
        answer.QueryRetrieveLevel = event.identifier.QueryRetrieveLevel
        yield 0xFF00, answer

    def _get(self, event: Any) -> Iterator[Any]:
        yield 1
        yield 0xFF00, self._sent

    def peer(self) -> Peer:
        return Peer("archive", "LIAR", "127.0.0.1", self._server.server_address[1], frozenset({"query"}))

    def __enter__(self) -> Liar:
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._server.shutdown()


class Slow:
    """A peer that takes connections and then says nothing."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])

    def peer(self) -> Peer:
        return Peer("archive", "SLOW", "127.0.0.1", self.port, frozenset({"query"}))

    def stop(self) -> None:
        self._listening.close()
