"""A certificate authority of the site's own, for a pilot: it makes the certificates with which DICOM and MLLP nodes recognise
one another. A hospital that has an authority uses that one.

RFC 5280 profiles, keys on P-256 (RFC 9325 4.5). Private keys are readable by their owner alone.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from agent.errors import Permanent

AUTHORITY = "ca"
_BEFORE = timedelta(hours=1)  # for clocks that are behind
_AUTHORITY_LASTS = timedelta(days=3650)


@dataclass(frozen=True, slots=True)
class Issued:
    """PEM files of one node."""

    certificate: Path
    key: Path
    not_after: datetime


def authority_in(folder: Path, *, now: datetime) -> Path:
    """The authority's certificate in that folder, made where there is none; returns its file.

    Raises:
        Permanent: the folder cannot be written, or holds a part of an authority.
    """
    certificate, key = folder / f"{AUTHORITY}.pem", folder / f"{AUTHORITY}.key"
    if certificate.exists() and key.exists():
        return certificate
    if certificate.exists() or key.exists():
        # Another in its place would not be trusted by any node that has a copy of this one's certificate.
        here, gone = (certificate, key) if certificate.exists() else (key, certificate)
        raise Permanent(
            f"{here} is there and {gone.name} is not: put it back where it belongs, or name another folder with --out for a new "
            "authority, whose certificate every node has to be given",
            code="authority-incomplete",
        )
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"cxr-preread pilot {now:%Y-%m-%d}")])
    made = (
        _builder(name, name, private.public_key(), now, _AUTHORITY_LASTS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(private, hashes.SHA256())
    )
    _write(folder, key, _private_pem(private), secret=True)
    _write(folder, certificate, made.public_bytes(serialization.Encoding.PEM))
    return certificate


def issue(folder: Path, name: str, stands_for: Sequence[str], *, days: int, now: datetime) -> Issued:
    """A certificate of that folder's authority for one node, as client and as server; it takes the place of an earlier one.

    Args:
        name: of the files.
        stands_for: host names and addresses; at least one.

    Raises:
        Permanent: there is no authority in the folder, or the folder cannot be written.
    """
    authority, signing = _authority(folder)
    private = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, stands_for[0][:64])])
    lasts = min(timedelta(days=days), authority.not_valid_after_utc - now)
    made = (
        _builder(subject, authority.subject, private.public_key(), now, lasts)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
        )
        .add_extension(x509.SubjectAlternativeName([_general(n) for n in stands_for]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()), critical=False)
        .sign(signing, hashes.SHA256())
    )
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    _write(folder, key, _private_pem(private), secret=True)
    _write(folder, certificate, made.public_bytes(serialization.Encoding.PEM))
    return Issued(certificate, key, made.not_valid_after_utc)


def _authority(folder: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    try:
        certificate = x509.load_pem_x509_certificate((folder / f"{AUTHORITY}.pem").read_bytes())
        key = serialization.load_pem_private_key((folder / f"{AUTHORITY}.key").read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise Permanent(
            f"{folder} has no authority ({AUTHORITY}.pem with {AUTHORITY}.key) that can be used", code="no-authority"
        ) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise Permanent(f"{folder / AUTHORITY}.key is not one of this program's", code="no-authority")
    return certificate, key


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, lasts: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BEFORE)
        .not_valid_after(now + lasts)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(folder: Path, file: Path, content: bytes, *, secret: bool = False) -> None:
    """Whole or not at all: a certificate and a key that do not belong together let nobody in."""
    new = file.with_name(file.name + ".new")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if secret else 0o644), "wb") as out:
            out.write(content)
        new.replace(file)
    except OSError as error:
        raise Permanent(f"{file} cannot be written ({error.strerror})", code="certificates-not-written") from error
