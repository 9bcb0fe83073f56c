"""What takes longer than a page may: the examination, and the proof that the audit trail is whole."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from agent.errors import Permanent
from agent.sentence import Sentence
from agent.store import audit_checks
from agent.web.context import WebContext
from agent.web.pages.texts import Words
from agent.web.tasks import Step, Task, Tasks, Teller

DOCTOR, AUDIT = "doctor", "audit"
_LONGEST_S = 600.0


def newest(tasks: Tasks, kind: str) -> Task | None:
    """The one that runs, or ran last."""
    return next((task for task in tasks.newest() if task.kind == kind), None)


def begin(tasks: Tasks, kind: str, work: Callable[[Teller], bool]) -> None:
    """Start it, unless one of its kind runs. Raises `Refused` when too much else goes on."""
    last = newest(tasks, kind)
    if last is None or last.ended_at is not None:
        tasks.start(kind, "", work)


def doctor(path: Path) -> Callable[[Teller], bool]:
    """The examination, as `preread doctor` makes it, step by step."""

    def work(say: Teller) -> bool:
        command = [sys.executable, "-m", "agent.doctor.child", str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as child:  # noqa: S603  our own interpreter
            killer = threading.Timer(_LONGEST_S, child.kill)
            killer.daemon = True
            killer.start()
            try:
                well = _told(child, say)
            finally:
                killer.cancel()
                child.kill()  # whatever went wrong here, nobody listens any more
        return well

    return work


def subject(what: str, t: Words) -> str:
    """What was looked at, in the reader's words: those of its kind, and its own name behind them. Empty where it has its name alone,
    as a library or a file has."""
    words = what.split(" ")
    for count in range(len(words), 0, -1):
        key = f"system.subject.{'-'.join(words[:count])}".lower()
        if t.has(key):
            return " ".join([t(key), *words[count:]])
    return ""


def meaning(step: Step, t: Words) -> str:
    """What the code of a finding means; empty where it has none, or nobody has words for it."""
    return t.code(step.code) if step.code else ""


def _told(child: subprocess.Popen[str], say: Teller) -> bool:
    assert child.stdout is not None
    bad = done = of = 0
    for line in child.stdout:
        said = json.loads(line)
        of = said.get("of", of)
        for check in said.get("checks", ()):
            sentences = [Sentence(**one) for one in check["said"]]
            say.step(check["what"], check["words"], state=check["state"], code=check["code"], said=sentences)
            bad += check["state"] == "bad"
        done += "checks" in said
        say.found(of=of, done=done)
    if not of or done < of:
        raise Permanent(
            "the process of the examination ended before it was done; try: preread doctor", code="doctor-ended"
        )
    return not bad


def audit(context: WebContext, by: str) -> Callable[[Teller], bool]:
    """Go through the chain of the audit trail, and write down what came out."""

    def work(say: Teller) -> bool:
        with context.ledger.read() as view:
            check = audit_checks.proved(view, by, now=context.clock.now())
        with context.ledger.begin() as tx:
            audit_checks.keep(tx, check)
        say.step("audit", check.broken, state="bad" if check.broken else "ok")
        return not check.broken

    return work
