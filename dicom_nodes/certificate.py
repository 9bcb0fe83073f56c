"""What a certificate says of its holder: the names it stands for, and until when."""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID


class UnreadableCertificate(Exception):
    """A file holds no certificate in PEM. The words name the file."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate that was shown, or lies in a file.

    Attributes:
        names: DNS names in lower case and IP addresses (RFC 5280 4.2.1.6); the common name where there are none.
        fingerprint: SHA-256 of the whole, hexadecimal.
        not_before / not_after: aware UTC.
    """

    names: frozenset[str]
    fingerprint: str
    not_before: datetime
    not_after: datetime

    def is_for(self, name: str) -> bool:
        """Whether it stands for that host name or address; a wildcard stands for one label (RFC 9525 6.3)."""
        wanted = _normal(name)
        return wanted in self.names or ("." in wanted and f"*.{wanted.partition('.')[2]}" in self.names)


def shown_on(connection: ssl.SSLSocket) -> Certificate | None:
    """The certificate of the other end, which has been verified; None when it showed none."""
    content = connection.getpeercert(binary_form=True)
    return None if content is None else _certificate(x509.load_der_x509_certificate(content))


def certificates_in(file: Path) -> list[Certificate]:
    """Every certificate of a PEM file, in its order. Raises `UnreadableCertificate`."""
    try:
        found = x509.load_pem_x509_certificates(file.read_bytes())
    except OSError as error:
        raise UnreadableCertificate(f"{file} cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise UnreadableCertificate(f"{file} holds no certificate in PEM") from error
    return [_certificate(one) for one in found]


def _certificate(one: x509.Certificate) -> Certificate:
    begins, ends = (moment.astimezone(UTC) for moment in (one.not_valid_before_utc, one.not_valid_after_utc))
    return Certificate(names_of(one), one.fingerprint(SHA256()).hex(), begins, ends)


def names_of(one: x509.Certificate) -> frozenset[str]:
    """DNS names in lower case and IP addresses; the common name where there are none."""
    try:
        other = one.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        common = one.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return frozenset(_normal(str(c.value)) for c in common)
    names = [*other.get_values_for_type(x509.DNSName), *map(str, other.get_values_for_type(x509.IPAddress))]
    return frozenset(_normal(n) for n in names)


def _normal(name: str) -> str:
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name.lower().rstrip(".")
