"""The server's own certificate, which is renewed while it serves."""

from __future__ import annotations

from pathlib import Path

import structlog

from dicom_nodes.tls import TlsFiles, TlsFilesUnusable, open_server_context

_Stamp = tuple[tuple[int, int], ...]


class OwnCertificate:
    """Certificate and key from files. Raises `TlsFilesUnusable`."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self._files = TlsFiles(None, certificate, key)
        self._seen = self._stamp()
        self.context = open_server_context(self._files)

    def renew(self) -> None:
        """Show a renewed one to whoever connects from now on. One that cannot be used is said once, and the old one stays."""
        stamp = self._stamp()
        if stamp == self._seen:
            return
        self._seen = stamp
        try:
            open_server_context(self._files)  # whether they fit each other, before the one in use is touched
            self.context.load_cert_chain(self._files.certificate_file or "", self._files.key_file)
        except (TlsFilesUnusable, OSError) as error:
            structlog.get_logger().error("renewed certificate not used", words=str(error))

    def _stamp(self) -> _Stamp:
        found = []
        for file in (self._files.certificate_file, self._files.key_file):
            try:
                seen = file.stat() if file is not None else None
            except OSError:
                seen = None
            found.append((seen.st_mtime_ns, seen.st_ino) if seen is not None else (0, 0))
        return tuple(found)
