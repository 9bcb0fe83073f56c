"""What destinations over HTTP have in common: who is asked, with which secrets, and what its status means.

Secrets are read for every document: a token that was renewed counts from the next one on.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from agent.errors import Permanent, PrereadError, Transient
from dicom_nodes.deadline import Deadline
from dicom_nodes.dicomweb import DicomWeb, Reply, WebPeer
from dicom_nodes.scu import NodeError, PeerUnreachable, UnusableCertificates

# The service is there, and something that a person can put right stands in the way: tried until the document is too old.
_MENDABLE = {401: "does not know us", 403: "does not let us in", 407: "is behind a proxy that does not know us"}
_PASSING = (408, 425, 429, 500, 502, 503, 504, 507)


@dataclass(frozen=True, slots=True)
class WebPlace:
    """One URL and what is needed to be heard there. `token_file`: holds a bearer token; the other files are PEM."""

    name: str
    url: str
    timeout_s: float
    token_file: Path | None = None
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None

    def service(self) -> DicomWeb:
        """A client of it. Raises `Transient` when a file of the settings cannot be used: a person can mend it."""
        token = "" if self.token_file is None else secret(self.name, self.token_file).decode("utf-8", "replace")
        peer = WebPeer(self.name, self.url, self.ca_file, self.certificate_file, self.key_file, token)
        try:
            return DicomWeb(peer)
        except UnusableCertificates as error:
            raise Transient(str(error), code="certificates-unusable") from error

    def deadline(self) -> Deadline:
        """By when a request must have been answered."""
        return Deadline(self.timeout_s)

    def ask(self) -> Reply:
        """OPTIONS, which leaves nothing behind. Raises as :meth:`service`, and `Transient` when nobody answers."""
        with self.service() as service:
            try:
                return service.exchange("OPTIONS", "", b"", {}, deadline=self.deadline())
            except NodeError as error:
                raise unheard(error) from error


def secret(name: str, file: Path) -> bytes:
    """What a secret file holds, without blank ends. Raises `Transient`: the file can be mended."""
    try:
        found = file.read_bytes().strip()
    except OSError as error:
        raise Transient(f"{name}: {file} cannot be read ({error.strerror})", code="secret-unreadable") from error
    if not found or any(b < 0x20 for b in found):
        raise Transient(f"{name}: {file} must hold one line, the secret", code="secret-unreadable")
    return found


def unheard(error: NodeError) -> Transient:
    """No whole answer: whether the other end has the document is unknown."""
    return Transient(str(error), code="peer-unreachable" if isinstance(error, PeerUnreachable) else "no-answer")


def refusal(name: str, status: int, what: str) -> PrereadError:
    """What a status that is no acceptance means for the document."""
    code = f"http-{status}"
    if status in _MENDABLE:
        hint = "see token_file and certificate_file"
        return Transient(f"{name} {_MENDABLE[status]} ({status}); {hint}", code=code)
    if status in _PASSING:
        return Transient(f"{name} answered {status}", code=code)
    if 300 <= status < 400:
        words = f"{name} points elsewhere ({status}), and redirects are not followed: set its url to the final one"
        return Permanent(words, code=code)
    if status in (404, 405, 410, 501):
        return Permanent(f"{name} answered {status}: at this url there is nobody who takes {what}", code=code)
    return Permanent(f"{name} refused {what}: {status}", code=code)
