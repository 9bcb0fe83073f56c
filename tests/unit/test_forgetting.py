"""What is to be forgotten is gone, all of it; what is not finished never is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update

from agent.audit.trail import Trail
from agent.errors import Permanent, Transient
from agent.intake.committer import Committer
from agent.keeping.forget import Forgetter, purge_study
from agent.settings import Keeping
from agent.store import arrivals, audit, doomed, identity, overview, priors, purging, results, retention, schema
from agent.store.arrivals import Arrival, Refusal
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


def test_a_finished_report_that_named_no_study_goes_with_the_study_that_it_was_of(planted: PlantedLedger) -> None:
    """A RIS names the order, and the study seldom."""
    planted.everything(OLD, patient_id="PAT-GONE", name="Gone^Gwen", accession="ACC-GONE")
    with planted.ledger.begin() as tx:
        tx.execute(update(schema.final_report).values(study_instance_uid=""))
    purge_study(planted.ledger, forgetter(planted), Trail("PREREAD"), OLD, even_unfinished=True, now=NOW)
    assert "Gone^Gwen" not in whole(planted.ledger)


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
        assert doomed.doomed(view) == []


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
        assert retention.forget_replies(tx, OLD, NOW + timedelta(days=1)) == 1
        assert retention.forget_replies(tx, OLD, NOW + timedelta(days=1)) == 0
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


def held(planted: PlantedLedger, uid: str) -> None:
    with planted.ledger.begin() as tx:
        tx.execute(delete(schema.study_stop))
        identity.stop(tx, uid, identity.HELD, "a person: wait", now=NOW)


def test_a_study_that_a_person_holds_is_never_let_go_though_all_of_it_was_delivered(planted: PlantedLedger) -> None:
    planted.finished(OLD, days=900)
    held(planted, OLD)
    assert forgetter(planted, studies_days=30, images_days=10, replies_days=10)() == 0
    assert OLD in whole(planted.ledger)
    with pytest.raises(Permanent, match="a person holds it"):
        purge_study(planted.ledger, forgetter(planted), Trail("PREREAD"), OLD, even_unfinished=False, now=NOW)


@pytest.mark.parametrize("state", ["waiting", "parked", "held"])
def test_the_words_of_the_model_stay_while_anything_of_their_study_is_undelivered(
    planted: PlantedLedger, state: str
) -> None:
    revision = planted.finished(OLD, days=900)
    planted.delivery(revision, state=state)
    assert forgetter(planted, replies_days=10)() == 0
    with planted.ledger.begin() as tx:
        tx.execute(delete(schema.delivery).where(schema.delivery.c.state == state))
    assert forgetter(planted, replies_days=10)() == 1
    assert forgetter(planted, replies_days=10)() == 0


@on_both
def test_studies_that_wait_for_a_person_for_ever_keep_no_other_from_being_let_go(planted: PlantedLedger) -> None:
    """A storage commitment that never comes, say: each leaves a parked job behind."""
    for uid in (OLD, NEW):
        planted.finished(uid, days=40 if uid == OLD else 35)
    with planted.ledger.read() as view:
        (delivery,) = view.execute(
            select(schema.delivery.c.id)
            .join(schema.document, schema.document.c.id == schema.delivery.c.document_id)
            .where(schema.document.c.revision_id == planted.revision_of(OLD))
        ).scalars()
    planted.job("commit", str(delivery), state="parked", error="never")
    with planted.ledger.read() as view:
        assert overview.studies_with_jobs(view) == {OLD}
        assert overview.any_job_of(view, OLD)
        before = NOW - timedelta(days=30)
        assert retention.finished_before(view, before, most=1) == [NEW]
        assert retention.with_images(view, before, most=1) == [NEW]


def test_every_job_about_a_study_is_known_by_its_kind(planted: PlantedLedger) -> None:
    """Whether a study has work is asked in two ways, which must not differ."""
    revision = planted.finished(OLD, days=1)
    for kind, key in (("assemble", OLD), ("worklist", OLD), ("read", str(revision)), ("announce", str(revision))):
        planted.job(kind, key, state="waiting")
        with planted.ledger.begin() as tx:
            assert overview.any_job_of(tx, OLD)
            assert overview.studies_with_jobs(tx) == {OLD}
            tx.execute(delete(schema.job))
    planted.job("qc", "260101120000", state="waiting")
    with planted.ledger.read() as view:
        assert overview.studies_with_jobs(view) == set()


def arrival(planted: PlantedLedger, uid: str, path: str) -> Arrival:
    return Arrival(
        f"{uid}.1", 1, uid, f"{uid}.2", "1.2.840.10008.5.1.4.1.1.1", "1.2.840.10008.1.2.1", "d", 1, 0, path, "SENDER",
        "127.0.0.1", "1-1", "{}",
    )  # fmt: skip


@on_both
def test_a_film_that_was_purged_and_is_sent_again_is_not_deleted_by_the_purge(planted: PlantedLedger) -> None:
    """It has the name that it had, and was answered Success."""
    planted.everything(OLD, patient_id="P", name="N", accession="A")
    with planted.ledger.begin() as tx:
        (path,) = retention.images_here(tx, OLD) or [f"images/{OLD}-instance.dcm"]
        purging.purge(tx, OLD, now=NOW)  # and here the process dies
        assert path in doomed.doomed(tx)
    committer = Committer(planted.ledger, planted.files, _Clock(), timedelta(0))
    try:
        assert committer.commit(arrival(planted, OLD, path))
    finally:
        committer.close()
    assert forgetter(planted).delete_doomed()
    assert planted.files.path(path).is_file()
    with planted.ledger.read() as view:
        assert doomed.doomed(view) == []


def test_a_film_whose_file_was_deleted_while_it_was_kept_is_not_answered_success(planted: PlantedLedger) -> None:
    """The purge before it comes in between the file's getting its name and the ledger's knowing of it."""
    path = f"images/{OLD}.dcm"
    with planted.ledger.begin() as tx:
        doomed.doom(tx, [path], now=NOW)
    planted.files.path(path).write_bytes(b"x")
    assert forgetter(planted).delete_doomed()
    committer = Committer(planted.ledger, planted.files, _Clock(), timedelta(0))
    try:
        with pytest.raises(Transient, match="deleted while it was kept"):
            committer.commit(arrival(planted, OLD, path))
    finally:
        committer.close()
    assert OLD not in whole(planted.ledger)


def test_whatever_is_named_again_is_no_longer_to_be_deleted(planted: PlantedLedger) -> None:
    revision = planted.finished(OLD, days=1)
    paths = ["documents/d.dcm", "priors/p.dcm", "quarantine/q.dcm", "images/i.dcm"]
    prior = priors.PriorImage("1.3", "1.4", "1.5", "1.6", "1.7", "d", 0, paths[1], "{}", "pacs")
    with planted.ledger.begin() as tx:
        doomed.doom(tx, paths, now=NOW)
        retention.forget_file(tx, paths[1], now=NOW)
        results.add_document(tx, revision, results.StoredDocument("sr", "1.9", paths[0], "d"), now=NOW)
        priors.keep(tx, prior, now=NOW)
        arrivals.refuse(tx, Refusal("instance", "A", "B", "C", "0111", "r", "c", path=paths[2]), now=NOW)
        retention.is_back(tx, paths[3])
        assert doomed.doomed(tx) == []
        assert not retention.is_forgotten(tx, paths[1]), "a backup must hold it again"


def test_a_film_that_was_fetched_again_is_kept_as_long_as_one_that_is_new(planted: PlantedLedger) -> None:
    prior = priors.PriorImage("1.3", "1.4", "1.5", "1.6", "1.7", "d", 0, "priors/p.dcm", "{}", "pacs")
    with planted.ledger.begin() as tx:
        priors.keep(tx, prior, now=NOW - timedelta(days=100))
        assert retention.old_priors(tx, NOW - timedelta(days=30)) == ["priors/p.dcm"]
        priors.keep(tx, prior, now=NOW)
        assert retention.old_priors(tx, NOW - timedelta(days=30)) == []


@on_both
def test_a_film_to_compare_with_stays_while_the_study_that_it_was_fetched_for_is_not_finished(
    planted: PlantedLedger,
) -> None:
    revision = planted.finished(OLD, days=900)
    with planted.ledger.begin() as tx:
        mine = schema.prior_search.c.revision_id == revision
        used = select(schema.prior_search.c.prior_image_id).where(mine).scalar_subquery()
        c = schema.prior_image.c
        tx.execute(
            update(schema.prior_image).where(c.id == used).values(path="priors/p.dcm", kept_at=NOW - timedelta(days=90))
        )
    (planted.files.root / "priors" / "p.dcm").write_bytes(b"x")
    held(planted, OLD)
    assert forgetter(planted, images_days=30)() == 0
    with planted.ledger.begin() as tx:
        identity.no_stop(tx, OLD, identity.HELD)
    forgetter(planted, images_days=30)()
    assert not (planted.files.root / "priors" / "p.dcm").exists()


def test_a_file_that_cannot_be_deleted_keeps_none_of_the_others_here(planted: PlantedLedger) -> None:
    planted.files.path("images/stays").mkdir(parents=True)  # a folder, which is no file to be deleted
    for name in ("a", "z"):
        planted.files.path(f"images/{name}.dcm").write_bytes(b"x")
    with planted.ledger.begin() as tx:
        doomed.doom(tx, ["images/a.dcm", "images/stays", "images/z.dcm"], now=NOW)
    assert not forgetter(planted).delete_doomed()
    assert sorted(p.name for p in planted.files.path("images").iterdir()) == ["stays"]
    with planted.ledger.read() as view:
        assert doomed.doomed(view) == ["images/stays"], "tried again"


def test_where_deleting_makes_no_room_no_more_is_let_go(
    planted: PlantedLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file system that has become read-only must not cost a site all its films."""
    for uid, days in ((OLD, 31), (NEW, 29)):
        planted.finished(uid, days=days)
        (path,) = _images(planted, uid)
        planted.files.path(path).unlink()
        planted.files.path(path).mkdir()
    monkeypatch.setattr(type(planted.files), "free_bytes", lambda _: 0)
    monkeypatch.setattr(type(planted.files), "reserve_bytes", 1000)
    forgetter(planted, make_room=True)()
    assert _images(planted, OLD) == []
    assert _images(planted, NEW) != []


def _images(planted: PlantedLedger, uid: str) -> list[str]:
    with planted.ledger.read() as view:
        return retention.images_here(view, uid)


def test_a_root_that_is_gone_stops_no_tick_for_ever(planted: PlantedLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(_: object) -> int:
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(type(planted.files), "free_bytes", gone)
    assert forgetter(planted, make_room=True)() == 0


def test_very_much_that_was_refused_is_let_go_too(planted: PlantedLedger) -> None:
    """SQLite takes some thousands of values in one statement, and a sender that repeats itself fills a quarantine with more."""
    row = {
        "at": NOW - timedelta(days=90), "what": "instance", "calling_ae_title": "A", "called_ae_title": "B", "address": "C",
        "status": "C000", "reason": "r", "comment": "c", "sop_instance_uid": "1.2",
    }  # fmt: skip
    with planted.ledger.begin() as tx:
        tx.execute(insert(schema.refusal), [{**row, "path": f"quarantine/{n}.dcm"} for n in range(40_000)])
    assert 0 < forgetter(planted, quarantine_days=30)() < 40_000
