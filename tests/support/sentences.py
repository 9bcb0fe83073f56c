"""Sentences of known meaning for property tests: grammatical ones with what they say, and salads of words."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

from structured_report.content import Laterality, Presence, Severity

P, A, U = Presence.PRESENT, Presence.ABSENT, Presence.UNDETERMINED
FINDINGS = {
    "pneumothorax": "pneumothorax",
    "pleural_effusion": "pleural effusion",
    "consolidation": "consolidation",
    "atelectasis": "atelectasis",
    "nodule": "nodule",
    "lung_opacity": "opacity",
    "pneumonia": "pneumonia",
    "mass": "mass",
}
SIDES = {
    "left": Laterality.LEFT,
    "right": Laterality.RIGHT,
    "left-sided": Laterality.LEFT,
    "right-sided": Laterality.RIGHT,
    "bilateral": Laterality.BILATERAL,
}
DEGREES = {
    "small": Severity.MILD,
    "moderate": Severity.MODERATE,
    "large": Severity.SEVERE,
    "mild": Severity.MILD,
    "small to moderate": Severity.MODERATE,
}
PLACES = {"apical": "apical", "basal": "basal", "perihilar": "perihilar", "retrocardiac": "retrocardiac"}
AFTER = {
    "in the {} lung": "",
    "on the {}": "",
    "at the {} base": "basal",
    "in the {} lower lobe": "lower_lobe",
    "within the {} upper lung zone": "upper_zone",
    "at the base of the {} lung": "basal",
    "in the {} mid lung zone": "mid_zone",
    "overlying the {} apex": "apical",
}


@dataclass(frozen=True)
class Said:
    """What a piece of a sentence says of one finding."""

    text: str
    concept: str
    presence: Presence = P
    laterality: Laterality | None = None
    severity: Severity | None = None
    place: str = ""


@st.composite
def phrases(draw: st.DrawFn, concept: str) -> Said:
    """A noun phrase: "small left apical pneumothorax", "nodule in the right upper lung zone"."""
    degree = draw(st.none() | st.sampled_from(sorted(DEGREES)))
    words = [degree] if degree else []
    severity = DEGREES[degree] if degree else None
    name = FINDINGS[concept]
    if draw(st.booleans()):
        side = draw(st.none() | st.sampled_from(sorted(SIDES)))
        place = draw(st.none() | st.sampled_from(sorted(PLACES)))
        text = " ".join([*words, *filter(None, (side, place)), name])
        return Said(text, concept, P, SIDES[side] if side else None, severity, PLACES[place] if place else "")
    side = draw(st.sampled_from(["left", "right"]))
    where = draw(st.sampled_from(sorted(AFTER)))
    text = " ".join([*words, name, where.format(side)])
    return Said(text, concept, P, SIDES[side], severity, AFTER[where])


AFFIRMED = [
    "There is a {}.", "There is {}.", "{} is seen.", "{} is unchanged.", "Stable {}.", "Again seen is a {}.",
    "The {} has increased.", "No change in {}.", "The {} has not changed.", "New {} since the prior study.",
]  # fmt: skip
DENIED = ["No {}.", "There is no {}.", "Without {}.", "The {} has resolved.", "No evidence of {}.", "{} is not seen."]
DOUBTED = ["Possible {}.", "A {} cannot be excluded.", "{} is suspected.", "There may be a {}.", "Questionable {}."]


@st.composite
def simple(draw: st.DrawFn, concepts: list[str]) -> tuple[str, list[Said]]:
    """A sentence about one finding, and what it says."""
    said = draw(phrases(concepts[0]))
    presence, frames = draw(st.sampled_from([(P, AFFIRMED), (A, DENIED), (U, DOUBTED)]))
    text = draw(st.sampled_from(frames)).format(said.text)
    return text, [Said(said.text, said.concept, presence, said.laterality, said.severity, said.place)]


@st.composite
def listed(draw: st.DrawFn, concepts: list[str]) -> tuple[str, list[Said]]:
    """A list of findings, each with its own side: "small left effusion, right nodule and a mass"."""
    parts = [draw(phrases(c)) for c in concepts]
    texts = [part.text for part in parts]
    joined = (
        texts[0] if len(texts) == 1 else ", ".join(texts[:-1]) + draw(st.sampled_from([" and ", ", and "])) + texts[-1]
    )
    return draw(st.sampled_from(["There are {}.", "{} are unchanged.", "{}."])).format(joined), parts


@st.composite
def denied_list(draw: st.DrawFn, concepts: list[str]) -> tuple[str, list[Said]]:
    """ "No effusion, pneumothorax or nodule", and perhaps something that is there."""
    names = [FINDINGS[c] for c in concepts]
    joined = (
        names[0] if len(names) == 1 else ", ".join(names[:-1]) + draw(st.sampled_from([" or ", ", or "])) + names[-1]
    )
    frame = draw(st.sampled_from(["No {}.", "There is no {}.", "No {} is seen.", "Without {}.", "No evidence of {}."]))
    return frame.format(joined), [Said(n, c, A) for n, c in zip(names, concepts, strict=True)]


@st.composite
def mixed(draw: st.DrawFn, concepts: list[str]) -> tuple[str, list[Said]]:
    """A denial and an affirmation in one sentence."""
    there = draw(phrases(concepts[0]))
    if len(concepts) == 1:
        return f"There is a {there.text}.", [there]
    gone = [Said(FINDINGS[c], c, A) for c in concepts[1:]]
    names = " or ".join(g.text for g in gone)
    frame = draw(
        st.sampled_from(
            [
                "There is a {there}, but no {names}.",
                "{there} without {names}.",
                "No {names}, but there is a {there}.",
                "Although there is no {names}, there is a {there}.",
                "There is no {names}, and the {there} is unchanged.",
                "{there}; no {names}.",
                "There is a {there} with no {names}.",
            ]
        )
    )
    return frame.format(there=there.text, names=names), [there, *gone]


@st.composite
def drafts(draw: st.DrawFn) -> tuple[str, list[Said]]:
    """Some sentences about different findings, and everything they say."""
    left = draw(st.permutations(sorted(FINDINGS)))
    texts: list[str] = []
    said: list[Said] = []
    while left and len(texts) < 4:
        count = draw(st.integers(1, min(3, len(left))))
        concepts, left = left[:count], left[count:]
        kind = draw(st.sampled_from([simple, listed, denied_list, mixed]))
        text, parts = draw(kind(concepts[:1] if kind is simple else concepts))
        texts.append(text[:1].upper() + text[1:])
        said.extend(parts)
    return " ".join(texts), said


_SALAD_WORDS = (
    "left right Left Right left-sided right-sided bilateral bibasilar both and or nor , . : ( ) / > ; no not without with "
    "possible may likely cannot be excluded resolved unchanged there is are in on at of the a small large moderate "
    "lower upper lobe lung base apex pleural effusion effusions pneumothorax consolidation opacity nodule fracture "
    "heart enlarged normal clear lungs costophrenic angle blunting blunted chest tube PICC greater than more to lesser "
    "extent seen shows has but although previously RLL LLL RUL LUL L R lingular rib amount line removal if any"
)
SALAD = st.lists(st.sampled_from([*_SALAD_WORDS.split(), "\n"]), max_size=40).map(" ".join)
