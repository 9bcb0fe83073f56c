"""Answers that are no report: a refusal, a letter, JSON, another language, a loop, a novel."""

from __future__ import annotations

import re

from agent.reading.grammar.tokens import wordset
from agent.reading.guards.codes import Code
from agent.reading.guards.comparison_words import compares
from agent.reading.guards.empty_nouns import lacks_noun
from agent.reading.guards.markup import without_markup
from agent.reading.guards.passage import pieces
from agent.reading.guards.patterns import any_of, phrase
from agent.reading.guards.repetition import is_heavy
from agent.reading.guards.script import MOST_FOREIGN, foreign_share
from agent.reading.statements import Statement, statements
from structured_report.content import Presence

MOST_CHARACTERS = 12_000  # findings have 28 to 61 words; twenty times as much is no findings section
_WHO = r"(?:I|we|this (?:\w+ ){0,2}(?:checkpoint|model|system|assistant))"
_CANNOT = (
    r"(?:cannot|can ?not|can['’]t|could not|unable to|not able to|must not|won['’]t|will not|do not have|don['’]t have)"
)
_DECLINES = phrase(
    rf"\b{_WHO}(?: am| are| is|['’]m)? {_CANNOT} (?!exclude|rule out)"
    r"|\b(?:I['’]?m|I am) (?:sorry|an? (?:AI|language|large))|\bas an? (?:AI|artificial|language)\b|\bI apologi[sz]e\b"
    r"|\b(?:consult|see) (?:a|your) (?:qualified |licensed )?(?:doctor|physician|healthcare|medical professional)"
    r"|\ba radiologist must read it\b"
)
_LETTER = phrase(r"^\s*dear \w+|\b(?:sincerely|faithfully)\b|\b(?:kind|best|warm) regards\b")
_JSON = re.compile(r"^\s*(?:```\w*\s*)?[\[{]\s*(?:[\[{]\s*)?(?:[\"'][^\"'\n]{0,80}[\"']\s*[:,\]]|[\]}])")
_PROMPT = phrase(r"\bwrite an? (?:example|structured)\b|\bplease reason step by step\b|\byou are a helpful\b")
_OF_THE_CHEST = phrase(
    r"\b"
    + any_of(
        "lungs? heart cardi\\w+ mediastin\\w+ pleura\\w* chest cxr film radiograph\\w* x-?rays? ribs? bone bones bony osseous "
        "diaphragm\\w* hemidiaphragms? hilum hila hilar vascul\\w+ tubes? catheters? lines? wires? clips? views? aorta aortic "
        "spine thora\\w+ trachea\\w* carina silhouette pulmonary costophrenic atelecta\\w+ opaci\\w+ effusions? acute "
        "abnormality abnormalities cardiopulmonary radiographic sternotomy soft_tissues? stomach bowel abdomen clavicles? "
        "shoulders? vertebra\\w* findings? portable inspiration hiatal bronch\\w+ imaged lucenc\\w+ nodul\\w+ stents? emphysema "
        "\\w+ectomy lobes? surgical rotated positioning"
    )
    + r"\b"
)
_FUNCTION_WORDS = wordset(
    "is are the of no there in with and within normal clear for seen has have a an or to without at on"
)


def unusable(answer: str) -> tuple[Code, str] | None:
    """Why an answer is no findings section, as a code and in words; None when it is one."""
    if len(answer) > MOST_CHARACTERS:
        return Code.TOO_LONG, f"the answer has {len(answer)} characters; no findings section is that long"
    if foreign_share(answer) > MOST_FOREIGN:
        return Code.FOREIGN_SCRIPT, "the answer is mostly in another script"
    if is_heavy(answer):
        return Code.REPETITION, "the answer repeats itself over and over"
    if _JSON.match(answer):
        return Code.NOT_A_REPORT, "the answer is a data structure and no text"
    text = without_markup(answer)[0]
    said = statements(text)
    if _DECLINES.search(text) and not any(s.presence is not Presence.UNDETERMINED for s in said):
        return Code.MODEL_DECLINED, "the model says that it cannot read this study"
    if _LETTER.search(text) or _PROMPT.search(text):
        return Code.NOT_A_REPORT, "the answer is a letter or a prompt and no findings section"
    return None if _reports(text, said) else (Code.NOT_A_REPORT, "the answer says nothing about a chest radiograph")


def _reports(text: str, said: tuple[Statement, ...]) -> bool:
    """Whether a text states a finding, or has a normal sentence about a chest."""
    return bool(said) or any(_is_normal(p.words) for p in pieces(text))


def _is_normal(sentence: str) -> bool:
    """Three words, one of the chest and one that makes it a sentence, and no noun missing; or a comparison, which says
    something where there is a prior."""
    if len(sentence.split()) < 3 or lacks_noun(sentence):
        return False
    about = _OF_THE_CHEST.search(sentence) is not None or compares(sentence)
    return about and not _FUNCTION_WORDS.isdisjoint(sentence.lower().split())
