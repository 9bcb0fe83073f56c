"""The served engine: a model behind any OpenAI-compatible server, vLLM above all. Needs no engine on this machine.

The pictures travel with every question, as PNG, losslessly, and no larger than the local engine would show them; a
server that caches prefixes (vLLM does) encodes them once. Decoding is greedy as far as the API can say so.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

from PIL import Image

from agent.errors import Permanent, SettingsError
from agent.model.deadline import Deadline
from agent.model.http_call import Broken, HttpClient, Late
from agent.model.protocol import (
    MAX_PIXELS,
    MOST_PICTURES,
    Answer,
    Choice,
    ModelIdentity,
    Picture,
    check_choices,
    selected,
)
from agent.model.served_replies import (
    Completion,
    ServerSaid,
    choice_by_text,
    choice_by_tokens,
    completion,
    pieces,
)
from agent.model.servers import Entry, Servers
from agent.model.weights import licence_of

# Questions of one batch that are asked at the same time of all servers together.
AT_ONCE = 16
# The most that every server gives unless it is told otherwise.
TOP_LOGPROBS = 20
SHORT_ANSWER = 8
_SIDE = 28  # pixels: a picture's sides are multiples of it for this family
# The end of a turn as servers call it; whatever else ends a reply has cut it off.
_FINISHED, _GIVEN_UP = ("stop",), ("abort", "error")


def load_served(
    base_urls: Sequence[str],
    *,
    name: str = "",
    api_key_file: Path | None = None,
    ca_file: Path | None = None,
    for_commissioning: bool = False,
) -> ServedModel:
    """Find out what the servers serve.

    Args:
        base_urls: as in the settings, with or without ``/v1``.
        name: of the model on the servers; empty for the only one they list.

    Raises:
        ModelUnavailable: no server answers and lists the model.
        SettingsError: the key or the certificates cannot be read.
    """
    client = _client(base_urls, api_key_file, ca_file)
    try:
        servers = Servers(client, [with_version(url) for url in base_urls], name)
        return ServedModel(client, servers, servers.entry(), for_commissioning=for_commissioning)
    except BaseException:
        client.close()
        raise


def survey(
    base_urls: Sequence[str], *, name: str = "", api_key_file: Path | None = None, ca_file: Path | None = None
) -> tuple[tuple[str, str, str], ...]:
    """Look at every server: its host and port, what it serves, and what is wrong with it, empty when nothing is. Raises
    `SettingsError` as `load_served`."""
    client = _client(base_urls, api_key_file, ca_file)
    try:
        servers = Servers(client, [with_version(url) for url in base_urls], name)
        found = servers.survey()
        served = "" if all(trouble for _, trouble in found) else servers.entry().name
        return tuple((place, served, trouble) for place, trouble in found)
    finally:
        client.close()


def with_version(url: str) -> str:
    """A base URL as requests need it, ending in ``/v1``."""
    bare = url.rstrip("/")
    return bare if bare.endswith("/v1") else f"{bare}/v1"


def _client(base_urls: Sequence[str], api_key_file: Path | None, ca_file: Path | None) -> HttpClient:
    encrypted = any(url.lower().startswith("https:") for url in base_urls)
    return HttpClient(key=_key(api_key_file), ca_file=ca_file, encrypted=encrypted)


def _key(file: Path | None) -> str:
    if file is None:
        return ""
    try:
        key = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        words = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise SettingsError(f"model.api_key_file: {file} cannot be read ({words})", code="secret-unreadable") from error
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise SettingsError(f"model.api_key_file: {file} does not hold a key on one line", code="settings-invalid")
    return key


class ServedModel:
    """The `Model` of the seam, behind one or more servers that serve the same build."""

    def __init__(self, client: HttpClient, servers: Servers, entry: Entry, *, for_commissioning: bool = False) -> None:
        self._client, self._servers, self._entry = client, servers, entry
        self._knows_logprobs = True
        base = next((str(entry.said[k]) for k in ("root", "parent", "id") if k in entry.said), entry.name)
        said = json.dumps([base, entry.said], sort_keys=True, ensure_ascii=True)
        self._identity = ModelIdentity(
            name=entry.name,
            # Nobody here has seen the weights: it says who serves what under which name, and that is all.
            weights_digest=f"served:{hashlib.sha256(said.encode()).hexdigest()}",
            quantization="served",
            device=", ".join(servers.places),
            licence=licence_of(entry.name) or licence_of(base),
            engine=f"OpenAI-compatible server, owned by {entry.said.get('owned_by') or 'nobody named'}",
            for_commissioning=for_commissioning,
        )

    @property
    def identity(self) -> ModelIdentity:
        return self._identity

    def open_study(self, pictures: Sequence[Picture], *, system: str) -> ServedSession:
        if not 1 <= len(pictures) <= MOST_PICTURES:
            raise Permanent(
                f"a study is read from 1 to {MOST_PICTURES} pictures, not {len(pictures)}", code="picture-count"
            )
        return ServedSession(self, pictures, system=system)

    def close(self) -> None:
        self._client.close()

    def _body(self, **rest: Any) -> dict[str, Any]:
        """What every request says. A server may have defaults of its own, from the checkpoint for example."""
        body = {"model": self._entry.name, "temperature": 0, "seed": 0, **rest}
        if self._entry.said.get("owned_by") == "vllm":  # others refuse what the API does not know
            body["repetition_penalty"] = 1.0
        return body


class ServedSession:
    """The `StudySession` of the served engine. Nothing of a study stays with a server but what its cache holds."""

    def __init__(self, model: ServedModel, pictures: Sequence[Picture], *, system: str) -> None:
        self._model, self._system = model, system
        self._urls = [data_url(p) for p in pictures]

    def ask(
        self,
        prompt: str,
        *,
        pictures: Sequence[int],
        max_new_tokens: int,
        deadline_s: float,
        between_tokens: Callable[[], None] | None = None,
    ) -> Answer:
        deadline = Deadline(deadline_s)
        body = self._model._body(
            messages=self._messages(prompt, pictures),
            max_tokens=max_new_tokens,
            stream=True,
            stream_options={"include_usage": True},
        )
        text, parts, told, ended = "", 0, None, ""
        secret = (prompt, self._system)
        with self._model._servers.answer(body, deadline, secret=secret, between=between_tokens) as (call, head):
            if "json" in head.headers.get("content-type", ""):  # a server that does not stream
                stream = iter((completion(call.whole()).piece,))
            else:
                stream = pieces(call, between_tokens)
            for piece in stream:
                told = told if piece.tokens is None else piece.tokens
                ended = piece.ended or ended
                if piece.text:
                    text, parts = text + piece.text, parts + 1
                    deadline.pause_for(between_tokens)
                if deadline.left() < 0:
                    raise Late(silent=False)
            if not ended:
                raise Broken("ended its reply without saying how")
            if ended in _GIVEN_UP:
                raise ServerSaid(0, "it gave the reply up")
        return Answer(text, parts if told is None else told, ended in _FINISHED, deadline.spent())

    def choose(
        self, prompts: Sequence[str], *, pictures: Sequence[int], choices: Sequence[Sequence[str]], deadline_s: float
    ) -> tuple[Choice, ...]:
        check_choices(choices)
        deadline, stop = Deadline(deadline_s), threading.Event()
        with ThreadPoolExecutor(max_workers=max(1, min(AT_ONCE, len(prompts))), thread_name_prefix="probe") as pool:
            asked = [pool.submit(self._choose, p, pictures, choices, deadline, stop) for p in prompts]
            try:
                wait(asked, return_when=FIRST_EXCEPTION)
                failed = next((f for f in asked if f.done() and f.exception() is not None), None)
                if failed is not None:
                    failed.result()
            finally:
                stop.set()
                for one in asked:
                    one.cancel()
            return tuple(one.result() for one in asked)

    def close(self) -> None:
        self._urls = []

    def _choose(
        self,
        prompt: str,
        pictures: Sequence[int],
        choices: Sequence[Sequence[str]],
        deadline: Deadline,
        stop: threading.Event,
    ) -> Choice:
        messages = self._messages(prompt, pictures)
        if self._model._knows_logprobs:
            wanted = {"max_tokens": 1, "logprobs": True, "top_logprobs": TOP_LOGPROBS}
            reply = self._complete(prompt, self._model._body(messages=messages, **wanted), deadline, stop)
            found = None if reply.top is None else choice_by_tokens(reply.top, choices)
            if found is not None:
                return found
            if reply.top is None:
                self._model._knows_logprobs = False
        body = self._model._body(messages=messages, max_tokens=SHORT_ANSWER)
        return choice_by_text(self._complete(prompt, body, deadline, stop).piece.text, choices)

    def _complete(self, prompt: str, body: dict[str, Any], deadline: Deadline, stop: threading.Event) -> Completion:
        def another_failed() -> None:
            if stop.is_set():
                raise _Stopped

        answer = self._model._servers.answer(body, deadline, secret=(prompt, self._system), between=another_failed)
        with answer as (call, _):
            parts = []
            while part := call.read(another_failed):
                parts.append(part)
            reply = completion(b"".join(parts))
            if reply.piece.ended in _GIVEN_UP:
                raise ServerSaid(0, "it gave the reply up")
            return reply

    def _messages(self, prompt: str, pictures: Sequence[int]) -> list[dict[str, Any]]:
        shown = [
            {"type": "image_url", "image_url": {"url": self._urls[n]}} for n in selected(pictures, len(self._urls))
        ]
        return [
            {"role": "system", "content": self._system},
            {"role": "user", "content": [*shown, {"type": "text", "text": prompt}]},
        ]


class _Stopped(Exception):
    """Another question of the batch has failed."""


def data_url(picture: Picture) -> str:
    """A picture as a PNG in a URL; shape (rows, columns), uint8."""
    image = Image.fromarray(picture)
    rows, columns = picture.shape
    if rows * columns > MAX_PIXELS:
        image = image.resize(_fitting(rows, columns), Image.Resampling.BICUBIC)
    target = io.BytesIO()
    image.save(target, format="PNG")
    return "data:image/png;base64," + base64.b64encode(target.getvalue()).decode("ascii")


def _fitting(rows: int, columns: int) -> tuple[int, int]:
    """(width, height) of at most `MAX_PIXELS`, as the family's image processor would choose it itself."""
    scale = (rows * columns / MAX_PIXELS) ** 0.5
    height, width = (max(_SIDE, int(side / scale) // _SIDE * _SIDE) for side in (rows, columns))
    return width, height
