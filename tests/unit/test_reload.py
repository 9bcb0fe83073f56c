"""What becomes of a request to take up changed settings, as one role sees it."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.clock import SystemClock
from agent.service import open_store
from agent.settings import Settings, read
from agent.settings.live import LiveSettings
from agent.store import reloads
from agent.store.engine import Ledger
from agent.work.reload import Reload

PEER = '[[peers]]\nname = "ct"\nae_title = "CT"\nhost = "10.0.0.7"\nmay = ["send"]\n'
CLOCK = SystemClock()


class Role:
    """One role with a settings file of its own."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "settings.toml"
        self.write("")
        file = read(self.path)
        self.ledger: Ledger = open_store(file.settings)[0]
        self.live, self.worked_with = LiveSettings(file.settings), list[Settings]()
        self.reload = Reload(self.ledger, CLOCK, "receive", file, self.live, self.worked_with.append)
        self.reload.begin()

    def write(self, text: str) -> None:
        self.path.write_text(f'[storage]\nroot = "state"\n{text}', encoding="utf-8")

    def asked(self) -> reloads.InForce:
        with self.ledger.begin() as tx:
            reloads.ask(tx, "test", now=CLOCK.now())
        self.reload.look()
        return self.said()

    def said(self) -> reloads.InForce:
        with self.ledger.read() as view:
            (row,) = reloads.in_force(view)
        return row


@pytest.fixture
def role(tmp_path: Path) -> Role:
    return Role(tmp_path)


def test_nobody_takes_up_a_file_that_is_being_written_before_somebody_asks(role: Role) -> None:
    role.write(PEER)
    role.reload.look()
    assert (role.worked_with, role.said().outcome) == ([], "started")


def test_what_was_asked_for_while_a_role_came_up_is_taken_up_then(role: Role) -> None:
    started_with = read(role.path)
    role.write(PEER)
    with role.ledger.begin() as tx:
        asked = reloads.ask(tx, "test", now=CLOCK.now())
    late = Reload(role.ledger, CLOCK, "receive", started_with, role.live, role.worked_with.append)
    late.begin()
    row = role.said()
    assert (row.request_id, row.outcome, row.digest) == (asked, "taken-up", read(role.path).digest)
    assert [p.name for p in role.live.settings.peers] == ["ct"]


def test_peers_are_taken_up_when_somebody_asks_and_only_once(role: Role) -> None:
    role.write(PEER)
    row = role.asked()
    role.reload.look()
    assert [p.name for p in role.live.settings.peers] == ["ct"]
    assert [[p.name for p in s.peers] for s in role.worked_with] == [["ct"]]
    assert (row.outcome, row.restart, row.digest) == ("taken-up", [], read(role.path).digest)


def test_a_wrong_file_leaves_the_running_settings_in_force_and_says_why(role: Role) -> None:
    before = role.said().digest
    role.write(PEER.replace("send", "sned"))
    row = role.asked()
    assert (row.outcome, row.digest, role.worked_with) == ("refused", before, [])
    assert "peers[0].may" in row.words
    role.write(PEER)
    assert role.asked().outcome == "taken-up"


def test_other_sections_wait_for_a_start_and_peers_do_not_wait_for_them(role: Role) -> None:
    role.write(PEER + "[delivery]\ntimeout_s = 7\n[web]\nport = 9117\n")
    row = role.asked()
    assert (row.outcome, row.restart) == ("taken-up", ["delivery", "web"])
    assert role.live.settings.delivery.timeout_s == 30.0
    assert [p.name for p in role.live.settings.peers] == ["ct"]


def test_peers_that_do_not_go_with_what_stays_are_refused_together(role: Role) -> None:
    role.write(
        PEER + '[[destinations]]\nname = "d"\ntype = "hl7"\nhost = "127.0.0.1"\nport = 2575\n[orders]\nport = 2576\n'
    )
    assert role.asked().outcome == "taken-up"
    # Right in the file, where node.tls is given too; the running line has no certificate yet.
    for name in ("ca.pem", "own.pem", "own.key"):
        (role.path.parent / name).write_text("", encoding="ascii")
    tls = '[node.tls]\nca_file = "ca.pem"\ncertificate_file = "own.pem"\nkey_file = "own.key"\n'
    role.write(f"{tls}{PEER}tls = true\n")
    row = role.asked()
    assert row.outcome == "refused"
    assert "start the line again" in row.words
