"""Who may have earlier films: a peer that is queried, or a DICOMweb service. Both are asked the same questions."""

from __future__ import annotations

from datetime import timedelta
from typing import Protocol

from agent.clock import Clock
from agent.errors import SettingsError
from agent.priors.shelf import Shelf, Unsuitable
from agent.settings import OWN_STORE, DicomwebSettings, Settings
from agent.store import priors
from agent.store.engine import Ledger
from agent.store.priors import PriorImage
from dicom_nodes import query, retrieve
from dicom_nodes.deadline import Deadline
from dicom_nodes.dicomweb import DicomWeb, WebPeer
from dicom_nodes.found import Found, FoundImage, FoundSeries, FoundStudy
from dicom_nodes.retrieve import ImageAddress
from dicom_nodes.roles import Peer
from dicom_nodes.scu import UnusableCertificates

# An image that was asked for with C-MOVE may come long after we have stopped waiting, and is not to be read even then.
_MAY_COME_FOR = timedelta(days=1)


class Source(Protocol):
    """Every method raises `NodeError` when the other side cannot be worked with."""

    @property
    def name(self) -> str:
        """What the settings call it."""
        ...

    def studies(self, patient_id: str, dates: tuple[str, str], deadline: Deadline) -> Found[FoundStudy]: ...

    def series(self, study_instance_uid: str, deadline: Deadline) -> Found[FoundSeries]: ...

    def images(self, study_instance_uid: str, series_instance_uid: str, deadline: Deadline) -> Found[FoundImage]: ...

    def fetch(self, address: ImageAddress, deadline: Deadline) -> PriorImage:
        """The image, kept here. Raises `Unsuitable` for what is not what was asked for."""
        ...


class PeerSource:
    """C-FIND, then C-GET or C-MOVE to this node."""

    def __init__(
        self,
        peer: Peer,
        shelf: Shelf,
        ledger: Ledger,
        clock: Clock,
        *,
        own_ae_title: str,
        secondary_capture: bool,
        move: bool,
    ) -> None:
        self._peer, self._shelf, self._ledger, self._clock = peer, shelf, ledger, clock
        self._own, self._secondary_capture, self._move = own_ae_title, secondary_capture, move

    @property
    def name(self) -> str:
        return self._peer.name

    def studies(self, patient_id: str, dates: tuple[str, str], deadline: Deadline) -> Found[FoundStudy]:
        return query.find_studies(self._peer, patient_id, dates, own_ae_title=self._own, deadline=deadline)

    def series(self, study_instance_uid: str, deadline: Deadline) -> Found[FoundSeries]:
        return query.find_series(self._peer, study_instance_uid, own_ae_title=self._own, deadline=deadline)

    def images(self, study_instance_uid: str, series_instance_uid: str, deadline: Deadline) -> Found[FoundImage]:
        return query.find_images(
            self._peer, study_instance_uid, series_instance_uid, own_ae_title=self._own, deadline=deadline
        )

    def fetch(self, address: ImageAddress, deadline: Deadline) -> PriorImage:
        return self._moved(address, deadline) if self._move else self._got(address, deadline)

    def _got(self, address: ImageAddress, deadline: Deadline) -> PriorImage:
        with self._shelf.room() as path:
            retrieve.get_image(
                self._peer,
                address,
                path,
                own_ae_title=self._own,
                deadline=deadline,
                secondary_capture=self._secondary_capture,
            )
            return self._shelf.take(path, address, self.name)

    def _moved(self, address: ImageAddress, deadline: Deadline) -> PriorImage:
        """It comes by our own SCP, which must know before that it was asked for."""
        uid = address.sop_instance_uid
        with self._ledger.begin() as tx:
            priors.await_image(tx, uid, self.name, until=self._clock.now() + _MAY_COME_FOR)
        retrieve.move_image(self._peer, address, own_ae_title=self._own, deadline=deadline)
        with self._ledger.begin() as tx:
            kept = priors.newest_kept(tx, uid)
            if kept is not None:
                priors.no_longer_await(tx, uid)
        if kept is None:
            raise Unsuitable("it was sent, they say, and has not arrived here")
        if kept.study_instance_uid != address.study_instance_uid:
            raise Unsuitable("it is of another study than it was offered as")
        return kept


class WebSource:
    """QIDO-RS, then WADO-RS."""

    def __init__(self, service: DicomwebSettings, shelf: Shelf) -> None:
        self._service, self._shelf = service, shelf
        self._web = DicomWeb(web_peer(service))

    @property
    def name(self) -> str:
        return self._service.name

    def studies(self, patient_id: str, dates: tuple[str, str], deadline: Deadline) -> Found[FoundStudy]:
        return self._web.find_studies(patient_id, dates, deadline=deadline)

    def series(self, study_instance_uid: str, deadline: Deadline) -> Found[FoundSeries]:
        return self._web.find_series(study_instance_uid, deadline=deadline)

    def images(self, study_instance_uid: str, series_instance_uid: str, deadline: Deadline) -> Found[FoundImage]:
        return self._web.find_images(study_instance_uid, series_instance_uid, deadline=deadline)

    def fetch(self, address: ImageAddress, deadline: Deadline) -> PriorImage:
        with self._shelf.room() as path:
            self._web.get_image(address, path, deadline=deadline)
            return self._shelf.take(path, address, self.name)


def web_peer(service: DicomwebSettings) -> WebPeer:
    """The service with its token. Raises `SettingsError` when the token's file cannot be read."""
    token = ""
    if service.token_file is not None:
        try:
            token = service.token_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(
                f"dicomweb ({service.name}).token_file: {service.token_file} cannot be read", code="secret-unreadable"
            ) from error
    return WebPeer(service.name, service.url, service.ca_file, service.certificate_file, service.key_file, token)


def source_of(settings: Settings, shelf: Shelf, ledger: Ledger, clock: Clock) -> Source | None:
    """Whom the settings name; None when only what was received here is looked at.

    Raises:
        SettingsError: the service's certificates or token cannot be used.
    """
    named = settings.priors.source
    if named in ("", OWN_STORE):
        return None
    service = next((w for w in settings.dicomweb if w.name == named), None)
    if service is not None:
        try:
            return WebSource(service, shelf)
        except UnusableCertificates as error:
            raise SettingsError(f"dicomweb: {error}", code="settings-invalid") from error
    return PeerSource(
        settings.peer(named),
        shelf,
        ledger,
        clock,
        own_ae_title=settings.node.ae_title,
        secondary_capture=settings.intake.secondary_capture,
        move=settings.priors.retrieve == "move",
    )
