"""One line of the examination, and how an attempt becomes one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agent.errors import PrereadError
from agent.in_words import english
from agent.plain import without_noise
from agent.sentence import Sentence, sentence
from dicom_nodes.scu import (
    AssociationRejected,
    NoAcceptedContext,
    NodeError,
    PeerSilent,
    PeerUnreachable,
    UnusableCertificates,
)

# As the ledger calls the same.
_CODES: dict[type[NodeError], str] = {
    PeerUnreachable: "peer-unreachable",
    PeerSilent: "no-answer",
    AssociationRejected: "association-rejected",
    NoAcceptedContext: "no-presentation-context",
    UnusableCertificates: "certificates-unusable",
}


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the examination: `state` is ``ok``, ``note`` or ``bad``; `words` are those of the command; `code` that of the error
    or alarm, where it is one; `said` the same for a reader of another language."""

    what: str
    state: str
    words: str
    code: str = ""
    said: tuple[Sentence, ...] = ()


def finding(what: str, state: str, *said: Sentence, command: str = "", code: str = "") -> Check:
    """A line that says these sentences. `command`: what is called at a command line to do what the last of them says."""
    words = english(*said)
    return Check(what, state, f"{words}: {command}" if command else words, code, said)


def failed(what: str, error: Exception, code: str = "") -> Check:
    """A bad line about an error, in its own words."""
    return finding(what, "bad", sentence("error", detail=str(error)), code=code)


def tried(what: str, attempt: Callable[[], Check | Sequence[Sentence]]) -> Check:
    """What the attempt found; sentences alone are good news. Whatever it raises is a bad finding: a doctor that falls over
    examines nothing after that."""
    try:
        found = attempt()
    except PrereadError as error:
        return failed(what, error, error.code)
    except NodeError as error:
        return failed(what, error, _CODES.get(type(error), ""))
    except Exception as error:  # noqa: BLE001  process edge: no study is touched; the rest is still examined
        words = f"{type(error).__name__}: {without_noise(str(error))}"
        return finding(what, "bad", sentence("not-examined", detail=words))
    return found if isinstance(found, Check) else finding(what, "ok", *found)


def examined(what: str, look: Callable[[], Sequence[Check]]) -> list[Check]:
    """Several lines at once, or one bad one about why there are none."""
    found: list[Check] = []

    def attempt() -> tuple[Sentence, ...]:
        found.extend(look())
        return ()

    failure = tried(what, attempt)
    return found if failure.state == "ok" else [*found, failure]
