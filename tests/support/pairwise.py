"""Combinations of which every two values of two factors meet at least once, and not all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations, product

Row = dict[str, str]
_Pair = tuple[tuple[str, str], tuple[str, str]]


def pairwise(factors: Mapping[str, Sequence[str]]) -> list[Row]:
    """Rows with a value for each factor, always the same ones: greedily, a row for a pair that has not met, filled with what
    brings most other such pairs together."""
    names = list(factors)
    missing = {
        ((a, x), (b, y)): None for a, b in combinations(names, 2) for x, y in product(factors[a], factors[b])
    }  # a dict keeps its order
    rows: list[Row] = []
    while missing:
        row = dict(next(iter(missing)))
        for name in names:
            if name not in row:
                row[name] = max(factors[name], key=lambda v, n=name: _new(row, n, v, missing))  # type: ignore[misc]
        for pair in _pairs(row, names):
            missing.pop(pair, None)
        rows.append({name: row[name] for name in names})
    return rows


def _new(row: Row, name: str, value: str, missing: Mapping[_Pair, None]) -> int:
    """How many pairs meet for the first time when that value is added."""
    mine = (name, value)
    return sum((mine, other) in missing or (other, mine) in missing for other in row.items())


def _pairs(row: Row, names: Sequence[str]) -> list[_Pair]:
    return [((a, row[a]), (b, row[b])) for a, b in combinations(names, 2)]
