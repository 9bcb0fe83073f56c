"""Turns of phrase that count as one word: "left greater than right" is *bilateral*, "as well as" is *and*."""

from __future__ import annotations

from collections.abc import Sequence

from agent.reading.grammar.tokens import Token, wordset

_SIDES = frozenset({"left", "right"})
_MORE = wordset("greater more larger worse bigger higher > less smaller better lower")
_BETWEEN = wordset(
    "sided side lung lobe base upper lower middle mid basilar "
    "so much slightly somewhat extensive confluent evident conspicuous pronounced prominent marked severe"
)
_SMALL = wordset("the on in at")
_DEGREES = wordset(
    "trace tiny minimal mild small moderate large severe mildly moderately severely minimally marked extensive"
)
_AS_ONE = {
    ("as", "well", "as"): "and",
    ("and", "or"): "or",
    ("and", "/", "or"): "or",
    ("together", "with"): "with",
    ("along", "with"): "with",
    ("projecting", "over"): "over",
    ("projected", "over"): "over",
    ("adjacent", "to"): "near",
    ("in", "the", "region", "of"): "in",
    ("with", "or", "without"): "possibly",
    ("if", "any"): "if-any",
    ("if", "present"): "if-any",
    ("in", "the", "setting", "of"): "given",
    ("apart", "from"): "except",
    ("aside", "from"): "except",
    ("other", "than"): "except",
    ("with", "the", "exception", "of"): "except",
}

_BY_FIRST_WORD = {
    first: tuple((phrase, word) for phrase, word in _AS_ONE.items() if phrase[0] == first)
    for first in {phrase[0] for phrase in _AS_ONE}
}


def joined(tokens: Sequence[Token]) -> list[Token]:
    """The tokens with such turns of phrase made one token each, which spans all it stands for."""
    out: list[Token] = []
    at = 0
    while at < len(tokens):
        if aside := _lesser_extent(tokens, at):
            at = aside
            continue
        if tokens[at].text == "/" and _spaced(tokens, at):
            out.append(Token(",", tokens[at].start, tokens[at].end))
            at += 1
            continue
        end, word = _both_sides(tokens, at) or _range(tokens, at) or _one_word(tokens, at) or (at + 1, tokens[at].text)
        out.append(Token(word, tokens[at].start, tokens[end - 1].end))
        at = end
    return out


def _spaced(tokens: Sequence[Token], at: int) -> bool:
    """Whether a slash stands alone, as a comma might, and not between two words to choose from."""
    return 0 < at < len(tokens) - 1 and tokens[at - 1].end < tokens[at].start and tokens[at].end < tokens[at + 1].start


def _lesser_extent(tokens: Sequence[Token], at: int) -> int:
    """The end of ", to a lesser extent," or 0."""
    end = at + (tokens[at].text == ",")
    words = [t.text for t in tokens[end : end + 4]]
    if words[:3] not in (["to", "a", "lesser"], ["to", "lesser", "extent"], ["to", "lesser", "degree"]):
        return 0
    end += 4 if words[1] == "a" else 3
    return end + (end < len(tokens) and tokens[end].text == ",")


def _both_sides(tokens: Sequence[Token], at: int) -> tuple[int, str] | None:
    """ "Left greater than right", "right > left", "larger on the right than on the left"."""
    first = tokens[at].text
    i = at
    if first in _SIDES:
        i = _skip(tokens, i + 1, _BETWEEN, 3)
        if i >= len(tokens) or tokens[i].text not in _MORE:
            return None
        sign = tokens[i].text == ">"
        i = _skip(tokens, i + 1, _BETWEEN, 2)
    elif first in _MORE:
        sign = False
        i += 1
        i = _skip(tokens, i, _BETWEEN, 1)  # more extensive on the right
        i = _skip(tokens, i, _SMALL, 2)
        if i >= len(tokens) or tokens[i].text not in _SIDES:
            return None
        first = tokens[i].text
        i = _skip(tokens, i + 1, _BETWEEN, 2)
    else:
        return None
    if not sign:
        if i >= len(tokens) or tokens[i].text != "than":
            return None
        i += 1
    i = _skip(tokens, i, _SMALL, 2)
    if i < len(tokens) and tokens[i].text in _SIDES - {first}:
        return i + 1, "bilateral"
    return None


def _range(tokens: Sequence[Token], at: int) -> tuple[int, str] | None:
    """ "Small to moderate" is moderate."""
    words = [t.text for t in tokens[at : at + 3]]
    if len(words) == 3 and words[0] in _DEGREES and words[1] in ("to", "or") and words[2] in _DEGREES:
        return at + 3, words[2]
    return None


def _skip(tokens: Sequence[Token], at: int, words: frozenset[str], most: int) -> int:
    end = at
    while end < len(tokens) and end - at < most and tokens[end].text in words:
        end += 1
    return end


def _one_word(tokens: Sequence[Token], at: int) -> tuple[int, str] | None:
    for phrase, word in _BY_FIRST_WORD.get(tokens[at].text, ()):
        if tuple(t.text for t in tokens[at : at + len(phrase)]) == phrase:
            return at + len(phrase), word
    return None
