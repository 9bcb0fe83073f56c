"""Which passwords may be chosen: NIST SP 800-63B 5.1.1.2. Length, and not what anybody would guess; no rules of composition."""

from __future__ import annotations

import tomllib
import unicodedata
from pathlib import Path

SHORTEST, LONGEST = 12, 1024
_FEWEST_OTHER = 8  # characters beside the account's name
_FEWEST_DIFFERENT = 5
_COMMON = frozenset(tomllib.loads(Path(__file__).with_name("common_passwords.toml").read_text("utf-8"))["passwords"])


def why_not(password: str, name: str) -> str:
    """Why that account may not have that password, as a code; empty when it may. Length counts characters, not bytes."""
    stable = unicodedata.normalize("NFKC", password)
    bare = "".join(stable.casefold().split())
    if len(stable) < SHORTEST:
        return "too-short"
    if len(stable) > LONGEST:
        return "too-long"
    if name.casefold() in bare and len(bare.replace(name.casefold(), "")) < _FEWEST_OTHER:
        return "name-in-it"
    if bare in _COMMON or len(set(bare)) < _FEWEST_DIFFERENT:
        return "too-common"
    return ""
