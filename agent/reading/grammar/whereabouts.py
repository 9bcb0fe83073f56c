"""On which side, where and how much: what a sentence says of a finding besides its presence.

A side belongs to a finding when it stands among the words before it ("small left pleural effusion"), in the place after
it ("effusion in the left base"), inside its name ("blunting of the left costophrenic angle"), or when the sentence opens
with it ("On the left, there is an effusion"; "The left lung shows consolidation"). Two sides that nothing joins make
none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

from agent.reading.grammar.names import Mention
from agent.reading.grammar.tokens import Token, singular, wordset
from agent.reading.grammar.words import (
    COMPARING,
    CONJUNCTIONS,
    DETERMINERS,
    FINITE,
    KNOWN_ADJECTIVES,
    LINKS,
    MARKS,
    MEASURES,
    PLACING,
    PREPOSITIONS,
    SHOWING,
    SIDE_BY_ANATOMY,
    SIDED_PLACES,
    SIDES,
    TO_BE,
    TURNS,
)
from structured_report.content import Laterality, Severity
from structured_report.vocabulary import vocabulary, whole_vocabulary

_FARTHEST = 14
_STOPS = FINITE | PREPOSITIONS | DETERMINERS | CONJUNCTIONS | MARKS | TURNS | {"no", "not", "there", "which", "that"}
_CHANGE = wordset(
    "increased decreased improved worsened enlarging larger smaller increasing decreasing changed worsening improving "
    "resolving progressed"
)
_DEGREES = {"mild": Severity.MILD, "moderate": Severity.MODERATE, "severe": Severity.SEVERE}
_ORDER = tuple(Severity)
SIDED_NOUNS = SIDED_PLACES - KNOWN_ADJECTIVES | {"lung", "lobe", "base", "apex"}
_CHANGED = wordset("increase decrease change changes improvement worsening progression size")
_LEVELS = wordset("upper lower middle mid")
_ONLY_SIDES = frozenset({"side", "sided"}) | SIDES.keys()


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Side, degree and place of one mention; None and empty when the sentence does not say."""

    laterality: Laterality | None
    severity: Severity | None
    place: str


@dataclass(slots=True)
class _Said:
    """What was gathered about one mention."""

    sides: set[Laterality] = field(default_factory=set)
    doubt: bool = False
    severities: set[Severity] = field(default_factory=set)
    places: set[str] = field(default_factory=set)

    @property
    def laterality(self) -> Laterality | None:
        if self.doubt:
            return None
        if len(self.sides) == 1:
            return next(iter(self.sides))
        return Laterality.BILATERAL if self.sides else None


class Whereabout:
    """Answers for the mentions of one sentence."""

    def __init__(self, tokens: Sequence[Token], mentions: Sequence[Mention]) -> None:
        self._words = [t.text for t in tokens]
        self._mentions = mentions
        self._starts = {m.start for m in mentions}
        self._frames = self._find_frames()

    def of(self, n: int) -> Whereabouts:
        """What the sentence says of its n-th mention."""
        said = _Said()
        mention = self._mentions[n]
        first = self._before(said, n)
        self._name(said, first, mention)
        self._after(said, mention)
        frame = self._frames[mention.start]
        if frame is not None:
            if not said.sides and not said.doubt:
                said.sides, said.doubt = frame.sides, frame.doubt
            said.places = said.places or frame.places
        severity = max(said.severities, key=_ORDER.index, default=None)
        return Whereabouts(said.laterality, severity, next(iter(said.places)) if len(said.places) == 1 else "")

    def first_word(self, n: int) -> int:
        """Where the words begin that stand before the n-th mention and belong to it."""
        return self._own_words(self._mentions[n].start, self._floor(n))

    # -- before -------------------------------------------------------------------------------------------------

    def _floor(self, n: int) -> int:
        return self._mentions[n - 1].end if n else 0

    def _own_words(self, start: int, floor: int) -> int:
        first = start
        while first > floor and start - first < _FARTHEST:
            word = self._words[first - 1]
            if word == "of" and first - 1 > floor and self._words[first - 2] in MEASURES:
                first -= 2
            elif word in _STOPS or word in COMPARING:
                break
            else:
                first -= 1
        return first

    def _before(self, said: _Said, n: int) -> int:
        start, floor = self._mentions[n].start, self._floor(n)
        first = self._own_words(start, floor)
        own = self._sides(first, start)
        said.sides, said.doubt = own, Laterality.BILATERAL not in own and len(own) > 1
        levels = first < start and self._words[first] in _LEVELS and first > 1 and self._words[first - 2] in _LEVELS
        if (not own and not levels) or said.doubt:
            return first
        at = first
        if self._elliptic(first, floor, self._mentions[n].end, own):
            said.doubt = True
        while (chunk := self._joined_before(at, floor)) is not None:
            begin, conjunctions = chunk
            sides = self._sides(begin, at)
            if not sides and not self._anatomical(begin, at):
                break
            if not self._may_begin(begin, at, floor):
                if "and" in conjunctions or "or" in conjunctions:
                    said.doubt = said.doubt or self._uncertain(begin, first, sides, said.sides)
                break
            both = said.sides | sides
            if self._anatomical(begin, at) or (len(both) > 1 and "and" not in conjunctions):
                said.doubt = True
            said.sides = both
            at = begin
        self._degrees(said, at, first)
        said.places |= self._places(at, first)
        if said.doubt and Laterality.BILATERAL in own:
            said.doubt = False
        return first

    def _joined_before(self, at: int, floor: int) -> tuple[int, set[str]] | None:
        """The modifiers that a conjunction joins to the ones that begin at `at`: "left" in "left and right"."""
        end = at
        conjunctions: set[str] = set()
        while end > floor and self._words[end - 1] in CONJUNCTIONS:
            end -= 1
            conjunctions.add(self._words[end])
        begin = end
        while begin > floor and at - begin < _FARTHEST and self._words[begin - 1] in KNOWN_ADJECTIVES:
            begin -= 1
        return (begin, conjunctions) if conjunctions and begin < end else None

    def _elliptic(self, first: int, floor: int, end: int, own: set[Laterality]) -> bool:
        """ "Left subclavian and right PICC lines": words that are not known join the other side to a plural."""
        plural = self._words[end - 1].endswith("s") and not self._words[end - 1].endswith(("is", "us", "ss"))
        joined = first > 1 and self._words[first - 1] in ("and", "but", "or")
        if not plural or not joined or self._words[first - 2] in KNOWN_ADJECTIVES:
            return False
        begin = first - 1
        while begin > floor and first - begin < _FARTHEST and self._words[begin - 1] not in _STOPS - {"and", "but"}:
            begin -= 1
        return bool(self._sides(begin, first - 1) - own)

    def _may_begin(self, begin: int, end: int, floor: int) -> bool:
        """Whether a noun phrase may begin here, rather than the end of something else stand here."""
        if begin == 0:
            return True
        if begin == floor:
            return False
        before = self._words[begin - 1]
        change = before == "in" and begin > 1 and self._words[begin - 2] in _CHANGED
        if before == "of" or change:
            return SIDED_NOUNS.isdisjoint(self._words[begin:end])
        if before in DETERMINERS:
            return begin - 1 == floor or self._words[begin - 2] not in PREPOSITIONS - {"with", "without"}
        if before in TO_BE:
            return begin > 1 and self._words[begin - 2] == "there"
        return before in CONJUNCTIONS or before in SHOWING or before in ("with", "without", "no", ":")

    def _uncertain(self, begin: int, first: int, sides: set[Laterality], own: set[Laterality]) -> bool:
        """Whether words that are not the finding's could yet be. "In the left base and right effusion": they are not."""
        at = begin - 1
        if self._words[at] in DETERMINERS:
            at -= 1
        own_degree = self._words[first] in _degree_words()
        placed = at >= 0 and self._words[at] in (PREPOSITIONS if own_degree else PLACING)
        return not placed and not sides <= own

    # -- the name -----------------------------------------------------------------------------------------------

    def _name(self, said: _Said, first: int, mention: Mention) -> None:
        inside = self._sides(mention.start, mention.end)
        if inside and said.sides and inside != said.sides:
            said.doubt = True
        said.sides = said.sides | inside
        if len(inside) > 1 and Laterality.BILATERAL not in inside:
            said.doubt = True
        self._degrees(said, first, mention.end)
        said.places |= self._places(first, mention.end)

    # -- after --------------------------------------------------------------------------------------------------

    def _after(self, said: _Said, mention: Mention) -> None:
        at, device = mention.end, _is_device(mention)
        found: set[Laterality] = set()
        while at < len(self._words) and at not in self._starts and at - mention.end < 2 * _FARTHEST:
            word = self._words[at]
            if word in PLACING:
                place = self._location(at + 1)
                if place is None:
                    break
                if device and not self._bare(at + 1, place):
                    break
                found_here, at, doubt = self._locations(at + 1, place, said)
                said.doubt = said.doubt or doubt or bool(found and found_here - found and not said.sides)
                found |= found_here
            elif word in SIDES or (word in ("(", ",") and at + 1 < len(self._words) and self._words[at + 1] in SIDES):
                end = self._side_alone(at + (word in ("(", ",")))
                if end is None:
                    break
                found |= self._sides(at, end)
                said.places |= self._places(at, end)
                at = end
                if word != "(":
                    break
                at += at < len(self._words)
            elif word == "," and at + 1 < len(self._words) and self._words[at + 1] in PLACING:
                at += 1
            elif word in LINKS or word[:1].isdigit() or (word.endswith("ly") and word not in COMPARING):
                if self._words[at - 1] in TO_BE or at == mention.end or self._words[at - 1] in LINKS:
                    self._degrees(said, at, at + 1)
                at += 1
            else:
                break
        self._take(said, found)
        if len(said.sides) == 1 and self._left_open(mention.end, said.sides):
            said.doubt = said.doubt or Laterality.BILATERAL not in said.sides

    def _left_open(self, at: int, sides: set[Laterality]) -> bool:
        """Whether the other side follows without its noun: "the right effusion is smaller, the left larger"."""
        stop = min([at + _FARTHEST, len(self._words), *(start for start in self._starts if start >= at)])
        for i in range(at, stop):
            if self._words[i] in SIDES and SIDES[self._words[i]] not in sides | {Laterality.BILATERAL}:
                after = self._words[i + 1] if i + 1 < len(self._words) else "."
                alone = after in (".", ",", "and") or after in FINITE or after in COMPARING or after in _CHANGE
                article = self._words[i - 1] == "the" and self._words[i - 2] not in PREPOSITIONS
                if alone and (article or self._words[i - 1] in CONJUNCTIONS):
                    return True
        return False

    def _take(self, said: _Said, found: set[Laterality]) -> None:
        """Sides after the finding join those before it; the two must not disagree."""
        if not found:
            return
        if said.sides and not (found <= said.sides or Laterality.BILATERAL in said.sides):
            said.doubt = True
        elif not said.sides:
            said.sides = found

    def _location(self, at: int) -> tuple[int, int] | None:
        """[begin, end) of the place that a preposition before `at` introduces, or None when it is none of ours."""
        begin = at
        while begin < len(self._words) and self._words[begin] in DETERMINERS:
            begin += 1
        end, settled = begin, False
        while end < len(self._words) and end - begin < _FARTHEST and end not in self._starts:
            word = self._words[end]
            known = word in SIDED_PLACES or word in KNOWN_ADJECTIVES or word[:1].isdigit()
            if word in _STOPS or (not known and (settled or word in LINKS or word in COMPARING)):
                break
            if word in LINKS and word not in SIDES and settled:
                break
            settled = settled or word in SIDED_PLACES
            end += 1
        if end == begin or end in self._starts:
            return None
        head = self._words[end - 1]
        return (begin, end) if head in SIDED_PLACES or head in SIDES or head in SIDE_BY_ANATOMY else None

    def _locations(self, at: int, first: tuple[int, int], said: _Said) -> tuple[set[Laterality], int, bool]:
        """All places that are joined to the first: (their sides, where they end, whether that is doubtful)."""
        begin, end = first
        sides = self._sides(begin, end)
        doubt = len(sides) > 1 and Laterality.BILATERAL not in sides
        said.places |= self._places(begin, end)
        while (more := self._joined_after(end)) is not None:
            begin, new_end, conjunctions = more
            here = self._sides(begin, new_end)
            if self._anatomical(begin, new_end) or (sides and here - sides and "and" not in conjunctions):
                doubt = True
            sides |= here
            said.places |= self._places(begin, new_end)
            end = new_end
        return sides, end, doubt

    def _whole_location(self, at: int) -> tuple[int, int] | None:
        """A place with the whole it is a part of: "the periphery of the left lung"."""
        place = self._location(at)
        while place is not None and place[1] < len(self._words) and self._words[place[1]] == "of":
            whole = self._location(place[1] + 1)
            if whole is None:
                break
            place = (place[0], whole[1])
        return place

    def _joined_after(self, end: int) -> tuple[int, int, set[str]] | None:
        at = end
        conjunctions: set[str] = set()
        while at < len(self._words) and (self._words[at] in CONJUNCTIONS or self._words[at] in ("but", "while")):
            conjunctions.add("and" if self._words[at] in ("but", "while") else self._words[at])
            at += 1
        if not conjunctions:
            return None
        aside = at
        while aside < len(self._words) and (
            self._words[aside] in COMPARING | LINKS - TO_BE
            or self._words[aside] in ("smaller", "less", "slightly", "minimally")
            or self._words[aside].endswith("ly")
        ):
            aside += 1
        placed = aside < len(self._words) and self._words[aside] in PLACING
        place = self._whole_location(aside + 1 if placed else at)
        if place is None:
            return None
        begin, stop = place
        after = self._words[stop] if stop < len(self._words) else "."
        if not placed and not self._still_a_place(begin, stop, after):
            return None
        named = self._sides(begin, stop) or self._places(begin, stop) or self._anatomical(begin, stop)
        return (begin, stop, conjunctions) if named else None

    def _still_a_place(self, begin: int, stop: int, after: str) -> bool:
        """Whether a joined place is one, and not the subject of a new clause: "in the right base and left lung are seen"
        but "in the right base and the left lung is clear"."""
        if after not in FINITE:
            return after == "." or after in _STOPS or after in LINKS
        if after in ("may", "might", "could") or after.startswith(("represent", "reflect", "suggest")):
            return True
        singular = not self._words[stop - 1].endswith("s")
        return singular and after in ("are", "were", "have", "remain", "appear", "persist")

    def _side_alone(self, at: int) -> int | None:
        """The end of "left", "left sided" or "left base" when that is all that follows, else None."""
        end = at
        while (
            end < len(self._words)
            and end not in self._starts
            and (self._words[end] in KNOWN_ADJECTIVES or self._words[end] in SIDED_PLACES)
        ):
            end += 1
        if end in self._starts:
            return None
        after = self._words[end] if end < len(self._words) else "."
        bilateral = self._words[at] in SIDES and SIDES[self._words[at]] is Laterality.BILATERAL
        return end if after in (".", ")", ",", "and", "or", "with", "without", "but") or bilateral else None

    def _bare(self, at: int, place: tuple[int, int]) -> bool:
        """Whether a place is only a side. A catheter from the left may well project over the right lung."""
        return all(word in _ONLY_SIDES for word in self._words[place[0] : place[1]])

    # -- how a sentence opens -----------------------------------------------------------------------------------

    def _find_frames(self) -> list[_Said | None]:
        """For each token what the opening of its clause says of the place."""
        frames: list[_Said | None] = [None] * (len(self._words) + 1)
        active: _Said | None = None
        at = opening_end = 0
        while at < len(self._words):
            before = self._words[at - 1] if at else ""
            if before in TURNS:
                active = None
            if at == 0 or before in TURNS or before in CONJUNCTIONS or before in ("-", "*", "•", ":"):
                opened = self._opening(at)
                if opened is not None:
                    active, opening_end = opened
                    at = opening_end
                    continue
                if (
                    at != opening_end
                    and before in CONJUNCTIONS
                    and before not in ("or", "nor")
                    and self._begins_clause(at)
                ):
                    active = None
            frames[at] = active
            at += 1
        return frames

    def _opening(self, at: int) -> tuple[_Said, int] | None:
        fronted = self._words[at] in PLACING
        place = self._location(at + fronted)
        if place is None:
            return None
        begin, end = place
        if not self._sides(begin, end):
            return None
        after = self._words[end] if end < len(self._words) else "."
        free = after in TO_BE and self._words[end + 1 : end + 2] in (["free"], ["without"], ["negative"], ["devoid"])
        if not fronted and not free and after not in SHOWING and after != ":":
            return None
        if fronted and after in FINITE and (at or after not in ("is", "are", "was", "were")):
            return None
        if not fronted and after in ("has", "have", "had") and self._words[end + 1 : end + 2] in (["been"], ["not"]):
            return None
        said = _Said()
        said.sides, stop, said.doubt = self._locations(at, place, said)
        if stop < len(self._words) and self._words[stop] in (",", ":"):
            stop += 1
        if self._words[stop : stop + 1] == ["there"]:
            stop += 1
        return said, stop

    def _begins_clause(self, at: int) -> bool:
        for word in self._words[at : at + _FARTHEST]:
            if word in ("there", "it") or word in FINITE:
                return True
            if word in CONJUNCTIONS or word in TURNS:
                return False
        return False

    # -- words --------------------------------------------------------------------------------------------------

    def _sides(self, begin: int, end: int) -> set[Laterality]:
        found = {SIDES[w] for w in self._words[begin:end] if w in SIDES}
        return {Laterality.BILATERAL} if Laterality.BILATERAL in found else found

    def _anatomical(self, begin: int, end: int) -> bool:
        return not SIDE_BY_ANATOMY.isdisjoint(self._words[begin:end])

    def _degrees(self, said: _Said, begin: int, end: int) -> None:
        degrees = _degree_words()
        for at in range(begin, end):
            following = self._words[at + 1] if at + 1 < len(self._words) else ""
            compared = at > 0 and self._words[at - 1] in _CHANGE | {"less", "more", "most", "least"}
            if (degree := degrees.get(self._words[at])) and following not in _CHANGE and not compared:
                said.severities.add(degree)

    def _places(self, begin: int, end: int) -> set[str]:
        stems = [singular(w) for w in self._words[begin:end]]
        found: set[str] = set()
        at = 0
        while at < len(stems):
            for words, key in _place_words():
                if tuple(stems[at : at + len(words)]) == words:
                    found.add(key)
                    at += len(words) - 1
                    break
            else:
                if stems[at] in _LEVELS:
                    found.add("")  # "upper and lower lobes": one of two places, and not one of ours
            at += 1
        return found


@cache
def _degree_words() -> dict[str, Severity]:
    return {word: _DEGREES[m.key] for m in whole_vocabulary().severities.values() for word in m.words}


@cache
def _place_words() -> tuple[tuple[tuple[str, ...], str], ...]:
    """The names of places, longest first."""
    names = {
        (tuple(singular(piece) for piece in word.split()), m.key)
        for m in whole_vocabulary().places.values()
        for word in m.words
    }
    return tuple(sorted(names, key=lambda name: (-len(name[0]), name)))


def _is_device(mention: Mention) -> bool:
    known = vocabulary()
    return all(key in known and not known[key].abnormal and known[key].sided for key in mention.concepts)
