"""Style sheet, scripts and pictures of the pages: from this program alone, named by what they hold, kept by the browser."""

from __future__ import annotations

import hashlib
from pathlib import Path

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from agent.web.pages.texts import Texts
from agent.web.refused import Refused

_FOLDER = Path(__file__).parents[1] / "static"
_KINDS = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webmanifest": "application/manifest+json",
}
_FOREVER = {"Cache-Control": "public, max-age=31536000, immutable"}


class Assets:
    """Files below `static/`, read once. `build`: a digest of all of them and of the texts; it is part of every address."""

    def __init__(self, texts: Texts, folder: Path = _FOLDER) -> None:
        files = sorted(f for f in folder.rglob("*") if f.suffix in _KINDS)
        self._files = {f.relative_to(folder).as_posix(): f.read_bytes() for f in files if f.parent.name != "style"}
        # One sheet for the browser, a file a room for who writes it; in the order of their names, for later rules win.
        self._files["style.css"] = b"\n".join(f.read_bytes() for f in files if f.parent.name == "style")
        self._texts = texts
        digest = hashlib.sha256(repr(sorted(self._files.items())).encode())
        digest.update(repr([texts.of(name).everything() for name in texts.languages]).encode())
        self.build = digest.hexdigest()[:12]

    def url(self, name: str) -> str:
        """The address of a file. Raises `KeyError` when there is none."""
        if name not in self._files:
            raise KeyError(name)
        return f"/static/{self.build}/{name}"

    def router(self) -> APIRouter:
        """The files, and the texts for scripts."""
        routes = APIRouter()

        @routes.get("/static/{build}/{name:path}", include_in_schema=False)
        def file(build: str, name: str) -> Response:
            if name not in self._files:
                raise Refused(404, "not-found")
            headers = _FOREVER if build == self.build else {}
            return Response(self._files[name], media_type=_KINDS[Path(name).suffix], headers=headers)

        @routes.get("/texts/{build}/{language}.json", include_in_schema=False)
        def texts(build: str, language: str) -> Response:
            if language not in self._texts.languages:
                raise Refused(404, "not-found")
            headers = _FOREVER if build == self.build else {}
            return JSONResponse(self._texts.of(language).for_scripts(), headers=headers)

        return routes
