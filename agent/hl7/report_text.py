"""The words of a finished report: OBX-5 of the observations that are text (HL7 v2.5.1, 7.4.2)."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from agent.hl7.message import Segment
from agent.hl7.order_messages import groups

_TEXT = ("TX", "FT", "ST", "")  # OBX-2; some leave it out
_NUMBERS = (2, 3, 18, 19, 20)  # of OBR: where a report names its order
_NO_WORDS = ("113014",)  # OBX-3: the study's UID


def report_text(segments: Sequence[Segment], numbers: Collection[str]) -> str:
    """The text that stands under the orders of these numbers, a line for each observation; under every order, where the message
    has only one. Empty when there is none.

    Args:
        segments: of a message ORU^R01.
        numbers: accession, placer and filler order numbers of the study.
    """
    parts = _under_each_order(segments)
    if len(parts) == 1:
        return parts[0][1]
    wanted = {n.strip() for n in numbers} - {""}
    return "\n\n".join(text for named, text in parts if named & wanted and text)


def _under_each_order(segments: Sequence[Segment]) -> list[tuple[set[str], str]]:
    """(numbers, text) of each OBR."""
    found: list[tuple[set[str], list[str]]] = []
    orders = {id(g.segments["OBR"]): g for g in groups(segments) if "OBR" in g.segments}
    for segment in segments:
        if segment.name == "OBR":
            group = orders.get(id(segment))
            places = [("OBR", n, 1) for n in _NUMBERS] + [("ORC", 2, 1), ("ORC", 3, 1), ("IPC", 1, 1)]
            named = set() if group is None else {group.value(place).strip() for place in places}
            found.append((named - {""}, []))
        elif segment.name == "OBX" and found and (words := _words(segment)):
            found[-1][1].append(words)
    return [(named, "\n".join(lines)) for named, lines in found]


def _words(observation: Segment) -> str:
    if observation.value(2).upper() not in _TEXT or observation.value(3) in _NO_WORDS:
        return ""
    return observation.whole(5).strip()
