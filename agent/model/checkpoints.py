"""Where the tiny checkpoint lies. Imports no engine: making it is a process of its own."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import agent
from agent.errors import Permanent


def tiny_checkpoint() -> Path:
    """Path of the tiny checkpoint, made now where there is none: in `$XDG_CACHE_HOME/cxr-preread` or
    `~/.cache/cxr-preread`.

    Raises:
        Permanent: it could not be made; the maker's own words are on standard error.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cxr-preread"
    target = cache / f"tiny-checkpoint-{_recipe()}"
    done = subprocess.run([sys.executable, "-m", "agent.model.tiny_checkpoint", str(target)], check=False)
    if done.returncode != 0:
        raise Permanent(f"the tiny checkpoint could not be made in {target}", code="checkpoint-not-made")
    return target


def _recipe() -> str:
    """Digest of what the checkpoint is made from, so that a changed recipe makes another one."""
    package = Path(agent.__file__).parent
    parts = [
        package / "model" / "tiny_checkpoint.py",
        package / "model" / "protocols" / "chexone.toml",
        package / "demo" / "phantom.py",
    ]
    return hashlib.sha256(b"".join(p.read_bytes() for p in parts)).hexdigest()[:12]
