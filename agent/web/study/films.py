"""Films for the screen: decoded in a confined child, kept for a while in memory and nowhere else.

Nothing derived from a film is written to disk: it would have to be purged, let go and left out of backups with the film, and to
decode one again with a child that is ready takes little longer than to read it. What is kept is named by the digest of the film and
handed out only after the ledger has said that the film is still there.
"""

from __future__ import annotations

import io
import threading
import zlib
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray
from PIL import Image

from agent.errors import Permanent
from agent.imaging.decode import DecodeLimits
from agent.imaging.decode_ready import ReadyDecoder
from agent.imaging.facts import facts_of
from agent.imaging.headers import load_header
from agent.imaging.screen import screened
from agent.imaging.views import pixel_problem
from agent.store.files import FileStore
from agent.web.study.case import Film

_LIMITS = DecodeLimits(memory_bytes=3 << 30, seconds=30.0)
_KEPT_BYTES = 96 << 20  # of stored values: three films of 16 million pixels, or more of smaller ones
_KEPT_PREVIEWS = 200
_LONGEST = 1024  # rows and columns of a preview
_QUALITY = 85


@dataclass(frozen=True, slots=True)
class Shown:
    """A film for the screen. `about`: as of `agent.imaging.screen`; `preview`: a JPEG of 8 bits."""

    about: dict[str, Any]
    preview: bytes


@dataclass(slots=True)
class _Kept:
    shown: OrderedDict[str, Shown] = field(default_factory=OrderedDict)
    values: OrderedDict[str, NDArray[Any]] = field(default_factory=OrderedDict)


class Films:
    """Makes films ready, each once while it is kept."""

    def __init__(self, files: FileStore) -> None:
        self._files, self._decoder = files, ReadyDecoder(_LIMITS)
        self._kept, self._lock = _Kept(), threading.Lock()
        self._making: dict[str, threading.Lock] = {}

    def warm(self) -> None:
        """See that the next film need not wait for a decoder to start.

        Raises:
            Transient: it cannot be started at the moment.
        """
        self._decoder.warm()

    def close(self) -> None:
        """Let go of what is kept ready."""
        self._decoder.close()

    def shown(self, film: Film) -> Shown:
        """The film with its preview.

        Raises:
            Permanent: its file is gone or damaged, or its pixels cannot be shown; the code says why.
            Transient: no decoder can be started at the moment.
        """
        with self._lock:
            found = self._kept.shown.get(film.digest)
        return found if found is not None and self._is_there(film) else self._make(film)[0]

    def packed_values(self, film: Film) -> bytes:
        """The stored values, 16 bits little-endian, row by row, in gzip's format (RFC 1952).

        Raises:
            Permanent, Transient: as `shown`.
        """
        values = self._make(film)[1]
        wide = values.astype("<i2" if values.dtype.kind == "i" else "<u2")
        packer = zlib.compressobj(1, wbits=31)  # fast: the network of a hospital is
        return packer.compress(wide.tobytes()) + packer.flush()

    def _is_there(self, film: Film) -> bool:
        """Whether its file has not been let go since."""
        return self._files.path(film.path).is_file()

    def _make(self, film: Film) -> tuple[Shown, NDArray[Any]]:
        with self._lock:
            mine = self._making.setdefault(film.digest, threading.Lock())
        with mine:
            try:
                with self._lock:
                    shown, values = self._kept.shown.get(film.digest), self._kept.values.get(film.digest)
                if shown is None or values is None or not self._is_there(film):
                    shown, values = self._made(film)
                    self._keep(film.digest, shown, values)
                return shown, values
            finally:
                with self._lock:
                    self._making.pop(film.digest, None)

    def _made(self, film: Film) -> tuple[Shown, NDArray[Any]]:
        path = self._files.verified(film.path, offset=film.data_set_offset, digest=film.digest)
        header = load_header(path)
        if (problem := pixel_problem(facts_of(header))) is not None:
            raise Permanent(problem.explanation, code=problem.reason)
        values = self._decoder.stored(path)  # one after the other: the first film is what everybody waits for
        made = screened(header, values, longest=_LONGEST)
        jpeg = io.BytesIO()
        Image.fromarray(made.preview).save(jpeg, "JPEG", quality=_QUALITY)
        return Shown(made.about, jpeg.getvalue()), values

    def _keep(self, digest: str, shown: Shown, values: NDArray[Any]) -> None:
        with self._lock:
            self._kept.shown[digest], self._kept.values[digest] = shown, values
            self._kept.shown.move_to_end(digest)
            self._kept.values.move_to_end(digest)
            while len(self._kept.shown) > _KEPT_PREVIEWS:
                self._kept.shown.popitem(last=False)
            while len(self._kept.values) > 1 and sum(v.nbytes for v in self._kept.values.values()) > _KEPT_BYTES:
                self._kept.values.popitem(last=False)
