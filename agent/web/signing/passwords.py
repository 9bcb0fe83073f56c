"""Passwords: argon2id, with the parameters of RFC 9106's second recommendation (64 MiB, 3 passes, 4 lanes)."""

from __future__ import annotations

import secrets
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from agent.errors import Transient

_HASHER = PasswordHasher()
_WORDS = "abcdefghijkmnpqrstuvwxyz23456789"  # none that looks like another
_AT_ONCE = 2  # each takes 64 MiB and a good part of a second of a core, which the line needs too
_PATIENCE_S = 10.0


def hashed(password: str) -> str:
    """What is kept of a password."""
    return _HASHER.hash(_stable(password))


def fits(kept: str, password: str) -> bool:
    """Whether that is the password. An account without one costs as much time as one with: nobody learns which names exist."""
    try:
        return _HASHER.verify(kept or _NOBODY, _stable(password)) and bool(kept)
    except (VerificationError, InvalidHashError):
        return False


def is_outdated(kept: str) -> bool:
    """Whether it was hashed with other parameters than today's."""
    return _HASHER.check_needs_rehash(kept)


def new_password() -> str:
    """One for the first sign-in: 20 characters, 100 bits, in groups that can be read out."""
    return "-".join("".join(secrets.choice(_WORDS) for _ in range(5)) for _ in range(4))


class Turnstile:
    """Lets few passwords be looked at at once, whoever tries how many."""

    def __init__(self) -> None:
        self._free = threading.BoundedSemaphore(_AT_ONCE)

    @contextmanager
    def one(self) -> Iterator[None]:
        """Wait for a turn. Raises `Transient` when it does not come soon."""
        if not self._free.acquire(timeout=_PATIENCE_S):
            raise Transient("too many people sign in at once; try again in a minute", code="busy")
        try:
            yield
        finally:
            self._free.release()


def _stable(password: str) -> str:
    """The same on every keyboard (NIST SP 800-63B 5.1.1.2: NFKC before hashing)."""
    return unicodedata.normalize("NFKC", password)


_NOBODY = hashed(secrets.token_hex())
