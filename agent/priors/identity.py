"""Is it the same patient? A film of another patient as "the earlier film" would make every word of a comparison false.

Patient ID alone is never enough: two hospitals give the same number to two people, and an archive that holds films of both
answers with both.
"""

from __future__ import annotations

import unicodedata
from dataclasses import replace

from structured_report.content import Patient

_SEXES = {"M", "F"}


def differences(ours: Patient, theirs: Patient) -> tuple[str, ...]:
    """In which identifiers the two differ, as attribute names; empty when nothing speaks against one patient.

    What one of the two does not say is no difference. No values are returned: the words go into reports and logs.
    """
    found = []
    if ours.patient_id.strip() != theirs.patient_id.strip():
        found.append("Patient ID")
    if _both_differ(ours.issuer.strip(), theirs.issuer.strip()):
        found.append("Issuer of Patient ID")
    if _both_differ(_date(ours.birth_date), _date(theirs.birth_date)):
        found.append("Patient's Birth Date")
    mine, other = ours.sex.strip().upper(), theirs.sex.strip().upper()
    if {mine, other} <= _SEXES and mine != other:
        found.append("Patient's Sex")
    if _names_differ(ours, theirs):
        found.append("Patient's Name")
    return tuple(found)


def is_confirmed(ours: Patient, theirs: Patient) -> bool:
    """Whether, beside the Patient ID, a name or a birth date is there on both sides and agrees."""
    if not ours.patient_id.strip() or differences(ours, theirs):
        return False
    return same_birth_date(ours.birth_date, theirs.birth_date) or same_name(ours.name, theirs.name)


def agree_across_a_merge(ours: Patient, theirs: Patient) -> bool:
    """Whether what stands under a Patient ID that was merged into ours is the patient's: the birth date has to be there on both sides
    and agree, and nothing may differ. A number that was merged away may be somebody else's by now."""
    numbered = replace(theirs, patient_id=ours.patient_id)
    return same_birth_date(ours.birth_date, theirs.birth_date) and not differences(ours, numbered)


def is_other_name(one: str, other: str) -> bool:
    """Whether two Patient's Names can be compared and are not the same: case, accents and middle names are no difference."""
    mine, theirs = _groups(one), _groups(other)
    pairs = [(a, theirs[n]) for n, a in mine.items() if n in theirs and _scripts(a) & _scripts(theirs[n])]
    return bool(pairs) and not any(_same_parts(a, b) for a, b in pairs)


def same_birth_date(one: str, other: str) -> bool:
    """Whether both are there and are the same day."""
    return bool(_date(one)) and _date(one) == _date(other)


def _both_differ(one: str, other: str) -> bool:
    return bool(one) and bool(other) and one != other


def _date(text: str) -> str:
    """A DA without the full stops of its retired form (PS3.5 6.2)."""
    return text.strip().replace(".", "").replace("-", "")


def _names_differ(ours: Patient, theirs: Patient) -> bool:
    """A changed family name is no other patient where the given name and the birth date say so; and names in different
    scripts cannot be compared."""
    one, other = _groups(ours.name), _groups(theirs.name)
    pairs = [(a, other[n]) for n, a in one.items() if n in other and _scripts(a) & _scripts(other[n])]
    if not pairs or any(_same_parts(a, b) for a, b in pairs):
        return False
    related = any(set(a) & set(b) for a, b in pairs)
    return not (related and same_birth_date(ours.birth_date, theirs.birth_date))


def same_name(one: str, other: str) -> bool:
    """Whether a component group is there on both sides and is the same name."""
    mine, theirs = _groups(one), _groups(other)
    return any(_same_parts(parts, theirs[n]) for n, parts in mine.items() if n in theirs)


def _same_parts(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """The same words, or all of the shorter name in the longer one: middle names and titles come and go. One word alone
    is no name."""
    shorter, longer = sorted((set(one), set(other)), key=len)
    return shorter == longer or (len(shorter) >= 2 and shorter <= longer)


def _groups(name: str) -> dict[int, tuple[str, ...]]:
    """The component groups of a person name that say something, by their number (PS3.5 6.2.1): words without case, accents and
    punctuation."""
    groups = {}
    for number, group in enumerate(name.split("=")[:3]):
        words = "".join(c if c.isalnum() else " " for c in _plain(group)).split()
        if words:
            groups[number] = tuple(words)
    return groups


def _scripts(words: tuple[str, ...]) -> set[str]:
    """The first words of the characters' names: LATIN, CYRILLIC, CJK, HANGUL and so on."""
    return {unicodedata.name(c, "").partition(" ")[0] for word in words for c in word if c.isalpha()}


def _plain(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in decomposed if not unicodedata.combining(c))
