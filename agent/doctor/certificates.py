"""Certificates run out, all of them, on a day that is known long before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from agent.clock import SystemClock
from agent.doctor.check import Check, failed, finding
from agent.sentence import sentence
from agent.settings import Settings
from dicom_nodes.certificate import UnreadableCertificate, certificates_in
from dicom_nodes.tls import TlsFiles, TlsFilesUnusable, must_fit


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate of this node's own and the key that belongs to it. `setting`: that of the key."""

    setting: str
    certificate: Path
    key: Path

    def problem(self) -> str:
        """Why nobody can be shown it; empty when it can be used."""
        try:
            must_fit(TlsFiles(None, self.certificate, self.key))
        except TlsFilesUnusable as error:
            return str(error)
        return ""


def certificates(settings: Settings) -> Sequence[Check]:
    """Every file with certificates that the settings name and how long they last, and whether the keys belong to them."""
    now, enough = SystemClock().now(), timedelta(days=settings.alarms.certificate_days)
    found = [_lasts(what, file, now, enough) for what, file in certificate_files(settings)]
    return [*found, *(_fits(one) for one in key_pairs(settings))]


def certificate_files(settings: Settings) -> Iterator[tuple[str, Path]]:
    """Key and file of every certificate that the settings name."""
    for where, place in _places(settings):
        for key in ("ca_file", "certificate_file"):
            file = getattr(place, key, None)
            if isinstance(file, Path):
                yield f"{where}.{key}", file


def key_pairs(settings: Settings) -> Iterator[KeyPair]:
    """Every certificate of this node's own that the settings name with its key."""
    for where, place in _places(settings):
        certificate, key = (getattr(place, name, None) for name in ("certificate_file", "key_file"))
        if isinstance(certificate, Path) and isinstance(key, Path):
            yield KeyPair(f"{where}.key_file", certificate, key)


def _places(settings: Settings) -> list[tuple[str, object]]:
    """Whatever in the settings may name such files, and its key there."""
    places: list[tuple[str, object]] = [("node.tls", settings.node.tls), ("orders.tls", settings.orders.tls)]
    places += [(f"destinations ({d.name})", getattr(d, "tls", None) or d) for d in settings.destinations]
    places += [(f"dicomweb ({s.name})", s) for s in settings.dicomweb]
    places.append(("model", settings.model))
    places.append(("audit.syslog.tls", settings.audit.syslog and settings.audit.syslog.tls))
    places += [("web", settings.web), ("web.oidc", settings.web.oidc)]
    return [*places, ("alarms.webhook", settings.alarms.webhook), ("alarms.mail", settings.alarms.mail)]


def valid_from(file: Path) -> datetime:
    """From when on all of the certificates in that file can be used. Raises `UnreadableCertificate`."""
    return max(c.not_before for c in certificates_in(file))


def valid_until(file: Path) -> datetime:
    """When the first of the certificates in that file runs out. Raises `UnreadableCertificate`."""
    return min(c.not_after for c in certificates_in(file))


def _lasts(what: str, file: Path, now: datetime, enough: timedelta) -> Check:
    try:
        first, begins = valid_until(file), valid_from(file)
    except UnreadableCertificate as error:
        return failed(what, error, "certificates-unusable")
    day, days = f"{first:%Y-%m-%d}", (first - now).days
    if first <= now:
        return finding(what, "bad", sentence("certificate.over", file=str(file), day=day))
    if begins > now:
        return finding(what, "bad", sentence("certificate.not-yet", file=str(file), at=f"{begins:%Y-%m-%d %H:%M}"))
    if first - now < enough:
        return finding(what, "bad", sentence("certificate.ends", file=str(file), n=days, day=day))
    return finding(what, "ok", sentence("certificate.lasts", file=str(file), n=days, day=day))


def _fits(pair: KeyPair) -> Check:
    if words := pair.problem():
        return finding(pair.setting, "bad", sentence("error", detail=words), code="certificates-unusable")
    fits = sentence("certificate.fits", key_file=str(pair.key), certificate=str(pair.certificate))
    return finding(pair.setting, "ok", fits)
