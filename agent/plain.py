"""Words of other programs, cut down to what happened: their advice is about them, and not about this program."""

from __future__ import annotations

import re

_URL = re.compile(r"https?://\S+")
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z`'\"])")
# A sentence that tells a programmer what to do; nobody at a site can.
_ADVICE = re.compile(
    r"\b(pip install|conda install|please (open|file|report|see|refer|make|check|install|upgrade|ensure|provide)|"
    r"for (more|further) (details|information)|see (also )?the (docs|documentation)|you (can|should|may|might|need|want)|"
    r"make sure|checkout the|check out|if you (are|were|want|need)|pass(ing)? `|set(ting)? `|from_pretrained|huggingface-cli)\b",
    re.IGNORECASE,
)
_LONGEST = 300


def without_noise(text: str) -> str:
    """The sentences of a message that say what happened, on one line, without addresses of web pages.

    A message that is nothing but advice is kept, shortened: something must be said.
    """
    paragraph = " ".join(text.split())
    told = [s for s in _SENTENCE.split(paragraph) if not _URL.search(s) and not _ADVICE.search(s)]
    words = " ".join(told) or _URL.sub("", paragraph)
    return words if len(words) <= _LONGEST else f"{words[: _LONGEST - 3].rstrip()}..."
