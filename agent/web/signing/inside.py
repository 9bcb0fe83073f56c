"""Where a person may be sent after signing in: a path of this site, and nowhere else."""

from __future__ import annotations

from urllib.parse import unquote


def inside(target: str) -> str:
    """The path with its query, or `/` for anything that a browser, or a proxy that decodes once or twice, could take for the
    address of another site."""
    if not target.isascii() or " " in target or "\\" in target:
        return "/"
    shown = target
    for _ in range(3):
        if not shown.isprintable() or not shown.startswith("/") or shown.startswith(("//", "/\\")):
            return "/"
        shown = unquote(shown)
    return target
