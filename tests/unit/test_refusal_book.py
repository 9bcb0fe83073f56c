"""What was refused while the ledger could not be written is seen once it can be: when it happened, why, and once."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import structlog
from pydicom import Dataset

from agent.store import audit, engine, studies
from dicom_nodes.status import OUT_OF_RESOURCES
from tests.support.films import small_image
from tests.support.node import Node
from tests.support.site import until


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_S", 0.2)
    made = Node(tmp_path / "node")
    yield made
    made.stop()


def locked(node: Node) -> sqlite3.Connection:
    """The ledger in the hands of another writer."""
    other = sqlite3.connect(node.settings.storage.root / "preread.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    return other


def test_an_image_that_was_refused_for_the_ledgers_sake_is_among_the_refusals(node: Node) -> None:
    image = small_image()
    with closing(locked(node)) as other:
        status, _ = node.send_image(image)
        assert status == OUT_OF_RESOURCES
        assert node.refusals() == [], "nobody could have written it"
        other.execute("ROLLBACK")
    node.book.write()
    node.book.write()
    (seen,) = node.refusals()
    assert (seen["status"], seen["reason"], seen["sop_instance_uid"]) == (
        "A700", "database-unavailable", image.SOPInstanceUID,
    )  # fmt: skip


def test_what_could_not_be_written_comes_with_the_next_refusal_in_their_order(node: Node) -> None:
    first, second = small_image(), small_image(StudyInstanceUID=None)
    with closing(locked(node)) as other:
        assert node.send_image(first)[0] == OUT_OF_RESOURCES
        other.execute("ROLLBACK")
    assert node.send_image(second)[0] != 0x0000
    newest, oldest = node.refusals()
    assert (oldest["sop_instance_uid"], newest["sop_instance_uid"]) == (first.SOPInstanceUID, second.SOPInstanceUID)
    assert oldest["at"] < newest["at"]


def test_a_study_does_not_wait_for_an_association_whose_end_could_not_be_written(node: Node) -> None:
    """A database server that is started again would hold up everything that came just before, for `intake.longest_wait_s`."""
    image = small_image()
    association = node.associate()
    assert association.send_c_store(image).Status == 0x0000
    with closing(locked(node)) as other, structlog.testing.capture_logs() as said:
        association.release()
        until(
            lambda: any("end not written yet" in line["event"] for line in said),
            what="it could not be written",
        )
        node.admission.write_ends()
        other.execute("ROLLBACK")
    assert arrived(node, image).association_open
    node.admission.write_ends()
    assert not arrived(node, image).association_open
    with node.ledger.read() as view:
        trail = [row.message for row in audit.rows(view)]
    assert sum(str(image.StudyInstanceUID) in message for message in trail) == 1, (
        "what it brought is in the audit trail, once"
    )


def arrived(node: Node, image: Dataset) -> studies.Arrivals:
    with node.ledger.read() as view:
        return studies.arrivals_of(view, str(image.StudyInstanceUID))


def test_many_refusals_at_once_are_each_written_once(node: Node) -> None:
    images = [small_image(StudyInstanceUID=None) for _ in range(4)]
    with closing(locked(node)) as other:
        threads = [threading.Thread(target=node.send_image, args=(image,)) for image in images]
        for thread in threads:
            thread.start()
        other.execute("ROLLBACK")
    for thread in threads:
        thread.join()
    node.book.write()
    assert sorted(r["sop_instance_uid"] for r in node.refusals()) == sorted(i.SOPInstanceUID for i in images)
