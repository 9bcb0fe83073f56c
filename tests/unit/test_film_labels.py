"""Labels are written by hand or by a script somebody forgot: a mistake in them is found before a film is read, and is not
measured as if it were the truth."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import Permanent
from agent.evaluation.films.truth import read_truth
from structured_report.content import Laterality


def labels(folder: Path, text: str | bytes) -> Path:
    file = folder / "labels.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def test_everything_that_is_known_is_taken_and_nothing_else(tmp_path: Path) -> None:
    truth = read_truth(
        labels(
            tmp_path,
            "\ufefffile, patient ,pneumothorax,side_pneumothorax,cardiomegaly\r\n"
            "a/1.dcm,P1,1,Left,\r\n"
            'a\\2.dcm,P1,0,,1\r\n\r\n"b, c.png",,,,0.0\r\n',
        )
    )
    first, second, third = truth.films
    assert truth.findings == ("pneumothorax", "cardiomegaly")
    assert (first.file, first.patient, dict(first.present)) == ("a/1.dcm", "P1", {"pneumothorax": True})
    assert first.sides == {"pneumothorax": Laterality.LEFT}
    assert (second.file, dict(second.present), dict(second.sides)) == (
        "a/2.dcm",
        {"pneumothorax": False, "cardiomegaly": True},
        {},
    )
    assert (third.file, third.patient, dict(third.present)) == ("b, c.png", "b, c.png", {"cardiomegaly": False})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "there is no column 'file'"),
        ("file;nodule\na;1\n", "not separated by commas"),
        ("file,nodul\na,1\n", "line 1, column 2 ('nodul'): is no finding of the vocabulary; did you mean 'nodule'?"),
        ("file,Pleural Effusion\na,1\n", "did you mean 'pleural_effusion'?"),
        ("file,nodule,nodule\na,1,1\n", "line 1, column 3 ('nodule'): there are two of them"),
        ("file,patient\na,1\n", "there is no column of a finding"),
        ("file,nodule,side_pneumothorax\na,1,left\n", "there is no column 'pneumothorax'"),
        ("file,nodule\n", "holds no films"),
        ("file,nodule\na,1\nb,2\n", "line 3, column 2 ('nodule'): '2' is not 1, 0 or empty"),
        ("file,nodule\na,-1\n", "unknown or uncertain: leave it empty"),
        ("file,nodule\na\n", "line 2: has 1 cells, the heading has 2"),
        ("file,nodule\na,1\n\na,0\n", "line 4, column 'file': a stands in line 2 already"),
        ("file,nodule\n../a,1\n", "line 2, column 1 ('file'): has to be a path relative to the folder"),
        ("file,nodule\n/a,1\n", "relative to the folder"),
        ("file,nodule\n,1\n", "relative to the folder"),
        (
            "file,nodule,side_nodule\na,1,r\n",
            "line 2, column 3 ('side_nodule'): 'r' is not left, right, bilateral or empty",
        ),
        ("file,nodule,side_nodule\na,0,left\n", "names a side, and 'nodule' is not 1"),
        ('file,nodule\n"a,1\n', "is not a CSV file"),
        (b"file,nodule\n\xff,1\n", "is not UTF-8 text"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_column(tmp_path: Path, text: str | bytes, words: str) -> None:
    with pytest.raises(Permanent) as refused:
        read_truth(labels(tmp_path, text))
    assert words in str(refused.value)


def test_all_mistakes_are_named_at_once_and_not_a_thousand_of_them(tmp_path: Path) -> None:
    with pytest.raises(Permanent) as refused:
        read_truth(labels(tmp_path, "file,nodule\n" + "".join(f"{n},x\n" for n in range(1000))))
    lines = str(refused.value).splitlines()
    assert len(lines) == 21
    assert lines[-1].endswith("and 980 more")


@given(st.binary(max_size=200))
def test_no_file_whatever_is_taken_for_labels_it_does_not_hold(
    tmp_path_factory: pytest.TempPathFactory, text: bytes
) -> None:
    file = labels(tmp_path_factory.mktemp("labels"), text)
    try:
        truth = read_truth(file)
    except Permanent:
        return
    assert truth.films
    assert truth.findings
