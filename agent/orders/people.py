"""Whose is it by now? What was said of patients (ADT^A08, ADT^A40), laid over what an image says.

An image is never altered. What holds of its patient is a function of everything that was heard, and not of when this program
looked: images, corrections and merges may come in any order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from agent.priors.identity import is_other_name, same_birth_date, same_name
from structured_report.content import Patient

Identifier = tuple[str, str]
"""Patient ID and issuer; the issuer is empty where nobody names one."""


@dataclass(frozen=True, slots=True)
class Statement:
    """What one message says of a patient. With `gone` it is a merge: what was filed under that identifier is `patient`'s."""

    id: int
    message_id: int
    patient: Patient
    gone: Patient | None = None


@dataclass(frozen=True, slots=True)
class Overlay:
    """One attribute that holds otherwise than the image says, and the message that said so."""

    attribute: str
    was: str
    now: str
    message_id: int


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why a person has to look. `words` name attributes and no values."""

    code: str
    words: str


@dataclass(frozen=True, slots=True)
class Identified:
    """A patient with what was heard of him or her; where there is a doubt it is the patient as the image has it."""

    patient: Patient
    overlays: tuple[Overlay, ...] = ()
    doubt: Doubt | None = None


_AMBIGUOUS = Doubt(
    "patient-ambiguous",
    "what was heard of the images' Patient ID fits more than one patient: two issuers use it, or it was merged into two others",
)
_CONTRADICTED = Doubt(
    "patient-contradicted",
    "what was heard of the images' Patient ID agrees with them neither in Patient's Name nor in Patient's Birth Date",
)


class Registry:
    """All that was heard of some patients.

    Args:
        statements: in any order; they are taken in that of their ids, which is the order in which they were heard.
        issuer: of Patient IDs that name none; empty when the site has not said.
    """

    def __init__(self, statements: Iterable[Statement], issuer: str = "") -> None:
        self._statements = sorted(statements, key=lambda s: s.id)
        self._issuer = issuer.strip()
        self._named = self._issuers()
        self._merged_into: dict[Identifier, list[tuple[Identifier, int]]] = {}
        for statement in self._statements:
            self._merge(statement)

    def identify(self, patient: Patient, *, trusted: bool = False) -> Identified:
        """The patient as he or she is called by now.

        Args:
            trusted: a person has said that what was heard is of this patient: the images' name and birth date need not agree.
        """
        if not patient.patient_id.strip():
            return Identified(patient)
        identifier = self._identifier(patient)
        if identifier is None:
            return Identified(patient, doubt=_AMBIGUOUS)
        roots = self._roots(identifier, frozenset())
        if len(roots) != 1:
            return Identified(patient, doubt=_AMBIGUOUS)
        (root,) = roots
        said = [s for s in self._statements if self._identifier(s.patient) == root]
        if not trusted and self._contradicts(patient, identifier, root, said):
            return Identified(patient, doubt=_CONTRADICTED)
        return self._overlaid(patient, identifier, root, said)

    def merged_away(self, patient: Patient) -> tuple[Identifier, ...]:
        """The identifiers that were merged into that of the patient, the newest merge first: what was filed under them is his or hers.

        Only of the same issuer. Nothing where there is any doubt about the patient, or where the identifier has been merged on
        since. None is among them that two issuers use, that was merged into two others, or of which something was said after
        the merge: it may be another patient's by now.
        """
        identifier = self._identifier(patient)
        if identifier is None or self.identify(patient).doubt is not None:
            return ()
        found = []
        for gone in self._merged_into:
            merge = self._merge_that_stands(gone)
            if merge is not None and self._leads_to(gone, identifier):
                found.append((merge, gone))
        return tuple(gone for _, gone in sorted(found, reverse=True))

    def _leads_to(self, gone: Identifier, root: Identifier) -> bool:
        """Whether that identifier was merged into the other and no further, by steps of which each stands."""
        at, seen = gone, set[Identifier]()
        while into := self._merged_into.get(at):
            if at in seen or len(into) > 1 or at[1] != root[1] or self._merge_that_stands(at) is None:
                return False
            seen.add(at)
            at = into[0][0]
        return at == root

    def _merge_that_stands(self, gone: Identifier) -> int | None:
        """Id of the statement that merged the identifier away, where no other issuer uses it and nothing was said of it since."""
        if len(self._named.get(gone[0], ())) > 1:
            return None
        merges = [s.id for s in self._statements if s.gone is not None and self._identifier(s.gone) == gone]
        merged = max(merges, default=None)
        if merged is None:
            return None
        since = any(s.id > merged and self._identifier(s.patient) == gone for s in self._statements)
        return None if since else merged

    def _overlaid(
        self, patient: Patient, identifier: Identifier, root: Identifier, said: Sequence[Statement]
    ) -> Identified:
        now, overlays = patient, list[Overlay]()
        if root != identifier:
            message = self._last_step(identifier)
            issuer = root[1] if patient.issuer.strip() else ""
            overlays.append(Overlay("Patient ID", patient.patient_id, root[0], message))
            if issuer and issuer != patient.issuer.strip():
                overlays.append(Overlay("Issuer of Patient ID", patient.issuer, issuer, message))
            now = replace(now, patient_id=root[0], issuer=issuer)
        for field, attribute, differs in _CORRECTED:
            newest = next((s for s in reversed(said) if getattr(s.patient, field).strip()), None)
            if newest is None:
                continue
            value, was = str(getattr(newest.patient, field)), str(getattr(patient, field))
            if differs(was, value):
                overlays.append(Overlay(attribute, was, value, newest.message_id))
                now = replace(now, **{field: value})
        return Identified(now, tuple(overlays))

    def _contradicts(
        self, patient: Patient, identifier: Identifier, root: Identifier, said: Sequence[Statement]
    ) -> bool:
        """Whether what is known of that very identifier is of somebody else, as far as name and birth date tell.

        A merge is a statement about an identifier, and says of whom it was at most by a name. Where it is not even certain
        that the identifier is that of the image, because one of the two names no issuer, the patient who stays is compared too.
        """
        known = [s.patient for s in self._statements if self._identifier(s.patient) == identifier]
        known += [
            s.gone
            for s in self._statements
            if s.gone is not None and s.gone.name.strip() and self._identifier(s.gone) == identifier
        ]
        if not known and root != identifier and self._has_issuer(patient) != bool(identifier[1]):
            known = [s.patient for s in said]
        if any(_agree(patient, one) for one in known):
            return False
        return any(is_other_name(patient.name, one.name) for one in known)

    def _has_issuer(self, patient: Patient) -> bool:
        return bool(patient.issuer.strip() or self._issuer)

    def _issuers(self) -> dict[str, set[str]]:
        named: dict[str, set[str]] = {}
        for statement in self._statements:
            for one in filter(None, (statement.patient, statement.gone)):
                issuer = one.issuer.strip() or self._issuer
                if issuer:
                    named.setdefault(one.patient_id.strip(), set()).add(issuer)
        return named

    def _identifier(self, patient: Patient) -> Identifier | None:
        """The identifier that is meant; None when it may be that of several issuers. The same number of another issuer is
        another patient's."""
        number, issuer = patient.patient_id.strip(), patient.issuer.strip() or self._issuer
        named = self._named.get(number, set())
        if issuer:
            return (number, issuer) if named else (number, "")
        if len(named) > 1:
            return None
        return number, next(iter(named), "")

    def _merge(self, statement: Statement) -> None:
        if statement.gone is None:
            return
        gone, stays = self._identifier(statement.gone), self._identifier(statement.patient)
        if gone is None or stays is None or gone == stays:
            return
        if gone in self._reached_from(stays):
            self._merged_into.pop(stays, None)  # a merge the other way round takes the earlier one back
        into = self._merged_into.setdefault(gone, [])
        if stays not in [known for known, _ in into]:
            into.append((stays, statement.message_id))

    def _reached_from(self, identifier: Identifier) -> set[Identifier]:
        reached, waiting = set[Identifier](), [identifier]
        while waiting:
            for step, _ in self._merged_into.get(waiting.pop(), ()):
                if step not in reached:
                    reached.add(step)
                    waiting.append(step)
        return reached

    def _roots(self, identifier: Identifier, seen: frozenset[Identifier]) -> set[Identifier]:
        steps = [step for step, _ in self._merged_into.get(identifier, ()) if step not in seen]
        if not steps:
            return {identifier}
        return set[Identifier]().union(*(self._roots(step, seen | {identifier}) for step in steps))

    def _last_step(self, identifier: Identifier) -> int:
        """The message that gave the identifier its last name."""
        newest, at = 0, identifier
        while into := self._merged_into.get(at):
            at, message = into[0]
            newest = max(newest, message)
        return newest


def _agree(one: Patient, other: Patient) -> bool:
    return same_name(one.name, other.name) or same_birth_date(one.birth_date, other.birth_date)


def _differ(one: str, other: str) -> bool:
    return one.strip() != other.strip()


def _other_name(one: str, other: str) -> bool:
    return not one.strip("^= ") or is_other_name(one, other)


def _other_birth_date(one: str, other: str) -> bool:
    return not same_birth_date(one, other)


_CORRECTED = (
    ("name", "Patient's Name", _other_name),
    ("birth_date", "Patient's Birth Date", _other_birth_date),
    ("sex", "Patient's Sex", _differ),
)
