"""The words that deny, doubt or set aside what a sentence names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from agent.reading.grammar.tokens import wordset

Cues = Mapping[str, tuple[tuple[str, ...], ...]]


def _by_first_word(phrases: Iterable[str]) -> Cues:
    found: dict[str, list[tuple[str, ...]]] = {}
    for phrase in phrases:
        words = tuple(phrase.split())
        found.setdefault(words[0], []).append(words)
    return {first: tuple(sorted(cues, key=len, reverse=True)) for first, cues in found.items()}


NEGATIONS = _by_first_word(
    [
        "no", "without", "negative for", "free of", "clear of", "absence of", "absent", "lack of", "neither", "never",
        "resolution of", "removal of", "rather than", "instead of", "as opposed to", "nothing to suggest", "none of",
        "excludes", "nor",
    ]
)  # fmt: skip
HEDGES = _by_first_word(
    [
        "possible", "possibly", "possibility of", "may", "might", "could", "perhaps", "potential", "potentially",
        "questionable", "question of", "query", "?", "suspicious for", "suspicious of", "suspicion for",
        "suspicion of", "suspect", "suspected", "concerning for", "concern for", "concern of", "worrisome for",
        "suggest", "suggests", "suggested", "suggesting", "suggestive of", "suggestion of", "equivocal", "borderline",
        "differential", "consider", "considered", "consideration", "considerations", "versus", "vs", "either",
        "unlikely", "less likely", "cannot exclude", "raise", "raises", "raising", "clearing of", "indeterminate",
        "not excluded", "if there is any", "if-any , there", "if-any there", "if-any", "presumed", "presumably", "presumable",
    ]
)  # fmt: skip
SKIPS = _by_first_word(
    [
        "history of", "h / o", "evaluate for", "evaluation for", "evaluation of", "evaluate", "assess for",
        "assessment for", "assessment of", "to assess", "to exclude", "exclude", "excluding", "rule out", "to detect",
        "to document", "sensitivity for", "if", "monitor for", "looking for", "screening for", "risk of", "risk for", "detection of",
        "to ensure", "mistaken for", "mistaken as",
    ]
)  # fmt: skip
# Hedges that are verbs reach over "and": "may represent atelectasis and a small effusion".
VERBAL = wordset("may might could suggest suggests suggesting suggestive concerning worrisome raise raises raising")
# After "no" these say that something is as it was, not that it is not there.
CHANGES = wordset(
    "change changes changed increase increased decrease decreased worsening worsened improvement improved progression "
    "progressed difference alteration clearing reduction growth enlarging resolved cleared"
)
NOT_BEFORE = wordset("doubt more less prior previous comparison only")
ADVERBS = wordset(
    "been be now also again still since yet all any longer well significant interval appreciable relevant substantial "
    "definite convincing further major acute obvious gross real new evident so quite very too as completely otherwise "
    "therefore then both nearly almost"
)
STATES = wordset(
    "unchanged stable persistent persisting residual improved improving decreased increased decreasing increasing "
    "worsening resolving new possible probable likely questionable suspected known again interval status post"
)
PAST = wordset("prior previous previously former formerly earlier")
# "No additional nodule" presupposes one; "no tension pneumothorax" says nothing of another.
BETTER_KNOWN = wordset("additional other further enlarging increasing worsening progressive progressing tension larger")
ONLY_SOME = BETTER_KNOWN | wordset(
    "new significant sizable sizeable focal acute displaced discrete recurrent residual dominant lobar dense confluent "
    "suspicious apical basal basilar frank overt florid"
)
# A lung that is "otherwise clear" or clear in its upper part denies nothing of the whole.
WEAKENING = wordset(
    "otherwise mostly largely upper lower middle mid remaining remainder rest relatively elsewhere except somewhat "
    "aerated predominantly"
)
PARTLY = wordset(
    "partially partly nearly almost largely incompletely mostly substantially near partial incomplete virtually "
    "essentially ongoing some progressive gradual continued continuing"
)
MODALS = wordset("may might could can should will would difficult")
# A finding that one would not see is in doubt, even where it is denied.
LIMITED = wordset(
    "limit limited limits limiting obscures obscuring diminished decreased reduced suboptimal precludes precluded "
    "obscured missed nondiagnostic difficult"
)
GONE = wordset("resolved cleared disappeared removed absent gone discontinued")
DOUBTED = wordset(
    "possible if-any presumed suspected questionable questioned equivocal unlikely considered uncertain indeterminate borderline"
)
ASSESSED = wordset("assessed evaluated determined characterized confirmed excludable")
WELL = wordset("well fully completely optimally adequately entirely confidently reliably")
# "Not" before one of these denies what follows; before anything else it belongs to its own verb.
SHOWN = wordset(
    "show demonstrate have see identify reveal suggest contain visualize appreciate represent reflect any a definite "
    "indicate support due consistent typical compatible suggestive evidence"
)


def is_adverb(word: str) -> bool:
    """Whether a word may be passed over on the way to the one that carries the sense."""
    return word in ADVERBS or (word.endswith("ly") and word not in ("likely", "unlikely"))
