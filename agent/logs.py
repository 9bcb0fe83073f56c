"""Logs: JSON lines on standard error, without patient data.

What may be logged is an allow-list of keys. A key that is not on it is dropped and named, so that a careless line
shows up in review and not in a breach.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import MutableMapping
from typing import Any, TextIO, cast

import structlog

ALLOWED = frozenset(
    {
        "event", "level", "timestamp", "logger", "role", "pid", "reason", "code", "state", "status", "study",
        "revision", "images", "kind",
        "destination", "peer", "attempts", "failures", "job", "outcome", "seconds", "documents", "free_bytes",
        "calling_ae_title",
        "called_ae_title", "address", "port", "host", "error_type", "exception", "exit_code", "wait_s", "path",
        "model", "device", "quantization",
        "licence", "count", "dropped_keys", "words",
    }
)  # fmt: skip


def _only_allowed(_logger: Any, _method: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    kept = {k: v for k, v in fields.items() if k in ALLOWED}
    if dropped := sorted(set(fields) - ALLOWED):
        kept["dropped_keys"] = dropped
    return kept


def _frames_only(_logger: Any, _method: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Where an exception came from, but not its message: a library's message may quote what it was given."""
    given = fields.pop("exc_info", None)
    error = sys.exc_info()[1] if given is True else given
    if isinstance(error, BaseException):
        trace, frames = error.__traceback__, []
        while trace is not None:
            frames.append(f"{trace.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}")
            trace = trace.tb_next
        fields["exception"] = f"{type(error).__name__} at {' > '.join(frames)}"
    return fields


class Unfailing:
    """A stream whose troubles are not those of who writes to it. A log whose disk is full, or whose reader has gone, must not
    stop what it tells of."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            self._stream.write(text)
        except (OSError, ValueError):  # ValueError: it was closed
            pass
        return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except (OSError, ValueError):
            pass


def configure(level: str, role: str, stream: TextIO | None = None) -> None:
    """Set up logging for this process; everything goes to `stream`, by default standard error."""

    def of_role(_logger: Any, _method: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        return {"role": role, **fields}  # in every thread; a context would be that of this one alone

    structlog.configure(
        processors=[
            of_role,
            structlog.processors.add_log_level,
            _frames_only,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _only_allowed,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(cast(TextIO, Unfailing(stream or sys.stderr))),
        cache_logger_on_first_use=False,
    )
    # Libraries log what they are given, patients included: none of it is let through.
    logging.getLogger().handlers[:] = [logging.NullHandler()]
    logging.captureWarnings(True)


def speak_for_the_uncaught() -> None:
    """What nobody catches is a log line, too. The interpreter's own words have the message of the exception in them, which may quote
    what somebody sent; it would write them for a thread that ends, for the whole process, and for a finalizer."""

    def say(event: str, error: BaseException | None) -> None:
        structlog.get_logger().critical(event, error_type=type(error).__name__, exc_info=error)

    sys.excepthook = lambda _kind, error, _trace: say("ended by an error that nobody caught", error)
    threading.excepthook = lambda said: say("a thread ended by an error that nobody caught", said.exc_value)
    sys.unraisablehook = lambda said: say("an error where none can be raised", said.exc_value)
