"""The process behind `agent.imaging.decode_ready`: it has loaded the decoders and reads no film. For each it has a child, which
confines itself, decodes that one and ends; to have one takes a few milliseconds, to start a program some hundreds.

Over the socket that it inherits come a path and the end of a pipe for what is decoded; back goes the exit status of the child.
"""

from __future__ import annotations

import os
import select
import signal
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
            alive, life = os.pipe()
            child = os.fork()
            if child == 0:
                channel.close()
                os.close(alive)
                _decode(memory_bytes, os.fsdecode(path), ends[0])
            os.close(ends[0])
            os.close(life)
            wanted = _is_waited_for(channel, alive)
            os.close(alive)
            if not wanted:
                os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            if not wanted:
                return 0
            channel.sendall(STATUS.pack(os.waitstatus_to_exitcode(status)))


def _is_waited_for(channel: socket.socket, alive: int) -> bool:
    """Wait until the child has ended, whose end of that pipe closes with it; False when whoever asked has ended before. One that asks
    says nothing more until it has its answer."""
    watched = select.poll()
    watched.register(channel, select.POLLIN)
    watched.register(alive, select.POLLIN)
    while True:
        ready = {descriptor for descriptor, _ in watched.poll()}
        if alive in ready:
            return True
        if channel.fileno() in ready:
            return False


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
