"""Whatever a stranger has once brought a parser down with does not do so again; and nothing else near a good input does."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.fuzz.seeds import seeds_of
from tests.fuzz.targets import TARGETS

CORPUS = Path(__file__).parent / "corpus"


@pytest.mark.parametrize("target", TARGETS)
def test_what_was_found_once_stays_mended(target: str) -> None:
    for file in sorted((CORPUS / target).glob("*")):
        TARGETS[target](file.read_bytes())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("target", TARGETS)
def test_a_good_input_that_is_damaged_is_refused_in_words(target: str) -> None:
    chance = random.Random(7)
    for seed in seeds_of(target):
        TARGETS[target](seed)
        for _ in range(60):
            TARGETS[target](_damaged(seed[:16384], chance))


def _damaged(content: bytes, chance: random.Random) -> bytes:
    made = bytearray(content)
    for _ in range(chance.randint(1, 8)):
        place = chance.randrange(len(made) + 1)
        what = chance.randrange(4)
        if what == 0:
            made[place:place] = chance.randbytes(chance.randint(1, 4))
        elif what == 1:
            del made[place : place + chance.randint(1, 64)]
        elif what == 2 and made:
            made[place % len(made)] = chance.choice((0, 0xFF, 0x0D, 0x7C, chance.randrange(256)))
        else:
            made[place:place] = made[: chance.randint(0, 200)]
    return bytes(made)
