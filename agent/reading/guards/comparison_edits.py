"""How a clause is said without its comparison: "the right effusion is stable" becomes "there is a right effusion".

Each rule is a step; whether the steps led anywhere is for `comparison` to judge, which holds the meaning of the result
against that of the original. In these patterns a blank is any white space (`patterns.phrase`).
"""

from __future__ import annotations

import re

from agent.reading.guards.comparison_words import AGAINST, EARLIER, FILM, OBJECT
from agent.reading.guards.patterns import any_of, phrase
from agent.reading.guards.there_is import is_a_thing, there_is, there_is_no

_Rule = tuple[re.Pattern[str], str]

_LY = (
    r"(?:(?!only\b|likely\b|probably\b|possibly\b)\w+ly|not|no|more|less|somewhat|overall|very|quite|much|little|also|now|still|again|"
    r"otherwise)"
)
_DEGREE = rf"(?:{_LY} ){{0,4}}"
_STATE = any_of(
    "unchanged unaltered unchanging changed stable static constant similar persistent persisting improved improving worsened "
    "worsening worse better increased increasing decreased decreasing larger smaller enlarging progressed progressing "
    "progressive resolving clearing cleared reduced diminished diminishing evolving developing new recurrent the_same as_before "
    "re-?demonstrated re-?identified re-?visuali[sz]ed re-?expanded re-?expanding re-?accumulat\\w+ continued continuing "
    "residual interval ongoing "
    "(?:more|less)_(?:prominent|conspicuous|severe|extensive|apparent|dense|marked|pronounced|evident|visible|confluent)"
)
_ASPECT = any_of(
    "size extent appearance amount volume degree conspicuity severity number prominence position location configuration "
    "distribution density contour caliber interval comparison"
)
_IN_SIZE = rf"(?: in (?:(?:the )?(?:overall )?{_ASPECT}(?:\s*(?:,|and|or)\s*(?:and )?(?!the\b))?){{1,3}})?"
_STATES = rf"(?:{_DEGREE}{_STATE}{_IN_SIZE})(?:\s*(?:,|and|or|to|but|if not) {_DEGREE}{_STATE}{_IN_SIZE}){{0,2}}"
_IS = r"(?:is|are|was|were|appears?|looks?|seems?|remains?|(?:has|have) remained|continues? to be|(?:has|have) been)(?: to be)?"
_CHANGE = (
    r"(?:(?:improve|develop|place|replace|enlarge|advance)ment|increase|decrease|worsening|progression|regression|changes?|growth|"
    r"reduction|insertion|appearance|persistence|re-?demonstration|re-?accumulation|clearing|re-?expansion|recurrence|decline)"
)
_ADJECTIVES = (
    r"(?:(?:interval|persistent|continued|recent|new|further|partial|significant|appreciable|relevant|substantial|marked|mild|moderate|"
    r"slight|minimal|some|overall|stable|unchanged|similar) ){0,4}"
)
_OF_WHICH = rf"(?: (?:in|of) (?:(?:the )?{_ASPECT} of )?(?:the |an? |known )?)"
_MOVED = any_of(
    "placed inserted advanced withdrawn retracted repositioned replaced exchanged pulled(?:\\s+back)? developed appeared "
    "reappeared migrated shifted"
)
_CHANGED = any_of(
    "increased decreased enlarged grown diminished progressed reduced declined regressed lessened improved worsened changed "
    "cleared re-?expanded persisted recurred subsided evolved"
)
_DONE = r"(?:(?:also|been|since|now|\w+ly|further|nearly|almost|not|no|little) ){0,4}"
_SEEN = any_of("seen noted described identified demonstrated visuali[sz]ed present mentioned reported questioned")
_NO_CHANGE = (
    r"(?:(?:significant|appreciable|interval|relevant|substantial|major|other|new|definite) ){0,3}"
    r"(?:changes?|improvement|worsening|progression|increase|decrease|difference)"
)
_PART_ENDS = r"\s*(?=$|[,;])"
_THING = r"^(?P<what>.{2,240}?) "
_REST = r"\s*(?P<rest>(?:[,(]|with|in|on|at|and|but|measuring|likely|probably|possibly|extending|projecting|terminating).{0,300})?$"


def _rules(*rules: tuple[str, str]) -> tuple[_Rule, ...]:
    return tuple((phrase(pattern), right) for pattern, right in rules)


# What is only said of the comparison, and can be left out wherever it stands.
_ASIDES = _rules(
    (rf",?\s*\(?\b(?:similar (?:when )?)?{AGAINST}(?:that (?:of|on|from|seen on) )?{OBJECT}\)?,?", " "),
    (
        r",?\s*\(?\b(?:since|relative to|from|than(?: (?:on|in|it was on))?|similar to|with respect to) "
        rf"(?=.{{0,60}}?\b(?:{EARLIER}|{FILM})\b){OBJECT}\)?,?",
        " ",
    ),
    (
        rf",?\s*\(?\b(?:as )?(?:(?:was|were|been) )?(?:{_SEEN} )?(?:on|in|to|with|at) (?=(?:\w+ ){{0,4}}?{EARLIER}\b){OBJECT}\)?,?",
        " ",
    ),
    (rf",?\s*\b(?:as )?(?:was |were )?{_SEEN} (?:previously|before|earlier)\b,?", " "),
    (rf",?\s*\b(?:not )?(?:as )?(?:was |were )?previously(?: {_SEEN})?\b", " "),
    (r",?\s*\b(?:as|than|from|to) (?:before|previously|prior|priors|earlier)\b,?", " "),
    (r",?\s*\b(?:in|over|during) (?:the )?(?:interval|interim)\b,?", " "),
    (r",?\s*\bover the (?:past|last) (?:\w+ )?(?:hours?|days?|weeks?|months?|years?)\b", " "),
    (
        r",?\s*\b(?:earlier )?(?:today|this morning)\b(?!['’])|\bfrom [_]{2,}|,?\s*\bsince [_]{2,}(?: through [_]{2,})?",
        " ",
    ),
    (r"\byesterday's |,?\s*\bover time\b|\bin comparison\b,?", " "),
    (
        rf",?\s*\b(?:which|that) (?:{_IS}|has|have) {_DONE}(?:{_STATES}|{_CHANGED}){_IN_SIZE}\s*,?"
        r"(?=\s*(?:$|[,.;]|with\b|and\b|in\b|on\b|at\b))",
        " ",
    ),
    (rf"\s*\(\s*{_STATES}\s*\)", " "),
    (rf",?\s*\b(?:and|but) (?:(?:is|are) )?{_STATES}{_PART_ENDS}", ""),
    (rf",\s*(?:and )?(?:(?:all|both) )?(?:now )?{_STATES}{_PART_ENDS}", ""),
    (
        rf",\s*(?:with(?:out)?|showing) (?:an? )?(?:no |any |{_DEGREE}){_NO_CHANGE}(?: (?:in|of) {_ASPECT})?{_PART_ENDS}",
        "",
    ),
    (rf" without (?:any )?{_NO_CHANGE}\b", ""),
)
# Turned into the plain word.
_PLAIN = _rules(
    (
        r"^(?:once )?again (?:seen|noted|demonstrated|identified|visuali[sz]ed|shown|present|visible)?\s*(is|are)\b",
        r"There \1",
    ),
    (r"^(?:re-?demonstrated|re-?identified|re-?visuali[sz]ed) (is|are)\b", r"There \1"),
    (rf"^(?:previously|persistently) {_SEEN} ", ""),
    (
        rf"\bthere (?:is|are|was|has been|have been) (?:an? )?{_DEGREE}{_ADJECTIVES}(?:resolution|removal|disappearance) of "
        r"(?:the |an? |previously seen )?",
        "there is no ",
    ),
    (r"^(?:interval|recent) (?:resolution|removal|disappearance) of (?:the |an? )?", "No "),
    (
        r"\bthere (?:is|are|was|has been|have been|continues? to be|persists?) (?:an? )?"
        rf"(?:no |{_DEGREE}){_ADJECTIVES}{_CHANGE}{_OF_WHICH}",
        "there is ",
    ),
    (rf"^(?:no |(?:an? |the )?{_DEGREE}){_ADJECTIVES}{_CHANGE}{_OF_WHICH}", ""),
    (
        rf"\bthere (?:is|are) (?:an? )?{_ADJECTIVES}(?:position|appearance|size|extent|degree) of (?:the |an? )?",
        "there is ",
    ),
    (
        r"\bthere (?:continues? to be|persists?|remains?|is again(?: (?:seen|noted|demonstrated))?|is now|is still)(?=\s)",
        "there is",
    ),
    (r"\bno longer\b", "not"),
    (
        r"\bin (?:an? |the )?(?:grossly )?(?:unchanged|stable|similar|constant|the same|same) "
        r"(?:position|location|alignment|place|appearance|configuration)s?\b",
        "in place",
    ),
    (r"\bcontinue to (?:be|appear)\b", "are"),
    (r"\bcontinue[sd] to (?:be|appear)\b", "is"),
    (r"\bcontinue[sd]? to (show|demonstrate|have|reveal|project|terminate|end|overlie|extend|lie|course)\b", r"\1s"),
    (r"\b(?:once more|once again|again|still|now|newly|persistently|stably|intervally|progressively)\b", " "),
    (r"\b(?:since|relative to|compared (?:to|with)|from|than)\s*(?=$|[,;])", ""),
)
# A predicate that says nothing but the comparison.
_PREDICATES = tuple(
    map(
        phrase,
        (
            rf"{_THING}(?:{_IS}) (?:(?:noted|seen) to be )?{_STATES}{_REST}",
            rf"{_THING}(?:has|have|had) {_DONE}(?:{_CHANGED}|{_MOVED}){_IN_SIZE}(?: \w+ly)?{_REST}",
            rf"{_THING}(?:has|have|shows?) (?:an? )?{_DEGREE}{_STATE} {_ASPECT}s?{_REST}",
            rf"{_THING}(?:persists?|continues?|recurs?){_REST}",
            rf"{_THING}(?<!has\s)(?<!have\s)(?<!all\s)(?<!been\s)(?:\w+ly )?(?:in|de)creased{_IN_SIZE}(?: \w+ly)?{_REST}",
        ),
    )
)
_GONE = phrase(
    rf"{_THING}(?:has|have|appears? to have|appears?) (?:(?:since|now|completely|fully|all|been|also|interval(?:ly)?) ){{0,3}}"
    r"(?:resolved|cleared|disappeared|removed|discontinued|taken out)\s*$"
)
_ATTRIBUTES = _rules(
    (
        rf"\b(?:an? (?=\w+ly {_STATE}\b)|(?<!\w))(?:(?:\w+ly|not|overall|slight|mild|minimal|further|some) )?(?<![\w-]){_STATE}"
        rf"(?:\s*(?:,|and|or|to) (?:\w+ly )?{_STATE})? (?=[a-z(])",
        " ",
    ),
    (r"\bremains\b|\bhas remained\b", "is"),
    (r"\bremain(?:ed)?\b|\bhave remained\b", "are"),
)
_BARE = phrase(r"there is (?!(?:no|an?|the)\b)(?P<what>.+)$")


def without_asides(clause: str) -> str:
    """The clause without what is said of the comparison alone: "compared with the prior study", "(unchanged)"."""
    return _applied(_ASIDES, clause)


def plainly(clause: str) -> str:
    """The clause without what compares."""
    if (found := _GONE.match(clause)) and is_a_thing(found["what"]):
        return there_is_no(found["what"])
    clause = _applied(_PLAIN, without_asides(clause))
    if bare := _BARE.match(clause):
        clause = there_is(bare["what"], "")
    for predicate in _PREDICATES:
        if (found := predicate.match(clause)) and is_a_thing(found["what"]):
            clause = there_is(found["what"], (found["rest"] or "").strip())
            break
    return _applied(_ATTRIBUTES, clause)


def _applied(rules: tuple[_Rule, ...], clause: str) -> str:
    for wrong, right in rules:
        clause = wrong.sub(right, clause)
    return " ".join(clause.split())
