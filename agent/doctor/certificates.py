"""Certificates run out, all of them, on a day that is known long before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from agent.clock import SystemClock
from agent.doctor.check import Check
from agent.settings import Settings
from dicom_nodes.certificate import UnreadableCertificate, certificates_in


def certificates(settings: Settings) -> Sequence[Check]:
    """Every file with certificates that the settings name, and how long they last."""
    now, enough = SystemClock().now(), timedelta(days=settings.alarms.certificate_days)
    return [_lasts(what, file, now, enough) for what, file in certificate_files(settings)]


def certificate_files(settings: Settings) -> Iterator[tuple[str, Path]]:
    """Key and file of every certificate that the settings name."""
    places: list[tuple[str, object]] = [("node.tls", settings.node.tls), ("orders.tls", settings.orders.tls)]
    places += [(f"destinations ({d.name})", getattr(d, "tls", None) or d) for d in settings.destinations]
    places += [(f"dicomweb ({s.name})", s) for s in settings.dicomweb]
    places.append(("model", settings.model))
    places.append(("audit.syslog.tls", settings.audit.syslog and settings.audit.syslog.tls))
    places += [("web", settings.web), ("web.oidc", settings.web.oidc)]
    places += [("alarms.webhook", settings.alarms.webhook), ("alarms.mail", settings.alarms.mail)]
    for where, place in places:
        for key in ("ca_file", "certificate_file"):
            file = getattr(place, key, None)
            if isinstance(file, Path):
                yield f"{where}.{key}", file


def valid_until(file: Path) -> datetime:
    """When the first of the certificates in that file runs out. Raises `UnreadableCertificate`."""
    return min(c.not_after for c in certificates_in(file))


def _lasts(what: str, file: Path, now: datetime, enough: timedelta) -> Check:
    try:
        first = valid_until(file)
    except UnreadableCertificate as error:
        return Check(what, "bad", str(error))
    days = (first - now).days
    if first <= now:
        return Check(what, "bad", f"{file} is not valid since {first:%Y-%m-%d}: nobody accepts it; renew it now")
    if first - now < enough:
        return Check(what, "bad", f"{file} is valid for {days} more days, until {first:%Y-%m-%d}: renew it")
    return Check(what, "ok", f"{file} is valid for {days} days, until {first:%Y-%m-%d}")
