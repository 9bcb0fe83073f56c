"""The servers of one model: which is asked next, which is left out for a while, and what their failures mean."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from agent.errors import ModelUnavailable, Permanent, PrereadError, Transient
from agent.model.deadline import Deadline
from agent.model.http_call import Broken, Call, Head, HttpClient, Late, Unreachable
from agent.model.served_replies import Nonsense, ServerSaid, error_words, listed, without

# For so long a server that failed is asked only when no other answers.
LEFT_OUT_S = 30.0
LISTING_S = 15.0
# A server that was silent for less than this may only have had too little time.
SILENT_S = 5.0
# What a server says of a model that stays the same as long as the model does; dates and permissions do not.
_LASTING = ("id", "root", "parent", "owned_by", "max_model_len", "meta")
# The server is there and cannot serve at the moment, or not us: another may, and the study is not to blame.
_ELSEWHERE = {
    401: "refuses the key; see model.api_key_file",
    403: "refuses the key; see model.api_key_file",
    404: "does not know the address or the model; see model.base_urls and model.served_model",
    405: "is no model server; see model.base_urls",
    429: "is busy",
    502: "stands for a server that does not answer",
    503: "is not ready",
    504: "stands for a server that does not answer",
}


class _Trouble(Exception):
    """This server cannot be used now; another may. `wait_s`: as it said itself, else 0."""

    def __init__(self, words: str, code: str, wait_s: float = 0.0) -> None:
        super().__init__(words)
        self.words, self.code, self.wait_s = words, code, wait_s


@dataclass(slots=True)
class Server:
    """One base URL. `last_asked`: a running number; `checked`: it was seen to serve the wanted model since it last failed."""

    url: str
    in_flight: int = 0
    last_asked: int = 0
    out_until: float = float("-inf")
    checked: bool = False

    @property
    def place(self) -> str:
        """Host and port: what messages call it."""
        parts = urlsplit(self.url)
        return parts.netloc


@dataclass(frozen=True, slots=True)
class Entry:
    """What a server says of the model, as far as it lasts."""

    name: str
    said: dict[str, Any] = field(hash=False)


class Servers:
    """Least busy first, counting our own requests in flight.

    Args:
        urls: up to and with ``/v1``, without a slash at the end.
        name: the model's name there; empty for the only one that is listed.
        now: a clock that only goes forward, seconds.
    """

    def __init__(
        self, client: HttpClient, urls: Sequence[str], name: str, *, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._client, self._name, self._now = client, name, now
        self._servers = [Server(url) for url in urls]
        self._lock = threading.Lock()
        self._entry: Entry | None = None
        self._asked = 0

    @property
    def places(self) -> tuple[str, ...]:
        """Host and port of each."""
        return tuple(s.place for s in self._servers)

    def entry(self) -> Entry:
        """The model as the first server that answers lists it; every other has to list it likewise.

        Raises:
            ModelUnavailable: no server answers and lists it.
        """
        if self._entry is None:
            self._each(lambda server: self._check(server, Deadline(LISTING_S)))
            assert self._entry is not None
        return self._entry

    def survey(self) -> tuple[tuple[str, str], ...]:
        """Look at every server now: its place, and what is wrong with it, empty when nothing is. The first that lists the
        model says which build all have to serve."""
        found = []
        for server in self._servers:
            try:
                self._check(server, Deadline(LISTING_S))
                found.append((server.place, ""))
            except _Trouble as trouble:
                self._leave_out(server, LEFT_OUT_S)
                found.append((server.place, trouble.words))
        return tuple(found)

    @contextmanager
    def answer(
        self, body: dict[str, Any], deadline: Deadline, *, secret: Sequence[str], between: Callable[[], None] | None
    ) -> Iterator[tuple[Call, Head]]:
        """A call for a chat completion that a server has begun to answer with 200.

        Errors of the call inside the block are mapped, too, and hang up.

        Args:
            secret: texts of the request that must not be in any message.
            between: called while nothing comes; what it raises comes out unchanged.

        Raises:
            ModelUnavailable: no server can be used now.
            Transient: the server failed on this request, or the deadline passed.
            Permanent: the server says that the request is wrong.
        """
        server, call, head = self._each(lambda s: self._begin(s, body, deadline, secret, between))
        try:
            with call:
                yield call, head
        except (Late, Broken, Unreachable, Nonsense, ServerSaid) as error:
            raise self._mapped(server, error, deadline, secret) from error
        finally:
            with self._lock:
                server.in_flight -= 1

    def _each(self, attempt: Callable[[Server], Any]) -> Any:
        """The attempt's result at the first server where there is no trouble."""
        troubles: list[tuple[Server, _Trouble]] = []
        for server in self._in_order():
            try:
                return attempt(server)
            except _Trouble as trouble:
                self._leave_out(server, trouble.wait_s or LEFT_OUT_S)
                troubles.append((server, trouble))
        words = "; ".join(f"{s.place} {t.words}" for s, t in troubles)
        waits = [t.wait_s for _, t in troubles]
        raise ModelUnavailable(
            f"no model server can be used: {words}", code=troubles[0][1].code, wait_s=min(waits) or LEFT_OUT_S
        ) from troubles[-1][1]

    def _in_order(self) -> Iterator[Server]:
        """Those that are left out come last, the one whose time is up soonest first. Each once."""
        seen: list[Server] = []
        while len(seen) < len(self._servers):
            with self._lock:
                now = self._now()
                rest = [s for s in self._servers if s not in seen]
                in_use = [s for s in rest if s.out_until <= now]
                if in_use:
                    server = min(in_use, key=lambda s: (s.in_flight, s.last_asked))
                else:
                    server = min(rest, key=lambda s: s.out_until)
                self._asked += 1
                server.last_asked = self._asked
            seen.append(server)
            yield server

    def _leave_out(self, server: Server, seconds: float) -> None:
        with self._lock:
            server.out_until, server.checked = self._now() + seconds, False

    def _begin(
        self,
        server: Server,
        body: dict[str, Any],
        deadline: Deadline,
        secret: Sequence[str],
        between: Callable[[], None] | None,
    ) -> tuple[Server, Call, Head]:
        with self._lock:
            server.in_flight += 1
        try:
            if not server.checked:
                self._check(server, deadline, between)
            call = self._client.call("POST", f"{server.url}/chat/completions", deadline=deadline, body=body)
            try:
                head = call.head(between)
                if head.status != 200:
                    self._refused(head, call, secret)
            except Unreachable as error:
                raise _Trouble(str(error), "model-unreachable") from error
            except (Late, Broken) as error:
                raise self._mapped(server, error, deadline, secret) from error
            except BaseException:
                call.hang_up()
                raise
        except BaseException:
            with self._lock:
                server.in_flight -= 1
            raise
        with self._lock:
            server.out_until = float("-inf")
        return server, call, head

    def _check(self, server: Server, deadline: Deadline, between: Callable[[], None] | None = None) -> None:
        """See that the server lists the model, and as the others do. Raises `_Trouble`, or `Transient` in time."""
        entry = self._listed(server, deadline, between)
        with self._lock:
            if self._entry is None:
                self._entry = entry
        if entry != self._entry or entry.said != self._entry.said:
            raise _Trouble("serves another build of the model than was loaded", "model-replicas-differ")
        server.checked = True

    def _listed(self, server: Server, deadline: Deadline, between: Callable[[], None] | None) -> Entry:
        limit = Deadline(min(LISTING_S, max(deadline.left(), 0.0)))
        with self._client.call("GET", f"{server.url}/models", deadline=limit) as call:
            try:
                head = call.head(between)
                body = call.whole()
                if head.status != 200:
                    words = _ELSEWHERE.get(head.status, f"answers {head.status} when asked for its models")
                    raise _Trouble(words, "model-not-served", _retry_after(head))
                entries = listed(body)
            except Unreachable as error:
                raise _Trouble(str(error), "model-unreachable") from error
            except Late as error:
                raise _Trouble("does not answer when asked for its models", "model-unreachable") from error
            except (Broken, Nonsense) as error:
                raise _Trouble(f"is no model server ({error})", "model-not-served") from error
        wanted = [e for e in entries if e["id"] == self._name] if self._name else entries
        if len(wanted) != 1:
            names = ", ".join(e["id"][:80] for e in entries[:5]) or "nothing"
            why = f"not {self._name}" if self._name else "one of them has to be named in model.served_model"
            raise _Trouble(f"lists {names}; {why}", "model-not-served")
        return Entry(wanted[0]["id"], {k: wanted[0][k] for k in _LASTING if wanted[0].get(k) is not None})

    def _refused(self, head: Head, call: Call, secret: Sequence[str]) -> None:
        """Raise what a status other than 200 means."""
        status = head.status
        if status in _ELSEWHERE or 300 <= status < 400:
            words = _ELSEWHERE.get(status, "sends elsewhere; see model.base_urls")
            raise _Trouble(words, "model-busy" if status == 429 else "model-not-served", _retry_after(head))
        try:
            words = error_words(call.whole(), secret)
        except (Late, Broken):
            words = "no reason given"
        if status in (408, 425) or status >= 500 or status < 200:
            raise Transient(f"the model server failed on this study (HTTP {status}: {words})", code="model-failed")
        raise Permanent(f"the model server refuses the request (HTTP {status}: {words})", code="model-request-refused")

    def _mapped(self, server: Server, error: Exception, deadline: Deadline, secret: Sequence[str]) -> PrereadError:
        """What a reply that did not come to its end means."""
        if isinstance(error, Late):
            if error.silent and deadline.spent() >= SILENT_S:
                self._leave_out(server, LEFT_OUT_S)
            return Transient(
                f"the model server {server.place} was given up after {deadline.spent():.0f} s, before the end of its reply",
                code="model-timeout",
            )
        if isinstance(error, ServerSaid):
            words = without(error.words, secret)
            if error.code in (400, 413, 422):
                return Permanent(f"the model server refuses the request ({words})", code="model-request-refused")
            return Transient(f"the model server failed on this study ({words})", code="model-failed")
        self._leave_out(server, LEFT_OUT_S)
        if isinstance(error, Nonsense):
            return ModelUnavailable(
                f"what answers at {server.place} is no model server, or a broken one ({error})",
                code="model-reply-nonsense",
            )
        return Transient(f"the model server {server.place} {error}", code="model-reply-broken")


def _retry_after(head: Head) -> float:
    """Seconds to wait as the server says, 0 when it does not; a date is not read."""
    said = head.headers.get("retry-after", "")
    return float(min(max(int(said), 1), 300)) if said.isascii() and said.isdigit() and len(said) < 9 else 0.0
