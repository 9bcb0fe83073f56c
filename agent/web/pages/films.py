"""The films of a study: a preview at once, how it is shown, and every stored value. Only what belongs to the study is answered."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from agent.errors import Permanent
from agent.web.context import WebContext
from agent.web.keys import RevisionInQuery
from agent.web.refused import Refused
from agent.web.study.case import Film, film_of
from agent.web.study.films import Films
from agent.web.study.seen import Seen

_GONE = ("file-lost", "file-damaged")


def router(context: WebContext, films: Films, seen: Seen) -> APIRouter:
    """Three answers about one film."""
    routes = APIRouter()

    def found(request: Request, uid: str, sop_instance_uid: str, revision: int | None) -> Film:
        with context.ledger.read() as view:
            film = film_of(view, uid, sop_instance_uid, revision)
        if film is None:
            raise Refused(404, "not-found")
        seen.note(request, film.study_instance_uid, film.facts.patient_id)
        return film

    @routes.get("/studies/{uid}/images/{sop_instance_uid}/preview")
    def preview(request: Request, uid: str, sop_instance_uid: str, revision: RevisionInQuery = None) -> Response:
        film = found(request, uid, sop_instance_uid, revision)
        try:
            return Response(films.shown(film).preview, media_type="image/jpeg")
        except Permanent as error:
            raise _refused(error) from error

    @routes.get("/studies/{uid}/images/{sop_instance_uid}/about")
    def about(request: Request, uid: str, sop_instance_uid: str, revision: RevisionInQuery = None) -> Response:
        film = found(request, uid, sop_instance_uid, revision)
        try:
            return JSONResponse(films.shown(film).about)
        except Permanent as error:
            raise _refused(error) from error

    @routes.get("/studies/{uid}/images/{sop_instance_uid}/values")
    def values(request: Request, uid: str, sop_instance_uid: str, revision: RevisionInQuery = None) -> Response:
        film = found(request, uid, sop_instance_uid, revision)
        try:
            packed = films.packed_values(film)
        except Permanent as error:
            raise _refused(error) from error
        return Response(packed, media_type="application/octet-stream", headers={"Content-Encoding": "gzip"})

    return routes


def _refused(error: Permanent) -> Refused:
    """Gone is not the same as cannot be shown: the one may be restored, the other never will."""
    return Refused(410 if error.code in _GONE else 422, error.code)
