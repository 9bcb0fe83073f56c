"""One line of the examination, and how an attempt becomes one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agent.errors import PrereadError
from agent.plain import without_noise
from dicom_nodes.scu import NodeError


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the examination: `state` is ``ok``, ``note`` or ``bad``; `code` that of the error or alarm, where it is one."""

    what: str
    state: str
    words: str
    code: str = ""


def tried(what: str, attempt: Callable[[], Check | str]) -> Check:
    """What the attempt found; words alone are good news. Whatever it raises is a bad finding: a doctor that falls over
    examines nothing after that."""
    try:
        found = attempt()
    except PrereadError as error:
        return Check(what, "bad", str(error), error.code)
    except NodeError as error:
        return Check(what, "bad", str(error))
    except Exception as error:  # noqa: BLE001  process edge: no study is touched; the rest is still examined
        return Check(what, "bad", f"could not be examined: {type(error).__name__}: {without_noise(str(error))}")
    return found if isinstance(found, Check) else Check(what, "ok", found)


def examined(what: str, look: Callable[[], Sequence[Check]]) -> list[Check]:
    """Several lines at once, or one bad one about why there are none."""
    found: list[Check] = []

    def attempt() -> str:
        found.extend(look())
        return ""

    failure = tried(what, attempt)
    return found if failure.state == "ok" else [*found, failure]
