"""The child process of `agent.imaging.decode`: one file in, its stored values as .npy on standard output."""

from __future__ import annotations

import resource
import sys
import warnings

import numpy as np

from agent.imaging.decode import EXIT_TOO_LARGE, EXIT_UNDECODABLE


def main(path: str, memory_bytes: int) -> int:
    """Decode under an address space limit. What goes wrong is told by exit status and a type name: a message might
    quote the header."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("ignore")
    from pydicom import dcmread

    try:
        stored = dcmread(path).pixel_array
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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
