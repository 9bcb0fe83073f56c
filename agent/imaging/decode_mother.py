"""The process behind `agent.imaging.decode_ready`: it has loaded the decoders and reads no film. For each it has a child, which
confines itself, decodes that one and ends; to have one takes a few milliseconds, to start a program some hundreds.

Over the socket that it inherits come a path and the end of a pipe for what is decoded; back goes the exit status of the child.
"""

from __future__ import annotations

import os
import socket
import struct
import sys

from agent.imaging import decode_child

STATUS = struct.Struct("!i")
LONGEST_PATH = 4096


def main(memory_bytes: int, descriptor: int) -> int:
    """Serve until the other end is closed."""
    with socket.socket(fileno=descriptor) as channel:
        while True:
            path, ends, _, _ = socket.recv_fds(channel, LONGEST_PATH, 1)
            if not path or not ends:
                return 0
            child = os.fork()
            if child == 0:
                channel.close()
                _decode(memory_bytes, os.fsdecode(path), ends[0])
            os.close(ends[0])
            _, status = os.waitpid(child, 0)
            channel.sendall(STATUS.pack(os.waitstatus_to_exitcode(status)))


def _decode(memory_bytes: int, path: str, end: int) -> None:
    """In the child: standard output is the pipe; so is standard error, for the exit status says which of the two it was."""
    code = 1
    try:
        os.dup2(end, 1)
        os.dup2(end, 2)
        os.close(end)
        code = decode_child.main(memory_bytes, path)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
