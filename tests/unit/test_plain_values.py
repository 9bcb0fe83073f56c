"""Values of DICOM and HL7, as the pages show them to people: nothing is lost where two of them are compared."""

from __future__ import annotations

import pytest

from agent.web.study.plain import plain_moment, told_apart


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("Muster^Max^^Dr.", "Muster, Dr. Max"),
        ("Yamada^Tarou=山田^太郎", "Yamada^Tarou=山田^太郎"),
        ("Muster^Max==", "Muster, Max"),
        ("", ""),
    ],
)
def test_names_that_are_compared_keep_what_may_differ(value: str, shown: str) -> None:
    assert told_apart(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("20260103101500", "2026-01-03 10:15"),
        ("202601031015+0100", "2026-01-03 10:15"),
        ("20260103", "2026-01-03"),
        ("202601", "202601"),
        ("tomorrow", "tomorrow"),
        ("", ""),
    ],
)
def test_a_moment_is_shown_as_far_as_it_goes(value: str, shown: str) -> None:
    assert plain_moment(value) == shown
