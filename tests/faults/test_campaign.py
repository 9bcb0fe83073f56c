"""A short campaign, of every fault that needs no model; `make faults` runs the long one."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from tests.faults import campaign
from tests.faults.campaign import POSTGRESQL, SQLITE, Campaign
from tests.faults.plan import ANSWERS, CLOCK, DATABASE, DISK, KILL, KINDS, MODEL, NETWORK, REFUSAL, SEGMENT, plan

SHORT = {
    SQLITE: {KILL: 4, NETWORK: 8, DISK: 2, DATABASE: 2, ANSWERS: 3, REFUSAL: 2},
    POSTGRESQL: {DATABASE: 3},  # after a kill it takes as long as a lease until all is settled
}  # fmt: skip
pytestmark = pytest.mark.xdist_group("campaign")


@pytest.mark.parametrize("on", [SQLITE, POSTGRESQL])
def test_whatever_happens_to_a_site_no_study_is_lost_doubled_or_misfiled(
    tmp_path: Path, request: pytest.FixtureRequest, on: str
) -> None:
    seed = int(request.config.getoption("--fault-seed") or random.SystemRandom().randrange(1 << 30))
    print(f"seed {seed}: pass --fault-seed {seed} to play the same faults again")
    lines = campaign.run(Campaign(SHORT[on], seed, on), tmp_path / "campaign.jsonl")
    assert len(lines) == sum(SHORT[on].values())
    assert [words for line in lines for words in line["complaints"]] == []
    assert sum(line["happened"] for line in lines) >= len(lines) / 2, "most faults must have struck"


def test_a_campaign_is_decided_by_its_seed() -> None:
    counts = dict.fromkeys(KINDS, 70)
    assert plan(counts, 7) == plan(counts, 7) != plan(counts, 8)
    rounds = [one for segment in plan(counts, 7) for one in segment]
    assert sorted(one.number for one in rounds) == list(range(1, 70 * len(KINDS) + 1))
    assert all(len(segment) <= SEGMENT and len({one.mode for one in segment}) == 1 for segment in plan(counts, 7))


def test_a_campaign_that_was_broken_off_goes_on_with_what_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = Campaign({MODEL: 0, CLOCK: 3}, 5)
    monkeypatch.setattr(campaign, "COMPILER", None)  # what is left out is written down, too
    out = tmp_path / "campaign.jsonl"
    whole = campaign.run(wanted, out, say=False)
    lines = out.read_text("utf-8").splitlines()
    out.write_text(lines[0] + "\n" + lines[2][:20], "utf-8")
    again = campaign.run(wanted, out, say=False)
    assert sorted(line["round"] for line in again) == [line["round"] for line in whole] == [1, 2, 3]
    assert all(line["what"].startswith("skipped") and not line["happened"] for line in again)
    assert all(json.loads(line) for line in out.read_text("utf-8").splitlines() if line.endswith("}"))
