"""The words that compare with an earlier film, and the same words where they do not.

In these patterns a blank is any white space (`patterns.phrase`).
"""

from __future__ import annotations

import re

from agent.reading.guards.patterns import any_of, phrase

_FILMS = any_of(
    "study studies exams? examinations? radiographs? films? x-?rays? images? imaging cxrs? cts? reports? scans?"
)
# What an earlier film is called, and what may stand before it.
FILM = rf"(?:{_FILMS}|priors?|baseline|tomogram|mammogram|one|yesterday|comparison)"
EARLIER = any_of(
    "prior previous earlier last preceding recent old older initial outside comparison same-day available remote"
)
_REDACTED = r"[_]{2,}"  # the corpora the model learnt from have these for dates
_EARLIER_TODAY = r"earlier (?:today|this \w+|in the \w+|the same day)"
_DATE = rf"(?:same day|yesterday|{_EARLIER_TODAY}|earlier|today|{_REDACTED}|\d[\d/.:-]*|[A-Z][a-z]+ \d+(?:, \d+)?)"
_CLOCK = r"(?: (?:at )?[\d:_]+(?: ?[ap]\.?m\.?)?)?"
_OF = r"(?:of|from|dated|on|performed(?: on)?|obtained(?: on)?|at|done) "
# "the most recent prior chest radiograph of yesterday", "prior", "___"
OBJECT = (
    rf"(?:(?:the|a|an|his|her|patient's|any|most|{EARLIER}|chest|portable|frontal|pa|ap|lateral|and) ){{0,6}}"
    rf"(?:{_EARLIER_TODAY}|{FILM}\b(?: {FILM}\b)?|{EARLIER}\b(?! \w+ectomy)|{_REDACTED}(?: {_FILMS}\b)?|\d\d?[/-]\d\d?(?:[/-]\d{{2,4}})?)"
    rf"(?:,? (?:{_OF})+(?:the )?{_DATE}{_CLOCK}){{0,2}}"
)
_THE_OTHER_SIDE = (
    r"(?:the )?(?:left|right|contralateral|opposite|other|normal|expected|lateral|upper|lower|rest|remainder)\b"
)
AGAINST = (
    r"(?:(?:(?:as|when|in|by|for) )?(?:compared|comparison|compare|comparing)(?: is made)? (?:to|with) "
    rf"(?!{_THE_OTHER_SIDE})|relative to (?=.{{0,30}}\b(?:prior|previous|earlier|last|study|exam)))"
)

# "Larger on the right", "worse than on the left", "better seen": in space and not in time.
_MORE = any_of("worse greater larger smaller better more less higher lower increased decreased most least")
_PLACE = any_of(
    "left right bases? apex apices lower upper mid middle bilateral bilaterally lung lungs lateral medial perihilar periphery"
)
_EXPECTED = any_of("other contralateral opposite expected normal usual typical")
_MEASURED_BY_EYE = any_of(
    "heart cardiac silhouette volumes? markings? density densities lucency vascularity vasculature diameter spaces? "
    "attenuation inflation caliber prominence kyphosis ratio"
)
_BETTER_SEEN = any_of(
    "seen visuali[sz]ed appreciated evaluated assessed characteri[sz]ed defined demonstrated depicted delineated shown"
)
# A place or a person, in capitals.
_NEW_YORK = re.compile(r"(?<=\w )New\s+[A-Z][a-z]+|\bNew\s+(?:York|Zealand|Jersey|England|Mexico|Orleans|Delhi)\b")
_SHIELDED = (
    _NEW_YORK,
    *map(
        phrase,
        (
            r"\bha?emodynamically (?:stable|unchanged|improved)|\b(?:clinically|medically|neurologically) stable",
            r"\bpatient(?:'s condition)? (?:is|was|remains) stable|\bstable (?:patient|condition|angina|vital signs)",
            r"\bremains of\b|\bthe remains\b",
            # that there is no earlier film is true
            r"^\W*(?:there (?:is|are) )?no (?:relevant |recent |available )?(?:prior|previous|comparison)s?\b(?!.*\bchange)[^,;]{0,60}$",
            r"\bpersistent (?:left |right )?(?:-?sided )?(?:superior vena cava|svc|ductus|truncus|foramen)",
            r"\b(?:qt|pr|qrs|rr|time|dosing|sampling)[-\s]interval",
            r"\bhigh[-\s]resolution|\b(?:image|spatial|contrast|temporal) resolution",
            r"\bprogressive massive fibrosis|\bprogressive supranuclear",
            rf"\b(?!(?:in|de)creased\b){_MORE} (?:\w+ )?(?:on|in|at|along|over|within|towards?) (?:the |both )?{_PLACE}\b",
            rf"\b{_PLACE} {_MORE} than (?:the )?{_PLACE}\b|\b{_PLACE}\s*>\s*{_PLACE}\b",
            rf"\b{_MORE}(?: \w+){{0,3}} than (?:on |in |at |that of )?(?:the )?(?:{_PLACE}|{_EXPECTED})\b",
            rf"\b(?:better|worse|best) {_BETTER_SEEN}",
            rf"\b{_MEASURED_BY_EYE}(?: (?:size|silhouette))? (?:is|are|appears?) (?:\w+ly )?"
            r"(?:increased|decreased|larger|smaller|diminished)\b(?! (?:since|from|in the interval|compared))",
            r"\b(?:increase|decrease|reduction)s? (?:in|of) (?:the )?(?:\w+ )?"
            r"(?:markings?|density|attenuation|lucency|ap diameter|vascularity)",
            r"\bstill (?:image|frame)",
            r"\bcontinu(?:e|ed|ing) (?:to monitor|follow|clinical|monitoring|surveillance|attention)\b",
        ),
    ),
)

# "No new consolidation" denies what is new and says nothing of what is not; "no residual pneumothorax" what is left over.
# Their words stay, because without that word they would say more, and what they deny is left open (`newness`).
NO_NEW = phrase(
    r"\b(?:no|without) (?:(?:definite|significant|obvious|convincing|clear|other|evidence of(?: any)?|evidence for(?: any)?|"
    r"any|interval|acute) ){0,3}(?:new(?:ly)?|residual|recurrent|persistent)\b(?! (?:or|and)\b)"
)

_HAS = r"(?:has|have|had)(?: (?:also|been|since|now|all|\w+ly|further|nearly|almost|in the interval))*"
_IS = r"(?:is|are|was|were|appears?|looks?|seems?)(?: (?:\w+ly|also|now|overall|not|little|no|much|to be))*"
_CHANGED = any_of(
    "increased decreased enlarged grown cleared diminished developed changed removed placed inserted advanced withdrawn "
    "retracted repositioned replaced exchanged extubated intubated migrated resolved progressed reduced declined regressed "
    "re-?expanded recurred discontinued pulled shifted lessened subsided abated reappeared taken_out"
)
_COMPARED = any_of(
    "increased decreased larger smaller better diminished cleared similar the_same constant reduced less as_before "
    "(?:more|less)_(?:prominent|conspicuous|severe|extensive|apparent|dense|marked|pronounced|evident|visible|confluent)"
)
_IN_SIZE = (
    r"(?: in (?:size|extent|appearance|amount|volume|degree|conspicuity|severity|number|prominence|position|overall))?"
)
_CLAUSE_ENDS = r"(?=\s*(?:[,.;:()]|$|(?:and|but|since|from|compared|than|when|in the interval|with)\b))"
_SEEN_BEFORE = any_of("effusions? opacit(?:y|ies) consolidations? pneumothora\\w+ nodules? o?edema atelectas\\w+")
_THERE = any_of(
    "effusions? pneumothora\\w+ o?edema atelectas[ie]s consolidations? congestion nodules? mass(?:es)? pneumonia"
)
_LEFT_OVER = any_of("effusion pneumothora\\w+ opacit\\w+ consolidation atelectasis o?edema infiltrat\\w+ fluid air")
# "From prior granulomatous disease" is a history and no film.
_HISTORY = (
    r"(?:\w+ ){0,2}\w*(?:ectomy|otomy|plasty|surgery|cabg|infection|disease|fracture|trauma|injury|procedure|intervention|repair|"
    r"replacement|radiation|exposure|tuberculosis|granulomatous|inflammation|placement|operation|resection|graft)"
)
_CUES = tuple(
    map(
        phrase,
        (
            r"\bunchanged\b|\bunaltered\b|\bnot (?:\w+ ){0,2}?changed\b|\bunchanging\b|\bstabl[ey]\b|\bstability\b|\bstatic\b",
            r"\bremain(?:s|ed)?\b(?! (?:of|to be (?:seen|determined)))|\bpersist(?:s|ed|ent|ently|ing|ence)?\b|\bstill\b|\bnow\b",
            r"\bagain\b|\bonce more\b|\bre-?(?:demonstrat|accumulat|expan|absor|develop)\w+|\bre-?(?:identified|visuali[sz]ed)\b",
            r"\binterval(?:ly)?\b|\binterim\b|\brecurren(?:t|ce)\b|\bno longer\b|\bnew(?:ly)?\b|\bserial\b|\btemporal\b|\bover time\b",
            r"\bimprov(?:ed|ing|ements?|es?)\b|\bworse(?:n|ned|ning|ns)?\b|\bprogress(?:ed|ion|ing|es|ive|ively)?\b",
            r"\bresol(?:ved?|ving|ution|ves)\b|\bcontinu(?:es?|ed|ing)\b(?! (?:follow|into|below|beyond|through))",
            r"\bpreviously\b|\bformerly\b|\bearlier\b|\b(?:as|than|from) before\b|\bno different\b|\bongoing\b",
            rf"\b(?:since|from|than|to|with|on|in|of|at) (?:on |in )?(?:the |his |her |any |a )?(?:most )?(?:recent )?"
            rf"(?:prior|previous|preceding|earlier|last|comparison|old|older) (?:\w+ ){{0,3}}?{FILM}\b",
            rf"\b(?:since|from|than|to|with) (?:the )?(?:prior|previous|priors)\b(?! {_HISTORY})",
            rf"\bsince (?:the )?(?:{FILM}|{_REDACTED}|\d)",
            rf"\b(?:prior|previous) (?:[\w-]+ ){{0,2}}?(?:{_FILMS}|{_SEEN_BEFORE})\b",
            rf"\b{AGAINST}|\bin comparison\b|\bfor comparison\b|\bno comparison\b|\bcompare (?:to|with)\b",
            r"\bcomparison (?:is made|study|film|exam|radiograph)",
            rf"\b{_HAS} (?:\w+ly )?{_CHANGED}\b|\b{_IS} {_COMPARED}{_IN_SIZE}{_CLAUSE_ENDS}",
            r"\b(?:increas|decreas|enlarg|grow|diminish|clear|evolv|develop|lessen)ing\b(?! (?:of the heart|the \w+))",
            r"\b(?:increase|decrease|reduction|growth|clearing|difference|decline)s? (?:in|of|from|since)\b",
            r"\bchanges? (?:from|since|over time)\b|\b(?:no|without|little) (?:\w+ ){0,3}?(?:change|changes|difference|alteration)\b",
            r"\bsimilar (?:in )?(?:appearance|size|extent|degree|position|configuration|distribution|"
            r"to (?:the )?(?:prior|previous|before|that seen))",
            rf"\bresidual (?:[\w-]+ ){{0,2}}?{_LEFT_OVER}|\b(?:in|de)creased (?:\w+ ){{0,3}}?{_THERE}\b",
            rf"\b{_THERE} (?:(?:has|have) )?(?:\w+ly )?(?:in|de)creased\b|\bsimilar to (?:the )?{_REDACTED}|\bthan there (?:was|were)\b",
            r"^\W*(?:(?:minimal|slight|little|mild|some|marked) )?changes? (?:in|with)\b|\btoday than\b|\bthere is an? (?:in|de)crease\b",
            r"\b(?:more|less) \w+ on (?:this|today's|the current|the present) (?:\w+ ){0,2}?(?:exam|examination|study|film|radiograph)\b",
            r"\brecent (?:placement|removal|extubation|intubation)|\b(?:in|de)creased in (?:size|extent|number|amount|conspicuity|volume)",
            r"\bslightly (?:increased|decreased|larger|smaller|better|worse)\b(?=\s*(?:[,.;()]|$|(?:since|from|compared|than)\b))",
        ),
    )
)
_MARK = re.compile("\ue000(\\d{1,3})\ue001")


def compares(sentence: str) -> bool:
    """Whether a sentence compares with an earlier film."""
    for pattern in _SHIELDED:
        sentence = pattern.sub("#", sentence)
    bare = NO_NEW.sub("", sentence)
    return any(cue.search(bare) for cue in _CUES)


def shielded(sentence: str) -> tuple[str, list[str]]:
    """The sentence with a mark for each turn of phrase that must not be taken for a comparison, and what the marks stand
    for."""
    kept: list[str] = []

    def mark(found: re.Match[str]) -> str:
        kept.append(found[0])
        return f"\ue000{len(kept) - 1}\ue001"

    for pattern in (*_SHIELDED, NO_NEW):
        sentence = pattern.sub(mark, sentence)
    return sentence, kept


def unshielded(sentence: str, kept: list[str]) -> str:
    """The sentence with its marks replaced by what they stand for."""
    while _MARK.search(sentence):  # a mark may stand inside what another stands for, made earlier
        sentence = _MARK.sub(lambda found: kept[int(found[1])] if int(found[1]) < len(kept) else "", sentence)
    return sentence
