"""A process that reads what strangers send gives up what it does not need, before it reads.

Bounds of memory, processor time, files and core dumps hold wherever there is `setrlimit`. On Linux on x86-64 and AArch64 the kernel
also refuses it system calls by which decoders have no business to live: sockets, other programs, other processes, and changes to
the file system (seccomp, in the filter mode of prctl(2)). Elsewhere that part is left out.
"""

from __future__ import annotations

import ctypes
import platform
import resource
import struct
import sys
from dataclasses import dataclass

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _FILTER = 38, 22, 2
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # classic BPF: ld, jeq, jge, jset, ret
_ALLOW, _REFUSE, _NO_SUCH_CALL = 0x7FFF0000, 0x00050000 | 1, 0x00050000 | 38  # errno EPERM, ENOSYS
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data; each argument has eight bytes
_CLONE_THREAD = 0x00010000
_FOR_WRITING = 0o1 | 0o2 | 0o100 | 0o1000  # O_WRONLY, O_RDWR, O_CREAT, O_TRUNC
_OTHER_ABI = 0x40000000  # numbers of the x32 ABI


@dataclass(frozen=True, slots=True)
class _Machine:
    """Numbers of an architecture's system calls.

    Attributes:
        opens: those that open a file, and which of their arguments says what for.
        unknown: answered as if the kernel had no such call: the C library then uses an older one.
        refused: sockets, other programs, other processes, changes to the file system.
    """

    architecture: int
    clone: int
    opens: tuple[tuple[int, int], ...]
    unknown: tuple[int, ...]
    refused: tuple[int, ...]


_MACHINES = {
    "x86_64": _Machine(
        architecture=0xC000003E,
        clone=56,
        opens=((2, 1), (257, 2)),
        unknown=(435, 437),  # clone3, openat2: what they ask for cannot be looked at
        refused=(
            41, 42, 43, 44, 46, 49, 50, 53, 288,  # socket, connect, accept, sendto, sendmsg, bind, listen, socketpair, accept4
            57, 58, 59, 322,  # fork, vfork, execve, execveat
            62, 101, 200, 234, 310, 311, 434,  # kill, ptrace, tkill, tgkill, process_vm_*, pidfd_open
            76, 77, 82, 83, 84, 85, 86, 87, 88, 90, 91, 92, 93, 94, 133,  # truncate to lchown, mknod
            155, 161, 165, 166,  # pivot_root, chroot, mount, umount2
            258, 259, 260, 263, 264, 265, 266, 268, 316, 425,  # the same with *at, renameat2; io_uring_setup
        ),
    ),
    "aarch64": _Machine(
        architecture=0xC00000B7,
        clone=220,
        opens=((56, 2),),
        unknown=(435, 437),
        refused=(
            198, 199, 200, 201, 202, 203, 206, 211, 242,
            221, 281,
            117, 129, 130, 131, 270, 271, 434,
            45, 46, 52, 53, 54, 55,
            39, 40, 41, 51,
            33, 34, 35, 36, 37, 38, 276, 425,
        ),
    ),
}  # fmt: skip


def confine(memory_bytes: int, seconds: int) -> bool:
    """Bound this process; returns whether system calls are refused too. It cannot be undone.

    Args:
        memory_bytes: address space.
        seconds: of processor time.
    """
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # standard output is a pipe
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    machine = _MACHINES.get(platform.machine())
    return sys.platform == "linux" and machine is not None and _refuse_calls(machine)


def _refuse_calls(machine: _Machine) -> bool:
    program = b"".join(_instructions(machine))
    buffer = ctypes.create_string_buffer(program, len(program))
    filter_program = struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(buffer))
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    return int(library.prctl(_PR_SET_SECCOMP, _FILTER, ctypes.c_char_p(filter_program), 0, 0)) == 0


def _instructions(machine: _Machine) -> list[bytes]:
    """The filter. A jump counts the instructions that it skips."""
    rows = [
        _row(_LOAD, _ARCHITECTURE),
        _row(_EQUAL, machine.architecture, 1, 0),
        _row(_RETURN, _REFUSE),
        _row(_LOAD, _NUMBER),
        _row(_AT_LEAST, _OTHER_ABI, 0, 1),
        _row(_RETURN, _REFUSE),
    ]
    for call in machine.unknown:
        rows += [_row(_EQUAL, call, 0, 1), _row(_RETURN, _NO_SUCH_CALL)]
    for call in sorted(machine.refused):
        rows += [_row(_EQUAL, call, 0, 1), _row(_RETURN, _REFUSE)]
    for call, argument in machine.opens:
        rows += _only(call, argument, _FOR_WRITING, allowed_with_it=False)
    rows += _only(machine.clone, 0, _CLONE_THREAD, allowed_with_it=True)  # a thread is no other process
    return [*rows, _row(_RETURN, _ALLOW)]


def _only(call: int, argument: int, bits: int, *, allowed_with_it: bool) -> list[bytes]:
    """Allow a call only with, or only without, any of these bits in one of its arguments."""
    answers = (_ALLOW, _REFUSE) if allowed_with_it else (_REFUSE, _ALLOW)
    return [
        _row(_EQUAL, call, 0, 4),
        _row(_LOAD, _ARGUMENTS + 8 * argument),
        _row(_ANY_BIT, bits, 0, 1),
        _row(_RETURN, answers[0]),
        _row(_RETURN, answers[1]),
    ]


def _row(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, value)
