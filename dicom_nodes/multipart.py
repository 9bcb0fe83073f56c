"""multipart/related taken apart (RFC 2387, RFC 2046 5.1.1; PS3.18 8.6): the bodies in which DICOMweb sends images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message

_CRLF = b"\r\n"
_MOST_HEADERS = 16_384  # bytes before the body of a part


class MalformedMultipart(ValueError):
    """The bytes are not what their Content-Type says, or end before the closing boundary."""


@dataclass(frozen=True, slots=True)
class Part:
    """One body with its headers; their names in lower case."""

    headers: dict[str, str]
    body: bytes


def media_type(content_type: str) -> tuple[str, dict[str, str]]:
    """A Content-Type taken apart: the type in lower case, and its parameters without quotation marks (RFC 2045 5.1)."""
    message = Message()
    try:
        message["content-type"] = content_type.replace("\r", " ").replace("\n", " ")
        parameters = message.get_params(failobj=[], unquote=True)
    except (ValueError, IndexError):  # the parser's answer to some of what is no Content-Type
        return "", {}
    if not parameters:
        return "", {}
    return parameters[0][0].strip().lower(), {str(k).lower(): str(v) for k, v in parameters[1:]}


def parts(body: bytes, content_type: str) -> Iterator[Part]:
    """The parts of a body, in order.

    Raises:
        MalformedMultipart: it is no multipart, has no boundary, or is not whole.
    """
    kind, parameters = media_type(content_type)
    boundary = parameters.get("boundary", "")
    if not kind.startswith("multipart/") or not 1 <= len(boundary) <= 70 or not boundary.isascii():
        raise MalformedMultipart("the answer is not multipart, or names no boundary")
    delimiter = b"--" + boundary.encode("ascii")
    position = _after_preamble(body, delimiter)
    while True:
        if body.startswith(b"--", position):
            return
        start = _after_line_end(body, position)
        end = _next_delimiter(body, start, delimiter)
        yield _part(body[start:end])
        position = end + len(_CRLF) + len(delimiter)


def _after_preamble(body: bytes, delimiter: bytes) -> int:
    if body.startswith(delimiter):
        return len(delimiter)
    found = body.find(_CRLF + delimiter)
    if found < 0:
        raise MalformedMultipart("the boundary that the answer names is not in it")
    return found + len(_CRLF) + len(delimiter)


def _after_line_end(body: bytes, position: int) -> int:
    """Past the blanks that may follow a delimiter, and the end of its line."""
    end = body.find(_CRLF, position)
    if end < 0 or body[position:end].strip(b" \t"):
        raise MalformedMultipart("a boundary is not followed by the end of its line")
    return end + len(_CRLF)


def _next_delimiter(body: bytes, start: int, delimiter: bytes) -> int:
    """Where the line end before the next delimiter stands. The line end belongs to the delimiter; a part without headers and
    body may begin with it."""
    found = body.find(_CRLF + delimiter, max(0, start - len(_CRLF)))
    if found < 0:
        raise MalformedMultipart("the answer ends in the middle of a part")
    return found


def _part(content: bytes) -> Part:
    if content.startswith(_CRLF):
        return Part({}, content[len(_CRLF) :])
    head, parted, body = content.partition(_CRLF + _CRLF)
    if not parted:
        head, body = content.removesuffix(_CRLF), b""
    if len(head) > _MOST_HEADERS:
        raise MalformedMultipart("the headers of a part are too long")
    headers = {}
    for line in head.decode("latin-1").split("\r\n"):
        name, colon, value = line.partition(":")
        if colon:
            headers[name.strip().lower()] = value.strip()
    return Part(headers, body)
