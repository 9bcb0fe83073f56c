"""What is to be forgotten is gone, all of it; what is not finished never is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.audit.trail import Trail
from agent.errors import Permanent
from agent.keeping.forget import Forgetter, purge_study
from agent.settings import Keeping
from agent.store import audit, overview, purging, retention
from agent.store.engine import Ledger
from agent.store.named import named_files
from agent.store.schema import metadata
from tests.support.planted_ledger import ABOUT_NO_STUDY, PlantedLedger
from tests.support.site import Site

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
OLD, NEW = "1.2.840.1.111", "1.2.840.1.222"


class _Clock:
    def now(self) -> datetime:
        return NOW


on_both = pytest.mark.usefixtures("ledger_url")


@pytest.fixture
def planted(site: Site, request: pytest.FixtureRequest) -> Iterator[PlantedLedger]:
    """The site's ledger, where the test wants it."""
    if "ledger_url" in request.fixturenames:
        site.set("database", url=request.getfixturevalue("ledger_url"))
    made = PlantedLedger(site.settings())
    yield made
    made.close()


def forgetter(planted: PlantedLedger, **keeping: Any) -> Forgetter:
    return Forgetter(planted.ledger, planted.files, _Clock(), Keeping(**keeping), Trail("PREREAD"))


def whole(ledger: Ledger) -> str:
    """Everything in the ledger that is not the audit trail, as text."""
    with ledger.read() as view:
        return "\n".join(
            str(row)
            for table in metadata.sorted_tables
            if table.name != "audit"
            for row in view.execute(table.select())
        )


@on_both
def test_a_purged_study_has_left_no_trace_but_the_audit_trail(planted: PlantedLedger) -> None:
    planted.everything(OLD, patient_id="PAT-GONE", name="Gone^Gwen", accession="ACC-GONE")
    planted.everything(NEW, patient_id="PAT-STAYS", name="Stays^Stan", accession="ACC-STAYS")
    before = whole(planted.ledger)
    assert all(text in before for text in (OLD, "PAT-GONE", "Gone^Gwen", "ACC-GONE")), "planted in the first place"
    kept = {
        p for p in planted.files.root.rglob("*") if p.is_file() and OLD not in p.name and p.suffix in (".dcm", ".hl7")
    }
    purge_study(planted.ledger, forgetter(planted), Trail("PREREAD"), OLD, even_unfinished=True, now=NOW)
    after = whole(planted.ledger)
    assert [row for row in after.split("\n") if any(t in row for t in (OLD, "PAT-GONE", "Gone^Gwen", "ACC-GONE"))] == []
    assert all(text in after for text in (NEW, "PAT-STAYS", "Stays^Stan", "ACC-STAYS"))
    left = {p for p in planted.files.root.rglob("*") if p.is_file() and p.suffix in (".dcm", ".hl7")}
    assert left == kept
    with planted.ledger.read() as view:
        (row,) = audit.rows(view)
    assert "110105" in row.message
    assert OLD in row.message


def test_every_table_that_is_about_a_study_is_planted_here(planted: PlantedLedger) -> None:
    """A new table would otherwise never be purged, and nobody would notice."""
    planted.everything(OLD, patient_id="PAT-GONE", name="Gone^Gwen", accession="ACC-GONE")
    with planted.ledger.read() as view:
        empty = {t.name for t in metadata.sorted_tables if view.execute(t.select()).first() is None}
    assert empty - ABOUT_NO_STUDY == set()


def test_what_is_not_delivered_is_not_purged_by_accident(planted: PlantedLedger) -> None:
    planted.delivery(planted.study(OLD), state="parked")
    with pytest.raises(Permanent, match="1 deliveries have not been made"):
        purge_study(planted.ledger, forgetter(planted), Trail("PREREAD"), OLD, even_unfinished=False, now=NOW)
    assert OLD in whole(planted.ledger)


@pytest.mark.parametrize("state", ["receiving", "assembled", "needs-attention"])
def test_a_study_that_nobody_has_a_result_of_is_not_purged_by_accident(planted: PlantedLedger, state: str) -> None:
    planted.finished(OLD, days=1, state=state)
    with pytest.raises(Permanent, match=f"it is {state}"):
        purge_study(planted.ledger, forgetter(planted), Trail("PREREAD"), OLD, even_unfinished=False, now=NOW)
    assert OLD in whole(planted.ledger)


@on_both
def test_files_of_a_purge_that_was_killed_go_with_the_next_start(planted: PlantedLedger) -> None:
    planted.everything(OLD, patient_id="PAT-GONE", name="Gone^Gwen", accession="ACC-GONE")
    with planted.ledger.begin() as tx:
        purging.purge(tx, OLD, now=NOW)  # and here the process dies
    assert [p for p in planted.files.root.rglob("*") if OLD in p.name] != []
    forgetter(planted).delete_doomed()
    assert [p for p in planted.files.root.rglob("*") if OLD in p.name] == []
    with planted.ledger.read() as view:
        assert purging.doomed(view) == []


@pytest.mark.parametrize("state", ["waiting", "parked", "held"])
def test_a_study_with_anything_undelivered_is_never_let_go(planted: PlantedLedger, state: str) -> None:
    planted.finished(OLD, days=900)
    planted.delivery(planted.revision_of(OLD), state=state)
    assert forgetter(planted, studies_days=30, images_days=10)() == 0
    assert OLD in whole(planted.ledger)


@pytest.mark.parametrize("state", ["receiving", "assembled", "needs-attention"])
def test_a_study_that_is_not_finished_is_never_let_go(planted: PlantedLedger, state: str) -> None:
    planted.finished(OLD, days=900, state=state)
    assert forgetter(planted, studies_days=30)() == 0


def test_a_study_with_work_to_do_is_never_let_go(planted: PlantedLedger) -> None:
    revision = planted.finished(OLD, days=900)
    planted.job("report", str(revision), state="parked", error="sr-not-made")
    assert forgetter(planted, studies_days=30)() == 0


def test_what_is_too_old_goes_and_what_is_not_stays(planted: PlantedLedger) -> None:
    planted.finished(OLD, days=31)
    planted.finished(NEW, days=29)
    forgetter(planted, studies_days=30)()
    text = whole(planted.ledger)
    assert (OLD in text, NEW in text) == (False, True)
    with planted.ledger.read() as view:
        assert audit.verify(view)[0] == 1


@on_both
def test_images_that_were_let_go_are_no_loss_and_can_come_back(planted: PlantedLedger) -> None:
    planted.finished(OLD, days=31)
    with planted.ledger.read() as view:
        (path,) = retention.images_here(view, OLD)
    assert forgetter(planted, images_days=30)() == 1
    assert not planted.files.path(path).exists()
    with planted.ledger.read() as view:
        assert path not in {f.path for f in named_files(view)}, "a backup does not look for it"
        assert retention.forgotten_of(view, OLD) == NOW
        assert any(e["code"] == "images-let-go" for e in overview.history(view, OLD))
    assert forgetter(planted, images_days=30)() == 0
    with planted.ledger.begin() as tx:
        retention.is_back(tx, path)
        assert retention.images_here(tx, OLD) == [path]


def test_the_words_of_the_model_go_and_what_is_reported_stays(planted: PlantedLedger) -> None:
    planted.everything(OLD, patient_id="P", name="N", accession="A", reply="SECRET-REPLY", draft="THE-DRAFT")
    with planted.ledger.begin() as tx:
        assert retention.forget_replies(tx, NOW + timedelta(days=1)) == 1
        assert retention.forget_replies(tx, NOW + timedelta(days=1)) == 0
    text = whole(planted.ledger)
    assert ("SECRET-REPLY" in text, "THE-DRAFT" in text) == (False, True)


@on_both
def test_the_command_asks_first_and_then_deletes(site: Site, planted: PlantedLedger) -> None:
    planted.finished(OLD, days=1)
    assert site.run("purge", OLD).returncode == 130, "no terminal said yes"
    assert OLD in whole(planted.ledger)
    done = site.run("purge", OLD, "--yes")
    assert (done.returncode, done.stderr) == (0, "")
    assert OLD not in whole(planted.ledger)


def test_images_cannot_outlive_their_study() -> None:
    with pytest.raises(ValueError, match="cannot outlive"):
        Keeping(images_days=90, studies_days=30)


def test_room_is_made_of_the_oldest(planted: PlantedLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    planted.finished(OLD, days=31)
    planted.finished(NEW, days=29)
    free = iter([0, 0, 10_000, 10_000, 10_000])
    monkeypatch.setattr(type(planted.files), "free_bytes", lambda _: next(free))
    monkeypatch.setattr(type(planted.files), "reserve_bytes", 1000)
    monkeypatch.setattr(retention, "AT_ONCE", 1)
    assert forgetter(planted, make_room=True)() >= 1
    with planted.ledger.read() as view:
        assert retention.images_here(view, OLD) == []


def test_files_of_the_store_are_deleted_once_and_missing_ones_are_no_trouble(
    tmp_path: Path, planted: PlantedLedger
) -> None:
    (planted.files.root / "images").mkdir(exist_ok=True)
    file = planted.files.root / "images" / "x.dcm"
    file.write_bytes(b"x")
    for _ in range(2):
        planted.files.delete("images/x.dcm")
    assert not file.exists()
