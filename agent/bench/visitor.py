"""A browser without a screen: signs in, keeps its connection, asks for pages and says how long each took."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from types import TracebackType
from urllib.parse import urljoin, urlsplit

import httpx2

from agent.errors import Permanent

_LINKED = re.compile(r'<link[^>]+rel="stylesheet"[^>]+href="([^"]+)"|<script[^>]+src="([^"]+)"')
_IMPORTED = re.compile(r'(?:from|import)\s*\(?\s*"([^"]+\.js)"')


class Visitor:
    """A context manager."""

    def __init__(self, address: str) -> None:
        self._client = httpx2.Client(
            base_url=address,
            timeout=120.0,
            headers={"Accept": "text/html", "Origin": address, "Sec-Fetch-Site": "same-origin"},
        )

    def __enter__(self) -> Visitor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def sign_in(self, name: str, password: str) -> None:
        """Raises `Permanent` when it is refused."""
        done = self._client.post("/sign-in", data={"name": name, "password": password})
        if done.status_code != 303:
            raise Permanent(f"signing in was answered {done.status_code}", code="bench-refused")

    @property
    def cookies(self) -> dict[str, str]:
        """What a browser that is to be the same person needs."""
        return dict(self._client.cookies)

    def ask(self, path: str, form: Mapping[str, str] | None = None) -> tuple[float, str]:
        """Seconds until the whole page is there, after what the answer may lead to, and the page. Raises `Permanent` when there
        is none."""
        began = time.perf_counter()
        answer = self._client.get(path) if form is None else self._client.post(path, data=dict(form))
        if answer.status_code == 303:
            answer = self._client.get(answer.headers["location"])
        took = time.perf_counter() - began
        if answer.status_code != 200:
            raise Permanent(f"{path} was answered {answer.status_code}", code="bench-refused")
        return took, answer.text

    def weight(self, path: str) -> dict[str, int]:
        """Bytes of the page and of every sheet and script it loads, as they come over the wire; pictures are not among them."""
        _, page = self.ask(path)
        weights = {"page": len(page.encode())}
        waiting = list(_linked(page))
        language = re.search(r'<html lang="([^"]+)"', page)
        build = re.search(r'data-build="([^"]+)"', page)
        if waiting and language and build and any(name.endswith(".js") for name in waiting):
            waiting.append(f"/texts/{build.group(1)}/{language.group(1)}.json")
        while waiting:
            name = waiting.pop()
            if name in weights:
                continue
            answer = self._client.get(name)
            weights[name] = answer.num_bytes_downloaded
            if name.endswith(".js"):
                waiting += [urlsplit(urljoin(name, other)).path for other in _IMPORTED.findall(answer.text)]
        return weights


def _linked(page: str) -> Iterator[str]:
    for sheet, script in _LINKED.findall(page):
        yield sheet or script
