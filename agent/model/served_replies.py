"""What an OpenAI-compatible server sends, taken apart. Nothing here trusts its shape."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from agent.model.http_call import Broken, Call
from agent.model.protocol import Choice

# Words of a server's error that say nothing about a patient, although prompts have them too.
_EVERYDAY = frozenset(
    {
        "a", "an", "and", "are", "as", "at", "be", "by", "for", "from", "has", "have", "in", "is", "it", "its",
        "longer", "maximum", "may", "model", "must", "no", "not", "of", "on", "or", "please", "request", "requested",
        "than", "that", "the", "this", "to", "too", "was", "with", "you", "your", "image", "images", "length", "token",
        "tokens", "context", "message", "messages",
    }
)  # fmt: skip
_WORD = re.compile(r"[^\s\"'`.,;:!?(){}\[\]<>=/|]+")
_MOST_WORDS = 160


class Nonsense(Exception):
    """The reply has not the shape that the API gives it."""


class ServerSaid(Exception):
    """An error that came where a reply should have gone on. `code`: an HTTP status, or 0."""

    def __init__(self, code: int, words: str) -> None:
        # Its words may repeat ours: they are shown only as `without` leaves them.
        super().__init__("the server said so in its reply")
        self.code, self.words = code, words


@dataclass(slots=True)
class Piece:
    """One part of a reply: its text, how it ended (empty: it goes on), and tokens so far where the server says."""

    text: str
    ended: str
    tokens: int | None


def pieces(call: Call, between: Callable[[], None] | None) -> Iterator[Piece]:
    """The parts of a streamed reply, as they come.

    Raises:
        Nonsense: before the first part, so that it is no model server; later it is `Broken`.
        ServerSaid: an error instead of the next part.
        Exception: what `Call.read` raises.
    """
    begun = False
    try:
        for data in _events(call, between):
            piece = _piece(_object(data))
            begun = True
            yield piece
    except Nonsense as error:
        if begun:
            raise Broken(f"broke off into something else ({error})") from error
        raise


def _piece(chunk: dict[str, Any]) -> Piece:
    if "error" in chunk:
        raise ServerSaid(*_error(chunk))
    choices = _field(chunk, "choices", list)
    if not choices:
        return Piece("", "", _tokens(chunk))
    text = _text(_field(choices[0], "delta", dict))
    return Piece(text, str(choices[0].get("finish_reason") or ""), _tokens(chunk))


def _events(call: Call, between: Callable[[], None] | None) -> Iterator[str]:
    """The data of server-sent events, up to the end of the stream or ``[DONE]``."""
    rest = b""
    while piece := call.read(between):
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            name, _, value = line.rstrip(b"\r").partition(b":")
            if name != b"data":
                if name and name not in (b"event", b"id", b"retry"):
                    raise Nonsense("not an event stream")
                continue
            data = value.strip()
            if data == b"[DONE]":
                return
            yield data.decode("utf-8", errors="replace")
    if rest.startswith(b"data:"):
        raise Broken("ended in the middle of an event")
    if rest.strip():
        raise Nonsense("not an event stream")


@dataclass(frozen=True, slots=True)
class Completion:
    """A reply that came whole. `top`: the likeliest first tokens with their log-probabilities, None when the server does
    not say."""

    piece: Piece
    top: tuple[tuple[str, float], ...] | None


def completion(body: bytes) -> Completion:
    """A reply that was not streamed. Raises `Nonsense`, or `Broken` when only its numbers are."""
    whole = _object(body.decode("utf-8", errors="replace"))
    choices = _field(whole, "choices", list)
    if not choices:
        raise Nonsense("a reply without choices")
    message = _field(choices[0], "message", dict)
    return Completion(
        Piece(_text(message), str(choices[0].get("finish_reason") or ""), _tokens(whole)), _top(choices[0])
    )


def _top(choice: dict[str, Any]) -> tuple[tuple[str, float], ...] | None:
    logprobs = choice.get("logprobs")
    if logprobs is None:
        return None
    content = logprobs.get("content") if isinstance(logprobs, dict) else None
    if not isinstance(content, list) or not content:
        return None
    found = []
    for entry in _field(content[0], "top_logprobs", list):
        token, value = _field(entry, "token", str), entry.get("logprob")
        if not isinstance(value, int | float) or isinstance(value, bool) or not value <= 1e-3:
            raise Broken("sent a log-probability that is none")
        found.append((token, float(max(value, -1e9))))
    return tuple(found) or None


def choice_by_tokens(top: Sequence[tuple[str, float]], choices: Sequence[Sequence[str]]) -> Choice | None:
    """The choice from the likeliest first tokens; None when no spelling of any choice is among them."""
    spellings = [{s.strip() for s in each} for each in choices]
    shares = [sum(math.exp(p) for token, p in top if token.strip() in each) for each in spellings]
    total = sum(shares)
    if total <= 0:
        return None
    first = max(top, key=lambda pair: pair[1])[0].strip()
    chosen = next((n for n, each in enumerate(spellings) if first in each), None)
    return Choice(tuple(p / total for p in shares), chosen)


def choice_by_text(text: str, choices: Sequence[Sequence[str]]) -> Choice:
    """The choice that a short answer in words begins with, as a whole word; without shares."""
    said = text.strip().lstrip("*([\"' ")
    for n, spellings in enumerate(choices):
        for spelling in (s.strip() for s in spellings):
            if said.startswith(spelling) and not said[len(spelling) : len(spelling) + 1].isalnum():
                return Choice(None, n)
    return Choice(None, None)


def error_words(body: bytes, secret: Sequence[str]) -> str:
    """A server's own words about an error, shortened, and without any word of what it was sent.

    Servers like to repeat what they did not understand, and a prompt may hold the indication of a patient.

    Args:
        secret: the texts that were sent.
    """
    try:
        words = _error(_object(body.decode("utf-8", errors="replace")))[1]
    except Nonsense:
        return "no reason given in a form that is understood"
    return without(words, secret)


def without(words: str, secret: Sequence[str]) -> str:
    """The words, shortened, each word that was in the secret texts, or might be a part of one, replaced."""
    known = {w.casefold() for text in secret for w in _WORD.findall(text)} - _EVERYDAY

    def safe(word: str) -> bool:
        low = word.casefold()
        if low in _EVERYDAY:
            return True
        if not word.isascii() or "\\" in word or len(word) > 40:
            return False
        return not any(low in k or (len(k) > 2 and k in low) for k in known)

    shown = _WORD.sub(lambda m: m[0] if safe(m[0]) else "…", " ".join(words.split()))
    shown = re.sub(r"…(\W*…)+", "…", "".join(c for c in shown if c.isprintable()))
    return shown if len(shown) <= _MOST_WORDS else shown[:_MOST_WORDS] + "…"


def _error(said: dict[str, Any]) -> tuple[int, str]:
    """Code and words of the forms that errors have: OpenAI's, vLLM's, FastAPI's."""
    found = next((said[key] for key in ("error", "detail", "message") if said.get(key)), "")
    code = 0
    if isinstance(found, dict):
        number = found.get("code")
        code = number if isinstance(number, int) else 0
        found = found.get("message", "")
    if isinstance(found, list):
        found = "; ".join(str(e.get("msg", "")) for e in found if isinstance(e, dict))
    return code, str(found) or "no reason given"


def _text(message: dict[str, Any]) -> str:
    """All that the model wrote, with what the server took for a reasoning trace."""
    parts = [message.get(key) for key in ("reasoning_content", "reasoning", "content")]
    if parts[0] and parts[1]:  # the same under two names
        parts[1] = None
    if any(p is not None and not isinstance(p, str) for p in parts):
        raise Nonsense("text that is none")
    return "".join(p for p in parts if p)


def _tokens(reply: dict[str, Any]) -> int | None:
    usage = reply.get("usage")
    tokens = usage.get("completion_tokens") if isinstance(usage, dict) else None
    return tokens if isinstance(tokens, int) and tokens >= 0 else None


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise Nonsense("not JSON") from None  # the decoder's error holds the whole text
    if not isinstance(value, dict):
        raise Nonsense("not a JSON object")
    return value


def _field(value: Any, key: str, kind: type) -> Any:
    found = value.get(key) if isinstance(value, dict) else None
    if not isinstance(found, kind):
        raise Nonsense(f"{key} is missing or of the wrong kind")
    return found


def listed(body: bytes) -> list[dict[str, Any]]:
    """The entries of ``/v1/models``. Raises `Nonsense`."""
    entries = _field(_object(body.decode("utf-8", errors="replace")), "data", list)
    if not all(isinstance(e, dict) and isinstance(e.get("id"), str) for e in entries):
        raise Nonsense("models without names")
    return list(entries)
