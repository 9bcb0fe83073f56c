"""A reading on its way through the guards of statements and regions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from agent.reading.guards.codes import Code, Effect, verdict
from agent.reading.guards.evidence import Draft, Evidence, Located
from agent.reading.statements import Statement
from structured_report.content import Finding, Laterality, Presence, Verdict
from structured_report.vocabulary import vocabulary


@dataclass(frozen=True, slots=True)
class Case:
    """What is known so far; a guard makes a new one.

    Attributes:
        findings: what the statements of the findings come to; each guard may take certainty back, never add any.
        sideless: findings whose side a guard took back; a box must not give it to them again.
        said / concluded / traced: the statements of the findings, of the impression and of the trace.
    """

    draft: Draft
    evidence: Evidence
    findings: tuple[Finding, ...]
    said: tuple[Statement, ...] = ()
    concluded: tuple[Statement, ...] = ()
    traced: tuple[Statement, ...] = ()
    regions: tuple[Located, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    sideless: frozenset[str] = frozenset()

    def finding(self, concept: str) -> Finding | None:
        """What is stated of a concept; None when nothing is."""
        return next((f for f in self.findings if f.concept == concept), None)

    def noting(self, code: Code, effect: Effect, sentence: str) -> Case:
        """With one more verdict."""
        return replace(self, verdicts=(*self.verdicts, verdict(code, effect, sentence)))

    def undetermined(self, concept: str) -> Case:
        """With that finding neither present nor absent."""
        return self._changing(concept, lambda f: replace(f, presence=Presence.UNDETERMINED))

    def without_side(self, concept: str) -> Case:
        """With no side for that finding; its presence stays."""
        case = self._changing(concept, lambda f: replace(f, laterality=None))
        return replace(case, sideless=self.sideless | {concept})

    def _changing(self, concept: str, change: Callable[[Finding], Finding]) -> Case:
        return replace(self, findings=tuple(change(f) if f.concept == concept else f for f in self.findings))


Guard = Callable[[Case], Case]


def named(concept: str) -> str:
    """What a reader calls a finding."""
    known = vocabulary().get(concept)
    return known.words[0] if known else concept.replace("_", " ")


def opposite(side: Laterality | None) -> Laterality | None:
    """Left for right; None for both and for neither."""
    return {Laterality.LEFT: Laterality.RIGHT, Laterality.RIGHT: Laterality.LEFT}.get(side) if side else None
