"""Measurements nobody can make: the model sees a shrunken picture without a scale, and still says "5 cm above the carina"."""

from __future__ import annotations

from agent.reading.guards.codes import Code
from agent.reading.guards.evidence import Evidence
from agent.reading.guards.meaning import meaning, restated
from agent.reading.guards.passage import Passage
from agent.reading.guards.patterns import any_of, phrase
from agent.reading.guards.tidy import is_whole, tidied
from agent.reading.statements import statements

_NUMBER = (
    r"(?:\d{1,4}(?:[.,]\d{1,3})?|half|one|two|three|four|five|six|seven|eight|nine|ten|twelve|fifteen|twenty|thirty"
    r"|(?:a )?(?:few|couple of)|several)"
)
_UNIT = (
    any_of(
        "cms? mms? centimet(?:er|re)s? millimet(?:er|re)s? inch(?:es)? degrees? ° mls? cc millilit(?:er|re)s? hu % per_?cent"
    )
    + r"(?![A-Za-z])"
)
_ABOUT = (
    r"(?:"
    + any_of(
        "approximately approx\\.? about roughly around up_to at_least at_most nearly almost only some just over more_than "
        "less_than greater_than larger_than smaller_than an?_estimated estimated(?:_at)? ~ ≈ < > ≥ ≤"
    )
    + r"\s*)"
)
_SEVERAL = rf"{_NUMBER}(?:\s*-?\s*{_UNIT})?(?:\s*(?:x|×|by|to|and|or|-|–)\s*{_NUMBER}(?:\s*-?\s*{_UNIT})?){{0,3}}"
_MEASURE = rf"{_ABOUT}{{0,2}}(?:between )?{_SEVERAL}(?<![\d\s])(?<!\bone)"
_EXTENT = any_of(
    "diameter size width height length thickness depth dimensions? extent transverse craniocaudal axial volume area each "
    "greatest largest maximal maximum short long axis"
)
_RATIO = r"(?:cardio-?thoracic (?:ratio|index)|CTR)(?: ?\(CTR\))?"
_FRACTION = r"(?:0?[.,]\d{1,3}|1[.,]0|\d{2}(?:\.\d)?\s*(?:%|percent))"
_VALUE = rf"{_ABOUT}{{0,2}}{_FRACTION}(?:\s*(?:-|–|to)\s*{_FRACTION})?"
_UNITED = phrase(rf"(?<![\w.]){_NUMBER}\s*-?\s*{_UNIT}|(?<!\w){_RATIO}\b[^.;]{{0,30}}?(?:\d?[.,]\d|\d\d)")
_IS = r"\s*(?:is|of|was|at|measures|measuring|estimated at|=|:)?\s*"
_OUT = tuple(
    map(
        phrase,
        (
            rf",?\s*\(?\b(?:with an? )?{_RATIO}{_IS}{_VALUE}\)?",
            rf",?\s*\b(?:with|having) (?:an?|the) (?:\w+ ){{0,2}}?(?:{_EXTENT}|angle) of {_MEASURE}",
            rf",?\s*\b(?:which |that |and )?(?:measuring|measures|measured(?: at)?) {_MEASURE}"
            rf"(?: (?:in|across)(?: (?:its )?{_EXTENT}){{1,3}}| across)?",
            rf"\s*[(\[]\s*(?:measuring )?{_MEASURE}(?: (?:in )?{_EXTENT}){{0,2}}\s*[)\]]",
            rf"(?<![\w.])(?:\b(?:at|by|of|in) )?{_MEASURE}"
            rf"(?: (?:in|across)(?: {_EXTENT}){{1,3}}|\s*-?\s*(?:thick|long|wide|deep|across|in size)\b)?(?!\s*(?:from|away|of)\b)",
        ),
    )
)
_WHY_NO_SCALE = "gives a measurement that the picture shown to the model does not allow"
_WHY_SCALE = "gives a measurement, and the model saw a shrunken picture without the scale of the image"
_LONGEST = 1000


def measures(sentence: str) -> bool:
    """Whether a sentence gives a measurement. A number without a unit is none: "2 views", "T4", "9th rib"."""
    return _UNITED.search(sentence) is not None


def check_measurements(passage: Passage, evidence: Evidence) -> Passage:
    """Without the measurements; what is there stays there."""
    why = _WHY_SCALE if evidence.pixel_spacing_known else _WHY_NO_SCALE
    return passage.mapped(_unmeasured, Code.MEASUREMENT, why)


def _unmeasured(sentence: str) -> str | None:
    if not measures(sentence):
        return sentence
    before = statements(sentence)
    if len(sentence) <= _LONGEST:
        plain = sentence
        for out in _OUT:
            plain = out.sub("", plain)
        plain = tidied(plain, sentence)
        if not measures(plain) and is_whole(plain) and meaning(plain) == meaning(sentence):
            return plain
    return restated(before)
