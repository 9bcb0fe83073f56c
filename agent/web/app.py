"""The application: every router, what each answer has in common, and what becomes of errors."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from urllib.parse import quote

import structlog
from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse
from starlette.exceptions import HTTPException

from agent.errors import PrereadError
from agent.web import health
from agent.web.api import router as api
from agent.web.context import WebContext
from agent.web.door import Door
from agent.web.head import ONCE, Head
from agent.web.ledger import acts
from agent.web.ledger import pages as ledger
from agent.web.live import Live
from agent.web.numbers import pages as numbers
from agent.web.pages import films as film_pages
from agent.web.pages import judging, study
from agent.web.pages.assets import Assets
from agent.web.pages.render import Pages
from agent.web.pages.texts import Texts
from agent.web.peers import form_page, removing, trying_page
from agent.web.peers import pages as peers
from agent.web.person import caller
from agent.web.protection import Protection
from agent.web.refused import Refused
from agent.web.rights import RIGHTS
from agent.web.signing import account_page, oidc_pages, people_page, tokens_page
from agent.web.signing import pages as signing
from agent.web.signing.guard import Guard
from agent.web.study.films import Films
from agent.web.study.seen import Seen
from agent.web.system import pages as system
from agent.web.tasks import Tasks
from agent.web.worklist import page as worklist
from agent.web.worklist import stream, views_page

_SIGN_OUT = "/sign-out"


def make_app(context: WebContext) -> FastAPI:
    """Everything that is served. Functions of routes are plain ones: they run in threads, and may use the ledger.

    Raises:
        RuntimeError: a route has no line in the table of rights, or a line has no route.
    """
    texts = Texts()
    assets = Assets(texts)
    pages = Pages(context, texts, assets)
    films, seen = Films(context.files), Seen(context)
    guard, live, tasks = Guard(context), Live(context.ledger, context.clock), Tasks(context.clock)
    app = FastAPI(title="cxr-preread", docs_url=None, redoc_url=None, openapi_url=None, dependencies=[Depends(guard)])
    app.state.live, app.state.films = live, films
    app.state.routers = (
        health.router(context),
        assets.router(),
        signing.router(context, pages),
        oidc_pages.router(context, pages),
        account_page.router(context, pages),
        people_page.router(context, pages),
        tokens_page.router(context, pages),
        worklist.router(context, pages),
        views_page.router(context),
        stream.router(live, guard),
        study.router(context, pages, films, seen),
        film_pages.router(context, films, seen),
        acts.router(context, pages),
        ledger.router(context, pages),
        peers.router(context, pages, tasks),
        form_page.router(context, pages),
        removing.router(context, pages),
        trying_page.router(context, pages, tasks),
        judging.router(context, pages),
        system.router(context, pages),
        numbers.router(context, pages),
        api.router(context, live, guard),
    )
    for router in app.state.routers:
        app.include_router(router)
    app.add_middleware(Head)
    app.add_middleware(Door, web=context.settings.web)
    app.add_middleware(Protection, defect=lambda scope: _defect(pages, texts, Request(scope)))
    _answer_errors(app, pages, texts, guard)
    _nothing_without_a_right(app)
    return app


def routes_of(app: FastAPI) -> Iterator[tuple[str, str]]:
    """(method, path) of every route; HEAD is GET: `agent.web.head`."""
    for router in app.state.routers:
        for route in router.routes:
            yield from ((method, route.path) for method in sorted(route.methods or ()))


def _nothing_without_a_right(app: FastAPI) -> None:
    served, known = set(routes_of(app)), set(RIGHTS)
    if served != known:
        raise RuntimeError(
            f"routes without a right: {sorted(served - known)}; rights without a route: {sorted(known - served)}"
        )


def _answer_errors(app: FastAPI, pages: Pages, texts: Texts, guard: Guard) -> None:
    """To a page a page, to an interface JSON; codes only, for the words of an error may name a study."""

    def answer(request: Request, status: int, code: str) -> Response:
        if not _wants_page(request):
            return _error(texts, status, code)
        if code == "not-signed-in" and request.method != "GET" and request.url.path != _SIGN_OUT:
            # To be led away would lose what was filled in; a browser sends it again when this answer is loaded anew.
            return pages.html(request, "refused.html", status=401, code="signed-out-meanwhile")
        if code == "not-signed-in":
            wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
            wanted = "/" if wanted == _SIGN_OUT else wanted
            return RedirectResponse("/sign-in" if wanted == "/" else f"/sign-in?next={quote(wanted, safe='')}", 303)
        if code == "must-change" and request.method == "GET":
            return RedirectResponse("/account/password", 303)
        return pages.html(request, "refused.html", status=status, code=code)

    @app.exception_handler(Refused)
    def refused(request: Request, error: Refused) -> Response:
        return answer(request, error.status, error.code)

    @app.exception_handler(PrereadError)
    def said(request: Request, error: PrereadError) -> Response:
        structlog.get_logger().error("page not made", reason=error.code)
        return answer(request, 503, error.code)

    @app.exception_handler(RequestValidationError)
    def not_understood(request: Request, _: RequestValidationError) -> Response:
        return answer(request, 422, "not-understood")

    @app.exception_handler(HTTPException)
    def by_the_framework(request: Request, error: HTTPException) -> Response:
        if error.status_code == 400:  # a body that is no text, or no JSON: as one that is not what it should be
            return answer(request, 422, "not-understood")
        code = {404: "not-found", 405: "no-such-method"}.get(error.status_code, "refused")
        if _wants_page(request) and caller(request) is None:
            with contextlib.suppress(PrereadError):  # the page can be made for nobody
                guard.recognise(request)
        made = answer(request, error.status_code, code)
        made.headers.update(error.headers or {})
        if made.headers.get("allow") == "GET" and request.url.path not in ONCE:
            made.headers["allow"] = "GET, HEAD"
        return made


def _defect(pages: Pages, texts: Texts, request: Request) -> Response:
    """Something is wrong with the program. What is wrong may be the pages themselves."""
    if _wants_page(request):
        with contextlib.suppress(Exception):
            return pages.html(request, "refused.html", status=500, code="defect")
    return _error(texts, 500, "defect")


def _error(texts: Texts, status: int, code: str) -> Response:
    """For a program: the code, and what is said of it to programs, else on pages; in English, as all of the interface is."""
    t = texts.of("en")
    words = t(f"api.{code}") if t.has(f"api.{code}") else t.refused(code)
    made = JSONResponse({"error": {"code": code, "message": words or code}}, status)
    if status == 401:
        made.headers["WWW-Authenticate"] = "Bearer"  # RFC 9110 11.6.1
    return made


def _wants_page(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/api/")
