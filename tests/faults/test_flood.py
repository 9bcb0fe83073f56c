"""Callers that take more than their share, and more studies than can be read just now: the others are served, nothing is lost,
and the backlog can be seen."""

from __future__ import annotations

import signal
import socket
import sqlite3
import struct
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from dicom_nodes.scp import most_of_one
from tests.faults.plan import ALONE
from tests.faults.world import World
from tests.support.films import small_image
from tests.support.node import Node
from tests.support.raw_association import ACCEPTED, REJECTED, associate
from tests.support.site import PATIENCE_S, until

PLACES = 8


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    others = [
        {"name": "greedy", "ae_title": "GREEDY", "host": "127.0.0.2", "may": ["send"]},
        {"name": "dripping", "ae_title": "DRIPPING", "host": "127.0.0.1", "may": ["send"]},
    ]
    made = Node(tmp_path / "node", max_associations=PLACES, peers=others)
    yield made
    made.stop()


def test_a_caller_with_a_hundred_associations_keeps_nobody_out(node: Node) -> None:
    held = [associate(node.scp.port, "GREEDY", address="127.0.0.2") for _ in range(100)]
    try:
        kinds = [answer[:1] for _, answer in held]
        assert kinds.count(bytes([ACCEPTED])) == most_of_one(PLACES) < PLACES
        rejection = next(answer for _, answer in held if answer[:1] == bytes([REJECTED]))
        assert tuple(rejection[7:10]) == (2, 3, 2), "transient, local limit exceeded (PS3.8 Table 9-21): come again"
        assert node.send_image(small_image())[0] == 0x0000, "while all of them are held"
    finally:
        for connection, _ in held:
            connection.close()
    (refusal,) = node.refusals()
    assert (refusal["reason"], refusal["calling_ae_title"]) == ("too-many-associations", "GREEDY")


def stopped(world: World) -> bool:
    """Stop the office, but not in the middle of a transaction, which nobody could write beside."""
    office = psutil.Process(world.roles.pids()["office"])
    office.suspend()
    until(lambda: office.status() == psutil.STATUS_STOPPED, what="the office is stopped")
    with closing(sqlite3.connect(world.evidence.root / "preread.db", timeout=5.0, isolation_level=None)) as other:
        try:
            other.execute("BEGIN IMMEDIATE")
            other.execute("ROLLBACK")
        except sqlite3.OperationalError:
            office.resume()
            return False
    return True


@pytest.mark.parametrize("places", range(1, 30))
def test_one_caller_gets_a_place_and_leaves_one(places: int) -> None:
    assert 1 <= most_of_one(places) <= places
    assert places == 1 or most_of_one(places) < places


def test_a_caller_that_drips_in_the_middle_of_an_image_holds_up_nobody(node: Node) -> None:
    over = threading.Event()
    connection, answer = associate(node.scp.port, "DRIPPING")
    assert answer[0] == ACCEPTED
    # A P-DATA-TF with one value of a command, which are never whole (PS3.8 9.3.5).
    connection.sendall(struct.pack(">BxI", 0x04, 10_000) + struct.pack(">IBB", 9_996, 1, 0x01))

    def drip() -> None:
        while not over.wait(0.1):
            try:
                connection.sendall(b"\0")
            except OSError:
                return

    dripping = threading.Thread(target=drip)
    dripping.start()
    try:
        for _ in range(5):
            assert node.send_image(small_image())[0] == 0x0000
        assert node.scp.established() >= 1, "it is there still"
    finally:
        over.set()
        dripping.join()
        connection.close()


def test_a_flood_is_kept_shows_as_backlog_and_drains(tmp_path: Path) -> None:
    studies = 40
    with World(tmp_path / "world", ALONE) as world:
        until(lambda: stopped(world), what="the office is stopped, and keeps nobody from writing")
        senders = [
            threading.Thread(target=world.send, args=([f for n in range(s, studies, 4) for f in world.hand(n)],))
            for s in range(4)
        ]
        try:
            for sender in senders:
                sender.start()
            for sender in senders:
                sender.join()
            listed = world.site.json("studies", "--limit", "1")
            backlog = {(b["kind"], b["state"]): b["count"] for b in listed["backlog"]}
            assert backlog == {("assemble", "waiting"): studies}
            assert listed["total"] == studies
        finally:
            world.roles.signal("office", signal.SIGCONT)
        assert len(world.evidence.acknowledged) == studies
        assert world.judge() == []


def test_a_flood_onto_a_full_disk_is_refused_image_by_image_and_comes_in_later(tmp_path: Path) -> None:
    with World(tmp_path / "world", ALONE) as world:
        if not world.disk.is_there:
            pytest.skip("this user may not mount a small file system")
        films = [film for n in range(12) for film in world.hand(n)]
        world.disk.fill()
        assert not world.attempt(films)
        assert {r.status for r in world.evidence.refused} == {"A700"}
        assert world.evidence.acknowledged == set()
        world.disk.free()
        world.send(films)
        assert world.judge() == []


def test_connections_that_never_ask_for_anything_are_bounded(node: Node) -> None:
    silent = [socket.create_connection(("127.0.0.1", node.scp.port)) for _ in range(200)]
    try:
        silent[-1].settimeout(PATIENCE_S)
        assert silent[-1].recv(1) == b"", "the last ones are closed at once"
        for connection in silent[:150]:
            connection.close()
        until(lambda: node.send_image(small_image())[0] == 0x0000, what="a sender is served")
    finally:
        for connection in silent:
            connection.close()
