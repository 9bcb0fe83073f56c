"""Why a study comes early: what the rules and the line wrote down in English, in the reader's words."""

from __future__ import annotations

import re

from agent.web.pages.texts import Words

_LIKELY = re.compile(r"(?:an? )?([a-z ]+) is likely \(([01]\.[0-9]{2}), (?:uncalibrated|calibrated by (.+))\)")
_STATED = re.compile(r"(?:an? )?([a-z ]+) is likely \(stated in the draft\)")
_ORDERED = re.compile(r"the order says (\w+)")
_WAITED = re.compile(r"it arrived more than ([0-9]+) minutes ago")


def why_early(reason: str, t: Words) -> str:
    """In the reader's words; empty where there are none, for a site may have rules with words of its own."""
    if (found := _LIKELY.fullmatch(reason)) and (name := _finding(found[1], t)):
        percent, by = round(100 * float(found[2])), found[3]
        key = "findings.early.calibrated" if by else "findings.early.uncalibrated"
        return t(key, finding=name, percent=percent, name=by)
    if (found := _STATED.fullmatch(reason)) and (name := _finding(found[1], t)):
        return t("findings.early.stated", finding=name)
    if (found := _ORDERED.fullmatch(reason)) and t.has(f"findings.priority.{found[1]}"):
        return t("findings.early.ordered", priority=t(f"findings.priority.{found[1]}"))
    if found := _WAITED.fullmatch(reason):
        return t("findings.early.waited", minutes=found[1])
    return ""


def _finding(words: str, t: Words) -> str:
    key = f"findings.name.{words.replace(' ', '_')}"
    return t(key) if t.has(key) else ""
