""" "There is a right effusion", with its article and its number, from "the right effusion"."""

from __future__ import annotations

from agent.reading.grammar.tokens import singular, wordset
from agent.reading.guards.meaning import meaning
from agent.reading.guards.patterns import any_of, phrase
from structured_report.content import Presence

# What can be there besides the findings of the vocabulary. "The heart size" cannot.
_THINGS = phrase(
    r"\b"
    + any_of(
        "emphysema scoliosis kyphosis thickening calcifications? deviation elevation elevated widening widened tortuosity "
        "tortuous hernia wires? clips? sutures? hardware leads? stents? valves? prosthes[ie]s catheters? tubes? drains? lines? "
        "devices? ports? plaques? scars? scarring fibrosis bulla bullae cysts? lesions? densit(?:y|ies) markings lucenc(?:y|ies) "
        "shift degenerative_changes? post-?\\w+_changes? blunting prominence prominent calcified hyperinflation hyperinflated "
        "abnormalit(?:y|ies) infiltrates? adenopathy lymphadenopathy fullness balloon pump filter electrodes? plates? screws "
        "osteophytes? gas abscess cavit(?:y|ies|ation) bronchiectasis low_lung_volumes eventration granulomas? deformit(?:y|ies)"
    )
    + r"\b"
)
_ARTICLE = phrase(
    r"^(?:(?:the|an?|this|these|that|known|overall) )*"
    r"(?:(?:degree|extent|amount|severity|appearance|size|position|burden) of (?:the |an? )?)?"
)
_ALREADY = phrase(r"(?:there|it|this|these|which|no)\b")
_NOUN_PHRASE_ENDS = phrase(
    r" (?:in|on|at|of|with|within|overlying|along|over|from|and|to(?! (?:moderate|severe|large|marked))|due|partially|which|that|"
    r"involving|projecting|seen|consistent|likely|probably) |,"
)
_REST = (
    (phrase(r"^and (?=in\b|with\b)"), ""),
    (phrase(r"^(?:and|but) (?=(?:most )?(?:likely|probably|may|might|could)\b)"), ", which "),
    (phrase(r"^(?:and|but) (?:is|are) "), ", which is "),
    (
        phrase(
            r"^(?:and|but) (?=(?:terminates?|ends?|projects?|extends?|measures?|appears?|shows?|courses?|overlies)\b)"
        ),
        ", which ",
    ),
)
_PLURAL = wordset("lungs opacities effusions volumes tubes lines contours structures they both")
_UNCOUNTED = wordset(
    "cardiomegaly edema oedema atelectasis consolidation pneumonia congestion pneumomediastinum opacification air fluid "
    "engorgement thickening emphysema scarring haziness blunting disease enlargement fibrosis calcification prominence "
    "elevation hyperinflation hyperexpansion tortuosity kyphosis scoliosis osteopenia infiltration infection effacement "
    "widening collapse loss hardware redistribution cephalization overload evidence"
)


def is_a_thing(what: str) -> bool:
    """Whether it can be said of a subject that it is there: of an effusion, a tube, a scoliosis, but not of "the heart
    size"."""
    return bool(_THINGS.search(what)) or any(m[1] is not Presence.ABSENT for m in meaning(what))


def there_is(what: str, rest: str) -> str:
    """ "There is a right effusion, with ..." from its subject and what follows its predicate."""
    if _ALREADY.match(what):
        return f"{what} {rest}"
    thing = _bare(what)
    verb = "are" if _is_plural(thing) else "is"
    if verb == "is" and not _is_uncounted(thing):
        thing = f"{'an' if thing[:1].lower() in 'aeiou' else 'a'} {thing}"
    for wrong, right in _REST:
        rest = wrong.sub(right, rest)
    return f"there {verb} {thing}{'' if rest[:1] in ',;' else ' '}{rest}"


def there_is_no(what: str) -> str:
    """ "There is no effusion" from "the effusion"."""
    return f"there is no {_bare(what)}"


def _bare(what: str) -> str:
    """A noun phrase without its article."""
    thing = _ARTICLE.sub("", what.strip())
    return thing[:1].lower() + thing[1:] if thing[1:2].islower() else thing


def _nouns(thing: str) -> list[str]:
    """The words of a noun phrase before what follows a preposition; the last is its noun or an adjective after it."""
    return _NOUN_PHRASE_ENDS.split(thing, maxsplit=1)[0].lower().split()


def _is_plural(thing: str) -> bool:
    return any(w in _PLURAL or (singular(w) != w and w not in _UNCOUNTED) for w in _nouns(thing))


def _is_uncounted(thing: str) -> bool:
    return not _UNCOUNTED.isdisjoint(_nouns(thing)[-2:])
