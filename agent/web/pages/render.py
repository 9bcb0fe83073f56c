"""Templates into answers: escaped, in the reader's language, in the site's time zone."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import jinja2
from fastapi import Request, Response
from fastapi.responses import HTMLResponse

from agent.in_words import pieces
from agent.version import VERSION
from agent.web.context import WebContext
from agent.web.pages.assets import Assets
from agent.web.pages.early import why_early
from agent.web.pages.said import told
from agent.web.pages.texts import Texts, Words
from agent.web.person import caller
from agent.web.rights import Right

_TEMPLATES = Path(__file__).parents[1] / "templates"
THEMES = ("light", "dark", "reading-room")


# Embeddings, overrides and isolates (Unicode 9, 3.1): they change in which order what is beside them is seen.
_DIRECTIONS = dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A)))


def _as_it_stands(value: object) -> object:
    """What an expression of a template gives, without characters that turn others round: a Patient ID of 4321 must not look like
    1234. Letters of every script keep their own direction."""
    return value.translate(_DIRECTIONS) if isinstance(value, str) and not value.isascii() else value


class Pages:
    """Makes pages. Every template is given `t` (texts), `me` (who looks, or None), `may`, `asset`, `language`, `theme`,
    `pieces` (of a sentence, in the reader's language)."""

    def __init__(self, context: WebContext, texts: Texts, assets: Assets) -> None:
        self._context, self._texts, self._assets = context, texts, assets
        self._zone = context.settings.web.zone
        self._environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(_TEMPLATES),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            finalize=_as_it_stands,
        )
        self._environment.filters["moment"] = self.moment
        self._environment.filters["day"] = self.day
        self._environment.filters["told"] = told
        self._environment.filters["why_early"] = why_early

    @property
    def languages(self) -> tuple[str, ...]:
        """Those that there are texts in."""
        return self._texts.languages

    def html(self, request: Request, template: str, *, status: int = 200, **values: Any) -> Response:
        """A whole page."""
        return HTMLResponse(self.text(request, template, **values), status)

    def text(self, request: Request, template: str, **values: Any) -> str:
        """A page, or a part of one, as text."""
        me = caller(request)
        language = self.language(request)
        return self._environment.get_template(template).render(
            t=self._texts.of(language),
            me=me,
            may=lambda right: me is not None and me.may(Right[right]),
            asset=self._assets.url,
            build=self._assets.build,
            language=language,
            theme=(me.theme if me else "") or request.cookies.get("theme", ""),
            path=request.url.path,
            moment=self.moment,
            version=VERSION,
            pieces=lambda one: pieces(one, self._texts.of(language), language),
            **values,
        )

    def words(self, request: Request) -> Words:
        """The texts in the reader's language."""
        return self._texts.of(self.language(request))

    def has(self, request: Request, key: str) -> bool:
        """Whether there is such a text."""
        return self._texts.of(self.language(request)).has(key)

    def language(self, request: Request) -> str:
        """The reader's own choice, else what the browser asks for, else the site's."""
        me = caller(request)
        if me is not None and me.language in self._texts.languages:
            return me.language
        return self._texts.asked_for(request.headers.get("accept-language", ""), self._context.settings.web.language)

    def moment(self, value: datetime | None) -> str:
        """Date and time to the second, in the site's zone."""
        return "" if value is None else value.astimezone(self._zone).strftime("%Y-%m-%d %H:%M:%S")

    def day(self, value: datetime | None) -> str:
        """The date, in the site's zone."""
        return "" if value is None else value.astimezone(self._zone).strftime("%Y-%m-%d")
