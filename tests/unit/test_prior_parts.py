"""The parts that decide whose an earlier film is, and that read what others answer: anything may come."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.priors.comparable import days_before, is_earlier, series_to_try
from agent.priors.identity import differences, is_confirmed
from dicom_nodes import found
from dicom_nodes.found import FoundSeries, FoundStudy, JsonAnswer
from dicom_nodes.multipart import MalformedMultipart, media_type, parts
from dicom_nodes.query import UnusableKey, exact
from structured_report.content import Patient, Study

JANE = Patient("P1", "HOSPITAL", "Doe^Jane", "19500102", "F")


@pytest.mark.parametrize(
    ("theirs", "differing"),
    [
        (replace(JANE, patient_id="P01"), ("Patient ID",)),
        (replace(JANE, patient_id="p1"), ("Patient ID",)),
        (replace(JANE, issuer="OTHER"), ("Issuer of Patient ID",)),
        (replace(JANE, birth_date="19500201"), ("Patient's Birth Date",)),
        (replace(JANE, sex="M"), ("Patient's Sex",)),
        (replace(JANE, name="Roe^Mary"), ("Patient's Name",)),
        (replace(JANE, name="Doe^Mary", birth_date=""), ("Patient's Name",)),
        (replace(JANE, name="Miller^Jane", birth_date=""), ("Patient's Name",)),
    ],
)
def test_a_film_of_another_patient_is_told_by_each_identifier(theirs: Patient, differing: tuple[str, ...]) -> None:
    assert differences(JANE, theirs) == differing
    assert differences(theirs, JANE) == differing
    assert not is_confirmed(JANE, theirs)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (JANE, replace(JANE, name="DOE^JANE^^", issuer="")),
        (JANE, replace(JANE, name="Miller^Jane")),  # married since: the birth date says that it is she
        (JANE, replace(JANE, name="", sex="")),
        (JANE, replace(JANE, birth_date="1950.01.02", name="Doe^Jane^Anna")),
        (replace(JANE, name="Müller^Jürgen", birth_date=""), replace(JANE, name="MULLER^JURGEN")),
        (replace(JANE, name="Yamada^Tarou=山田^太郎"), replace(JANE, name="ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう")),
        (
            replace(JANE, name="Yamada^Tarou"),
            replace(JANE, name="山田^太郎"),
        ),  # no script in common, the birth date agrees
        (replace(JANE, sex="O"), JANE),
    ],
)
def test_the_patient_is_not_lost_over_the_way_a_name_is_written(ours: Patient, theirs: Patient) -> None:
    assert differences(ours, theirs) == ()
    assert is_confirmed(ours, theirs)
    assert is_confirmed(theirs, ours)


@pytest.mark.parametrize(
    "theirs", [Patient("P1"), Patient("P1", "HOSPITAL", "", "", "F"), Patient("P1", "", "山田^太郎", "")]
)
def test_a_patient_id_alone_does_not_make_a_film_the_patients(theirs: Patient) -> None:
    assert differences(JANE, theirs) == ()
    assert not is_confirmed(JANE, theirs)
    assert not is_confirmed(Patient(), Patient())


_patients = st.builds(
    Patient,
    patient_id=st.text(max_size=8),
    issuer=st.text(max_size=4),
    name=st.text(alphabet=st.characters(codec="utf-8") | st.sampled_from("^= "), max_size=30),
    birth_date=st.sampled_from(["", "19500102", "1950.01.02", "x"]),
    sex=st.sampled_from(["", "M", "F", "O", "m"]),
)


@given(_patients, _patients)
def test_who_is_whose_film_does_not_depend_on_who_is_asked_first(one: Patient, other: Patient) -> None:
    assert differences(one, other) == differences(other, one)
    assert is_confirmed(one, other) == is_confirmed(other, one)
    assert differences(one, one) == ()


@given(st.text(max_size=12))
def test_a_key_never_matches_the_films_of_others(value: str) -> None:
    try:
        assert exact(value, "Patient ID") == value
        assert value.strip()
        assert not set(value) & set("*?\\")
    except UnusableKey:
        assert not value.strip() or set(value) & set("*?\\")


_boundaries = st.text(alphabet="abcXYZ019'()+_,-./:=", min_size=1, max_size=70).filter(lambda b: b == b.strip())
_names = st.sampled_from(["Content-Type", "Content-Location", "MIME-Version"])
_headers = st.dictionaries(_names, st.sampled_from(["application/dicom", "1.0", "http://x/y"]), max_size=3)


@given(
    _boundaries,
    st.lists(st.tuples(_headers, st.binary(max_size=200)), min_size=1, max_size=4),
    st.sampled_from([b"", b"preamble\r\n", b"\r\n"]),
    st.booleans(),
)
def test_every_part_of_an_answer_comes_out_as_it_went_in(
    boundary: str, sent: list[tuple[dict[str, str], bytes]], preamble: bytes, quoted: bool
) -> None:
    delimiter = b"--" + boundary.encode()
    if any(delimiter in body for _, body in sent):
        return  # a sender chooses a boundary that does not occur
    body = preamble
    for headers, content in sent:
        lines = b"".join(f"{k}: {v}\r\n".encode() for k, v in headers.items())
        body += delimiter + b"\r\n" + lines + b"\r\n" + content + b"\r\n"
    body += delimiter + b"--\r\nepilogue"
    kind = f'multipart/related; type="application/dicom"; boundary="{boundary}"'
    if not quoted and boundary.isalnum():
        kind = kind.replace(f'"{boundary}"', boundary)
    came = [(p.headers, p.body) for p in parts(body, kind)]
    assert came == [({k.lower(): v for k, v in headers.items()}, content) for headers, content in sent]


@given(st.binary(max_size=200), st.text(max_size=60))
def test_an_answer_that_is_no_multipart_is_refused_and_not_guessed_at(body: bytes, kind: str) -> None:
    for content_type in (kind, "multipart/related; boundary=b", f"multipart/related; boundary={kind}"):
        try:
            assert all(isinstance(p.body, bytes) for p in parts(body, content_type))
        except MalformedMultipart:
            pass
        assert isinstance(media_type(content_type), tuple)


@given(st.integers(min_value=0, max_value=80))
def test_an_answer_that_was_cut_off_is_no_image(kept: int) -> None:
    whole = b"--b\r\nContent-Type: application/dicom\r\n\r\n" + b"x" * 30 + b"\r\n--b--"
    with pytest.raises(MalformedMultipart):
        list(parts(whole[: min(kept, len(whole) - 6)], "multipart/related; boundary=b"))


_anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_elements = st.dictionaries(
    st.sampled_from(["0020000D", "00100010", "00100020", "00080061", "00080020", "0040A730"]),
    _anything | st.fixed_dictionaries({"vr": _anything, "Value": _anything}),
    max_size=4,
)


@given(_anything | _elements)
def test_no_answer_of_a_web_service_stops_a_reading(value: Any) -> None:
    answer = JsonAnswer(value)
    for read in (found.as_study, found.as_series, found.as_image):
        assert all(isinstance(v, str | tuple) for v in (getattr(read(answer), f) for f in read(answer).__slots__))
    assert all(isinstance(i, JsonAnswer) for i in answer.items("ContentSequence"))


def test_every_group_of_a_name_comes_out_of_a_web_service() -> None:
    text = '{"00100010": {"vr": "PN", "Value": [{"Alphabetic": "Yamada^Tarou", "Phonetic": "やまだ^たろう"}]}}'
    assert found.as_study(JsonAnswer(json.loads(text))).patient_name == "Yamada^Tarou==やまだ^たろう"


NOW = Study("1.2.3", study_date="20260103", study_time="101400")
DATES = days_before(NOW, 365, received=date(2026, 1, 3))


@pytest.mark.parametrize(
    ("uid", "day", "time", "earlier"),
    [
        ("1.2.4", "20260102", "", True),
        ("1.2.3", "20260102", "", False),  # the study itself
        ("1.2.4", "20260104", "", False),  # a later one
        ("1.2.4", "20250103", "", True),
        ("1.2.4", "20250102", "", False),  # too old
        ("1.2.4", "", "", False),
        ("1.2.4", "20260103", "101359", True),
        ("1.2.4", "20260103", "1013", True),
        ("1.2.4", "20260103", "101400", False),
        ("1.2.4", "20260103", "10", False),  # the hour alone does not say which was first
        ("1.2.4", "20260103", "", False),
    ],
)
def test_only_an_earlier_film_is_called_one(uid: str, day: str, time: str, earlier: bool) -> None:
    assert is_earlier(FoundStudy(uid, study_date=day, study_time=time), NOW, DATES) is earlier


@given(st.text(max_size=10), st.integers(min_value=1, max_value=36_500))
def test_any_study_date_gives_a_range_to_ask_for(day: str, oldest: int) -> None:
    first, last = days_before(Study("1", study_date=day), oldest, received=date(2026, 1, 3))
    assert len(first) == len(last) == 8
    assert first <= last


def test_a_knee_is_not_fetched_and_what_says_chest_is_fetched_first() -> None:
    chest, knee = FoundSeries("1", "DX", "CHEST"), FoundSeries("2", "DX", "KNEE")
    ct, silent = FoundSeries("3", "CT", "CHEST"), FoundSeries("4", "CR", "")
    tried = series_to_try(FoundStudy("9"), [silent, knee, ct, chest])
    assert [s.series_instance_uid for s in tried] == ["1", "4"]
