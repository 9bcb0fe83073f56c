"""What a text says of the findings, to be held against what a repair makes of it, and how the same is said plainly."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from agent.reading.statements import Statement, statements
from structured_report.content import Laterality, Presence, Severity
from structured_report.vocabulary import vocabulary, whole_vocabulary

Meaning = tuple[str, Presence, Laterality | None, Severity | None, str, bool]
_SIZED = frozenset({"pneumothorax", "pleural_effusion", "nodule", "mass"})
_SIZES = {Severity.MILD: "small", Severity.MODERATE: "moderate", Severity.SEVERE: "large"}
_ADJECTIVES = frozenset({"apical", "basal", "perihilar", "retrocardiac", "hilar"})
_CLEAR = {
    (c, Presence.ABSENT, None, None, "", False)
    for c in ("consolidation", "pulmonary_edema", "atelectasis", "lung_opacity")
}
_UNCOUNTED = frozenset(
    {"cardiomegaly", "pulmonary_edema", "atelectasis", "consolidation", "pneumonia", "pneumomediastinum"}
)


def meaning(text: str) -> frozenset[Meaning]:
    """What is said, without where in the text it stands."""
    return meant(statements(text))


def meant(said: Iterable[Statement]) -> frozenset[Meaning]:
    """What statements say, without where in the text they stand."""
    return frozenset((s.concept, s.presence, s.laterality, s.severity, s.place, s.partial) for s in said)


def restated(said: Sequence[Statement]) -> str | None:
    """Sentences that say the same and nothing else; None when that cannot be had."""
    said_once = list(dict.fromkeys(next(iter(meant([s]))) for s in said))
    clear = set(said_once) >= _CLEAR
    text = ". ".join(
        dict.fromkeys("The lungs are clear" if clear and one in _CLEAR else _sentence(*one) for one in said_once)
    )
    return text if said_once and meaning(text) == frozenset(said_once) else None


def _sentence(
    concept: str,
    presence: Presence,
    side: Laterality | None,
    severity: Severity | None,
    place: str,
    partial: bool,
) -> str:
    degree = "" if severity is None else _SIZES[severity] if concept in _SIZED else str(severity)
    before, after = _where(side, place)
    phrase = " ".join(filter(None, (degree, before, vocabulary()[concept].words[0], after)))
    if presence is Presence.ABSENT and concept == "cardiomegaly" and not partial:
        return "The heart size is normal"
    if presence is Presence.ABSENT:
        return f"No {phrase}"
    if presence is Presence.UNDETERMINED:
        return f"Possible {phrase}"
    return f"There is {phrase}" if concept in _UNCOUNTED else f"There is {_article(phrase)} {phrase}"


def _where(side: Laterality | None, place: str) -> tuple[str, str]:
    """The words before the finding and those after it."""
    if not place or place in _ADJECTIVES:
        return " ".join(filter(None, (str(side) if side else "", place))), ""
    name = "costophrenic angle" if place == "costophrenic" else whole_vocabulary().places[place].words[0]
    if side is Laterality.BILATERAL:
        return "", f"in both {name}s"
    return "", " ".join(filter(None, ("in the", str(side) if side else "", name)))


def _article(phrase: str) -> str:
    return "an" if phrase[:1] in "aeiou" else "a"
