"""Sentences whose nouns went missing: "There is also seen in the left lung base"."""

from __future__ import annotations

import re

from agent.reading.guards.codes import Code
from agent.reading.guards.passage import Passage

_VERB = r"(?:is|are|was|were|has|have|remains?|appears?|shows?|demonstrates?)"
_JOINT = rf"(?:{_VERB}|in|on|at|of|with|within|and|or|for|from|to)"
_SEEN = (
    r"(?:also|again|now|still|seen|noted|present|identified|visuali[sz]ed|demonstrated|evident|located|projecting|"
    r"(?!\w*megaly)\w{2,14}ly)"
)
_MISSING = (
    # "there is also seen in the left base", unless what is seen follows: "... a small opacity"
    re.compile(
        rf"(?<!than )\bthere\s+(?:is|are|was|were|has been|have been|appears? to be)(?:\s+{_SEEN}){{0,4}}\s+"
        rf"(?:in|on|at|within|overlying|over|along|of|with|and|or|to|from)\s+(?!keeping|least|most)(?!.*\b(?:an?|no|some|multiple|several)\s)",
        re.IGNORECASE,
    ),
    re.compile(rf"\bthere\s+(?:is|are|was|were)(?:\s+{_SEEN}){{0,4}}\s*$", re.IGNORECASE),
    # "the is normal", "a in the left base", "of the and"
    re.compile(rf"(?<![\w-])(?:[Tt]he|an|a)\s+{_JOINT}(?![\w-])(?!\s+(?:situ|vitro))"),
    re.compile(rf"^(?:An?)\s+{_JOINT}(?![\w-])"),
    # "no or pneumothorax", "evidence of or effusion", "with and"
    re.compile(r"\b(?:no|of|without|with|in|for)\s+(?:or(?! without)|and|nor|is|are)\b", re.IGNORECASE),
    # an end in the middle: "There is no", "is seen in the", "evidence of"
    re.compile(r"(?:^|\s)(?:[Tt]he|an?|[Nn]o|of|[Ww]ith|[Ww]ithout|and|or|nor|is|are|was|were|has|have|been|from)\s*$"),
    # a verb without its subject
    re.compile(r"^(?:is|are|was|were|has|have|remains?|and|or|nor)\b", re.IGNORECASE),
)
_LONGEST = 2000  # characters; no sentence with a noun missing is longer, and the rules need not look


def lacks_noun(sentence: str) -> bool:
    """Whether a noun is missing where there must be one."""
    return len(sentence) <= _LONGEST and any(missing.search(sentence) for missing in _MISSING)


def check_empty_nouns(passage: Passage) -> Passage:
    """Without the sentences that say where something is and not what."""
    return passage.mapped(
        lambda s: None if lacks_noun(s) else s, Code.EMPTY_NOUNS, "lacks the word for what it is about"
    )
