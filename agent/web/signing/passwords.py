"""Passwords: argon2id, with the parameters of RFC 9106's second recommendation (64 MiB, 3 passes, 4 lanes)."""

from __future__ import annotations

import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

_HASHER = PasswordHasher()
_WORDS = "abcdefghijkmnpqrstuvwxyz23456789"  # none that looks like another


def hashed(password: str) -> str:
    """What is kept of a password."""
    return _HASHER.hash(password)


def fits(kept: str, password: str) -> bool:
    """Whether that is the password. An account without one costs as much time as one with: nobody learns which names exist."""
    try:
        return _HASHER.verify(kept or _NOBODY, password) and bool(kept)
    except (VerificationError, InvalidHashError):
        return False


def new_password() -> str:
    """One for the first sign-in: 20 characters, 100 bits, in groups that can be read out."""
    return "-".join("".join(secrets.choice(_WORDS) for _ in range(5)) for _ in range(4))


_NOBODY = hashed(secrets.token_hex())
