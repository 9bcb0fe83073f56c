"""TLS contexts for every protocol: BCP 195 (RFC 8996, 9325) as PS3.15 B.12 profiles it.

TLS 1.2 or later, with forward secrecy and authenticated encryption; both ends show a certificate where both have one
to show. Contexts are made when a connection is, so that a renewed certificate is used without a restart.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

# For TLS 1.2 (RFC 9325 4.2); what TLS 1.3 has is all of this kind.
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"


class TlsFilesUnusable(Exception):
    """A certificate, key or list of authorities cannot be read or does not fit; the words name the file."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files of one end.

    Attributes:
        ca_file: the authorities whose certificates are accepted from the other end; no others are. None: those that the
            machine trusts, which is for calling only.
        certificate_file / key_file: our own certificate with its chain, and its private key; None: we show none.
        server_name: the name that must stand in a server's certificate; empty: the host that is called.
    """

    ca_file: Path | None
    certificate_file: Path | None = None
    key_file: Path | None = None
    server_name: str = ""


def client_context(files: TlsFiles) -> ssl.SSLContext:
    """For calling: the server's certificate and name are always verified. Raises `TlsFilesUnusable`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _fill(context, files)
    return context


def server_context(files: TlsFiles) -> ssl.SSLContext:
    """For listening: only a caller with a certificate of one of the authorities gets in.

    Raises:
        TlsFilesUnusable: a file is not usable, or there is no certificate of our own, or nobody whose callers may get in.
    """
    if files.certificate_file is None or files.ca_file is None:
        raise TlsFilesUnusable("a server needs a ca_file, a certificate_file and a key_file")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    _fill(context, files)
    return context


def open_server_context(files: TlsFiles) -> ssl.SSLContext:
    """For listening to browsers, who show no certificate. Raises `TlsFilesUnusable`."""
    if files.certificate_file is None:
        raise TlsFilesUnusable("a server needs a certificate_file and a key_file")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _fill(context, files)
    return context


def must_fit(files: TlsFiles) -> None:
    """Whether our own certificate can be shown: it and its key can be read, belong together, and need no password. Raises
    `TlsFilesUnusable`."""
    _show(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), files)


def _fill(context: ssl.SSLContext, files: TlsFiles) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    try:
        if files.ca_file is None:
            context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        else:
            context.load_verify_locations(files.ca_file)
    except OSError as error:  # ssl.SSLError is one
        raise TlsFilesUnusable(f"ca_file {files.ca_file} {_why(error, 'no certificate in PEM')}") from error
    if files.certificate_file is not None:
        _show(context, files)


def _show(context: ssl.SSLContext, files: TlsFiles) -> None:
    assert files.certificate_file is not None
    try:
        context.load_cert_chain(files.certificate_file, files.key_file, password=_no_password)
    except OSError as error:
        both = f"certificate_file {files.certificate_file} with key_file {files.key_file or files.certificate_file}"
        raise TlsFilesUnusable(
            f"{both} {_why(error, 'no certificate and its key in PEM, without a password')}"
        ) from error


def _no_password() -> str:
    """A service has nobody to ask: a key under a password is as good as none."""
    return ""


def _why(error: OSError, instead: str) -> str:
    if not isinstance(error, ssl.SSLError):
        return f"cannot be read ({error.strerror})"
    if error.reason == "KEY_VALUES_MISMATCH":
        return (
            "cannot be used: the key does not belong to the certificate that comes first in the file; that has to be the one of this "
            "node, before those of its authorities"
        )
    return f"cannot be used: {instead} ({error.reason or error})"
