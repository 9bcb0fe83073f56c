"""The child process of `agent.imaging.decode`: one file in, its stored values as .npy on standard output; or two files
in, and the exit status says whether they hold the same values."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    # A process for every image. A third of what pydicom imports is its downloader of examples, which has no business here.
    sys.modules.update(dict.fromkeys(("requests", "tqdm")))  # type: ignore[arg-type]

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.uid import JPEGExtended12Bit

from agent.imaging.confine import confine
from agent.imaging.decode_exits import EXIT_DIFFERENT, EXIT_TOO_LARGE, EXIT_UNDECODABLE

PROCESSOR_S = 120


def main(memory_bytes: int, path: str, other: str = "") -> int:
    """Decode, confined. What goes wrong is told by exit status and a type name: a message might quote the header."""
    confine(memory_bytes, PROCESSOR_S)
    warnings.simplefilter("ignore")
    try:
        stored = _stored(path)
        if other:
            return 0 if np.array_equal(stored, _stored(other)) else EXIT_DIFFERENT
        if stored.ndim != 2 or stored.dtype.kind not in "iu":
            sys.stderr.write(f"shape {stored.shape}, {stored.dtype}")
            return EXIT_UNDECODABLE
        np.save(sys.stdout.buffer, stored, allow_pickle=False)
    except MemoryError:
        return EXIT_TOO_LARGE
    except Exception as error:  # noqa: BLE001  process edge: any fault of any decoder means the same to the parent
        sys.stderr.write(type(error).__name__)
        return EXIT_TOO_LARGE if "bad_alloc" in str(error) else EXIT_UNDECODABLE
    return 0


def _stored(path: str) -> NDArray[Any]:
    image = dcmread(path)
    if image.file_meta.TransferSyntaxUID == JPEGExtended12Bit and image.BitsStored > 8:
        return _twelve_bit_jpeg(path, image.Rows, image.Columns)
    stored: NDArray[Any] = image.pixel_array
    return stored


def _twelve_bit_jpeg(path: str, rows: int, columns: int) -> NDArray[Any]:
    """JPEG Extended with 12 bits a sample: pydicom hands it to no library, GDCM decodes it."""
    import gdcm

    reader = gdcm.ImageReader()
    reader.SetFileName(path)
    if not reader.Read():
        raise ValueError("GDCM cannot read the file")
    buffer = reader.GetImage().GetBuffer().encode("utf-8", "surrogateescape")
    return np.frombuffer(buffer, "<u2").reshape(rows, columns)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), *sys.argv[2:]))
