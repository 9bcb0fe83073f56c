"""The labels of a folder: a CSV file with a line for each film. Every mistake is named with its line and its column."""

from __future__ import annotations

import csv
import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from agent.errors import Permanent
from structured_report.content import Laterality
from structured_report.vocabulary import vocabulary

_SIDE = "side_"
_SIDES = {side.value: side for side in Laterality}
_VALUES = {"0": False, "1": True, "0.0": False, "1.0": True}
_MOST_SHOWN = 20


@dataclass(frozen=True, slots=True)
class LabelledFilm:
    """What is known of one film.

    Attributes:
        file: relative to the folder, with forward slashes.
        patient: films of one patient are not independent; the file itself where the labels do not say.
        present: finding -> whether it is there; what is unknown is left out.
        sides: finding -> its side, for findings that are there and whose side is known.
    """

    file: str
    patient: str
    present: Mapping[str, bool]
    sides: Mapping[str, Laterality]


@dataclass(frozen=True, slots=True)
class Truth:
    """All films in the order of the file, and the findings its columns are about in the order of the vocabulary."""

    films: tuple[LabelledFilm, ...]
    findings: tuple[str, ...]


def read_truth(file: Path) -> Truth:
    """The labels in a CSV file.

    Columns: ``file``; one for each finding, by its name in the vocabulary, with 1, 0 or nothing for unknown; and, where
    wanted, ``patient`` and ``side_<finding>`` with left, right or bilateral.

    Raises:
        Permanent: the file cannot be read, or has mistakes: all of them, one a line.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise Permanent(f"{file} cannot be read ({error.strerror})", code="labels-unreadable") from error
    except UnicodeDecodeError as error:
        raise Permanent(f"{file} is not UTF-8 text (byte {error.start})", code="labels-unreadable") from error
    mistakes: list[str] = []
    try:
        truth = _parse(text.splitlines(keepends=True), mistakes)
    except csv.Error as error:
        raise Permanent(f"{file} is not a CSV file: {error}", code="labels-invalid") from error
    if mistakes:
        more = [f"and {len(mistakes) - _MOST_SHOWN} more"] if len(mistakes) > _MOST_SHOWN else []
        raise Permanent("\n".join(f"{file}: {m}" for m in (*mistakes[:_MOST_SHOWN], *more)), code="labels-invalid")
    return truth


def _parse(lines: Sequence[str], mistakes: list[str]) -> Truth:
    reader = csv.reader(lines, strict=True)
    columns = [name.strip() for name in next(reader, [])]
    mistakes += _of_columns(columns)
    if mistakes:
        return Truth((), ())
    films: list[LabelledFilm] = []
    first_line: dict[str, int] = {}
    for cells in reader:
        if not any(cell.strip() for cell in cells):
            continue
        line = reader.line_num
        if len(cells) != len(columns):
            mistakes.append(f"line {line}: has {len(cells)} cells, the heading has {len(columns)}")
            continue
        row = _Row(line, columns, [cell.strip() for cell in cells])
        film = row.film()
        mistakes += row.mistakes
        if film.file in first_line:
            mistakes.append(f"line {line}, column 'file': {film.file} stands in line {first_line[film.file]} already")
        first_line.setdefault(film.file, line)
        films.append(film)
    if not films and not mistakes:
        mistakes.append("holds no films")
    return Truth(tuple(films), tuple(f for f in vocabulary() if f in columns))


def _of_columns(columns: Sequence[str]) -> Iterator[str]:
    known = ["file", "patient", *vocabulary(), *(f"{_SIDE}{f}" for f, c in vocabulary().items() if c.sided)]
    if len(columns) < 2 and any(";" in c or "\t" in c for c in columns):
        yield "line 1: the cells are not separated by commas; save the file as comma-separated UTF-8"
        return
    if "file" not in columns:
        yield "line 1: there is no column 'file'"
    for place, name in enumerate(columns, start=1):
        where = f"line 1, column {place} ('{name}')"
        if columns.index(name) != place - 1:
            yield f"{where}: there are two of them"
        elif name.startswith(_SIDE) and name in known and name.removeprefix(_SIDE) not in columns:
            yield f"{where}: there is no column '{name.removeprefix(_SIDE)}'"
        elif name not in known:
            close = difflib.get_close_matches(name.lower().replace(" ", "_"), known, n=1)
            hint = f"did you mean '{close[0]}'?" if close else f"known are {', '.join(known[: 2 + len(vocabulary())])}"
            yield f"{where}: is no finding of the vocabulary; {hint}"
    if not any(name in vocabulary() for name in columns):
        yield "line 1: there is no column of a finding, so there is nothing to measure"


class _Row:
    """One line; what is wrong with it is in `mistakes`."""

    def __init__(self, line: int, columns: Sequence[str], cells: Sequence[str]) -> None:
        self._line, self._columns = line, columns
        self._cells = dict(zip(columns, cells, strict=True))
        self.mistakes: list[str] = []

    def film(self) -> LabelledFilm:
        """What the line says."""
        file = PurePosixPath(self._cells["file"].replace("\\", "/"))
        if not self._cells["file"] or file.is_absolute() or ".." in file.parts:
            self._mistake("file", "has to be a path relative to the folder")
        present = {f: v for f in self._columns if f in vocabulary() and (v := self._value(f)) is not None}
        sides = {
            f: s
            for c in self._columns
            if c.startswith(_SIDE) and (s := self._side(c, present.get(f := c.removeprefix(_SIDE)))) is not None
        }
        return LabelledFilm(str(file), self._cells.get("patient") or str(file), present, sides)

    def _value(self, finding: str) -> bool | None:
        cell = self._cells[finding]
        if cell and cell not in _VALUES:
            self._mistake(finding, f"{cell!r} is not 1, 0 or empty (unknown or uncertain: leave it empty)")
        return _VALUES.get(cell)

    def _side(self, column: str, present: bool | None) -> Laterality | None:
        cell = self._cells[column].lower()
        if not cell:
            return None
        if cell not in _SIDES:
            self._mistake(column, f"{cell!r} is not left, right, bilateral or empty")
        elif not present:
            self._mistake(column, f"names a side, and '{column.removeprefix(_SIDE)}' is not 1")
        return _SIDES.get(cell)

    def _mistake(self, column: str, words: str) -> None:
        self.mistakes.append(f"line {self._line}, column {self._columns.index(column) + 1} ('{column}'): {words}")
