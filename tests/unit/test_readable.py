"""A document on a terminal: all of it, and nothing that plays tricks."""

from __future__ import annotations

import json
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from structured_report.content import Narrative
from structured_report.readable import dicom_dump, hl7_lines, readable
from structured_report.result_json import encode_result
from structured_report.sr import encode_sr, file_bytes
from tests.support.reports import TEXTS, images, preread


@given(
    st.lists(TEXTS.map(lambda t: t.replace("\r", "").replace("\n", "")), min_size=1, max_size=5),
    st.sampled_from(["", "UNICODE UTF-8", "8859/1", "8859/77", "ISO IR87"]),
)
def test_no_character_of_a_message_plays_tricks_on_the_terminal(texts: list[str], character_set: str) -> None:
    header = "MSH|^~\\&|||||||ORU|1|P|2.5.1||||||" + character_set
    message = "".join(f"{s}\r" for s in (header, *texts)).encode("utf-8", "replace")
    shown = hl7_lines(message)
    assert shown.count("\n") == len(texts) + 1, "a line a segment"
    assert not any(unicodedata.category(c) in ("Cc", "Cf") for c in shown.replace("\n", ""))
    assert readable("oru", message) == shown


def test_the_words_of_a_report_are_shown_in_full_and_cannot_hide_behind_the_direction_of_the_text() -> None:
    evidence, trace = images(), "a line\n" + "long " * 2000 + "\u202eend"
    value = preread(evidence, narrative=Narrative("Clear.", "", trace))
    dump = dicom_dump(file_bytes(encode_sr(value, evidence)))
    assert dump.split().count("long") == 2000
    assert "\\u{202E}end" in dump
    assert "\u202e" not in dump + readable("json", encode_result(value))
    assert "Preliminary Flag: PRELIMINARY" in dump
    assert json.loads(readable("json", encode_result(preread(evidence)))) == json.loads(
        encode_result(preread(evidence))
    )
