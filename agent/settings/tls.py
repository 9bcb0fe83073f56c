"""TLS of one connection: certificates and keys as files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from agent.settings.types import Frozen, Line, OptionalPath, Port, SomePath
from dicom_nodes.tls import TlsFiles


class Tls(Frozen):
    """PEM files. `ca_file` says whom we trust, and nobody else; with `certificate_file` and `key_file` we show who we are."""

    ca_file: SomePath
    certificate_file: OptionalPath = None
    key_file: OptionalPath = None
    server_name: Annotated[Line, Field(max_length=253)] = ""

    @model_validator(mode="after")
    def _both_or_neither(self) -> Tls:
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("certificate_file and key_file belong together; give both of them, or neither")
        return self

    def files(self) -> TlsFiles:
        """As what speaks TLS wants them."""
        return TlsFiles(self.ca_file, self.certificate_file, self.key_file, self.server_name)

    def beside(self, base: Path) -> Tls:
        """With relative paths meaning: relative to that folder."""
        placed = {
            key: base / path.expanduser()
            for key in ("ca_file", "certificate_file", "key_file")
            if (path := getattr(self, key)) is not None
        }
        return self.model_copy(update=placed)


class NodeTls(Tls):
    """TLS for DICOM: how this node calls, and how it is called, on a port of its own."""

    certificate_file: SomePath
    key_file: SomePath
    port: Port = 2762  # PS3.8 9.1.1: dicom-tls
