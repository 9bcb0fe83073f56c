"""How the rows of the worklist are made: from what the stages wrote, whenever something of a study has changed.

Whoever changes a study writes an event (`agent.store.studies.note`), and `agent.keeping.projector` follows these; it finds by comparing
what was changed without one. A row is the same whichever way it was made.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, case, delete, func, insert, select, update

from agent.imaging.facts import InstanceFacts
from agent.store import studies
from agent.store.identity import FINISHED, REPORTED
from agent.store.results import HAS_IT
from agent.store.reviews import TAKEN_BACK, WHOLE
from agent.store.schema import (
    delivery,
    document,
    event,
    flag,
    instance,
    job,
    listing,
    listing_finding,
    reading,
    review,
    study,
    study_revision,
    study_stop,
    urgency,
)
from agent.store.trouble import NOT_MADE, STANDING_STILL

VERSION = 1
"""Of what makes rows; a newer program with another makes all of them anew."""
STANDINGS = (
    "receiving", "assembled", "flagged", "read", "abstained", "not-analysed", "needs-attention", "withdrawn", "reported",
    "delivered",
)  # fmt: skip
"""Where a study stands, in one word. ``assembled`` waits to be looked at; ``flagged`` has had the fast look, and is being read;
``delivered`` was read, and every destination has the result; ``reported``: a person has finished the report."""
STAGES = ("assemble", "flag", "read", "report", "announce", "deliver", "commit")
"""What `failing` may be, in the order of the way."""
WAITS = timedelta(days=3)
"""So long a study that nobody has said anything about counts as waiting: a weekend, and a little. Whatever is older has been seen
elsewhere, or never will be."""
SUSPECTED = 0.5  # probability of the fast look from which a finding is among the chips before the reading
MOST_AT_ONCE = 200  # studies in one query
BY_FINDING, BEGUN = "by-finding", "begun"
"""Verdicts of a study whose draft nobody has judged as a whole: every finding that the draft states was judged, or only some, or only
what it missed."""

_CRITICAL, _URGENT, _OPEN, _DONE = 0, 1, 2, 5
_STEP = 10**16  # between bands: more than there are microseconds until the year 2286
_KEY = 64
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def refresh_all(tx: Connection, uids: Sequence[str], *, now: datetime) -> list[str]:
    """Make the rows of these studies, at most `MOST_AT_ONCE`, as the other tables have them by now; none, where there is no such
    study. Returns those whose rows changed."""
    wanted, kept = projected(tx, uids, now=now), kept_rows(tx, uids)
    changed = [uid for uid in dict.fromkeys(uids) if is_other(kept.get(uid), wanted.get(uid))]
    for uid in changed:
        _put(tx, uid, kept.get(uid), wanted.get(uid))
    return changed


def differing(view: Connection, uids: Sequence[str], *, now: datetime) -> list[str]:
    """Those of these studies, at most `MOST_AT_ONCE`, whose rows are not as they should be. Only reads."""
    wanted, kept = projected(view, uids, now=now), kept_rows(view, uids)
    return [uid for uid in dict.fromkeys(uids) if is_other(kept.get(uid), wanted.get(uid))]


def kept_rows(view: Connection, uids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The rows as they are."""
    rows = view.execute(select(listing).where(listing.c.study_instance_uid.in_(uids)))
    return {str(r.study_instance_uid): dict(r._mapping) for r in rows}


def is_other(kept: Mapping[str, Any] | None, wanted: Mapping[str, Any] | None) -> bool:
    """Whether a row says something else than it should."""
    if kept is None or wanted is None:
        return kept is not wanted
    return any(kept[name] != value for name, value in wanted.items())


def _put(tx: Connection, uid: str, kept: Mapping[str, Any] | None, wanted: Mapping[str, Any] | None) -> None:
    tx.execute(delete(listing_finding).where(listing_finding.c.study_instance_uid == uid))
    if wanted is None:
        tx.execute(delete(listing).where(listing.c.study_instance_uid == uid))
        return
    if kept is None:
        tx.execute(insert(listing).values(**wanted))
    else:
        tx.execute(update(listing).where(listing.c.study_instance_uid == uid).values(**wanted))
    concepts = sorted({str(chip["concept"])[:32] for chip in wanted["findings"]})
    if concepts:
        rows = [{"study_instance_uid": uid, "concept": c, "position": wanted["position"]} for c in concepts]
        tx.execute(insert(listing_finding), rows)


def projected(view: Connection, uids: Sequence[str], *, now: datetime) -> dict[str, dict[str, Any]]:
    """The rows of these studies as they should be, by UID; none for a study that is not there. At most `MOST_AT_ONCE`."""
    assert len(uids) <= MOST_AT_ONCE, "more than one query takes"
    return {uid: _row(known, now) for uid, known in _known(view, uids).items()}


@dataclass(slots=True)
class _Known:
    """What the tables say of one study: rows of theirs, None where there is none."""

    study: Any
    revision: Any = None
    images: int = 0
    newest: Any = None
    facts: InstanceFacts = field(default_factory=InstanceFacts)
    constancy: bool = False
    flag: Any = None
    reading: Any = None
    urgency: Any = None
    deliveries: dict[str, int] = field(default_factory=dict)
    reported_at: datetime | None = None
    failing: set[str] = field(default_factory=set)
    unmade: bool = False
    noted_at: datetime | None = None
    verdict: str | None = None
    verdict_by: str | None = None

    @property
    def reviewed(self) -> bool:
        """Whether a radiologist is done with the draft."""
        return self.verdict not in (None, BEGUN)


def _known(view: Connection, uids: Sequence[str]) -> dict[str, _Known]:
    rows = view.execute(select(study).where(study.c.study_instance_uid.in_(uids)))
    found = {str(r.study_instance_uid): _Known(r) for r in rows}
    if not found:
        return found
    _add_images(view, found)
    _add_readings(view, found)
    _add_deliveries(view, found)
    _add_jobs(view, found)
    _add_history(view, found)
    _add_verdicts(view, found)
    return found


def _add_images(view: Connection, found: dict[str, _Known]) -> None:
    c = instance.c
    ends = (
        select(
            c.study_instance_uid,
            func.count(func.distinct(c.sop_instance_uid)).label("images"),
            func.min(c.id).label("first"),
            func.max(c.id).label("last"),
        )
        .where(c.study_instance_uid.in_(found))
        .group_by(c.study_instance_uid)
    )
    counted = {str(r.study_instance_uid): r for r in view.execute(ends)}
    wanted = {i for r in counted.values() for i in (r.first, r.last)}
    rows = {r.id: r for r in view.execute(select(c.id, c.calling_ae_title, c.facts).where(c.id.in_(wanted)))}
    for uid, row in counted.items():
        known, first, last = found[uid], rows[row.first], rows[row.last]
        known.images, known.newest, known.facts = int(row.images), last, _facts(last)
        known.constancy = known.facts.is_of_constancy_test and _facts(first).is_of_constancy_test


def _facts(row: Any) -> InstanceFacts:
    try:
        return InstanceFacts.from_json(row.facts)
    except (
        ValueError,
        TypeError,
    ):  # of a row that somebody has changed by hand: the study is shown, without what is lost
        return InstanceFacts()


def _add_readings(view: Connection, found: dict[str, _Known]) -> None:
    c = study_revision.c
    newest = (
        select(c.id, c.study_instance_uid, c.study, c.created_at)
        .join(study, (study.c.study_instance_uid == c.study_instance_uid) & (study.c.revision == c.number))
        .where(c.study_instance_uid.in_(found))
    )
    of_revision: dict[int, _Known] = {}
    for row in view.execute(newest):
        of_revision[row.id] = known = found[str(row.study_instance_uid)]
        known.revision = row
    f, r, u = flag.c, reading.c, urgency.c
    flags = select(f.revision_id, f.priority, f.trouble, f.flagged_at, f.probabilities)
    for look in view.execute(flags.where(f.revision_id.in_(of_revision))):
        of_revision[look.revision_id].flag = look
    readings = select(r.revision_id, r.outcome, r.findings, r.completed_at)
    for read in view.execute(readings.where(r.revision_id.in_(of_revision))):
        of_revision[read.revision_id].reading = read
    ranks = select(u.study_instance_uid, u.priority, u.reasons)
    for rank in view.execute(ranks.where(u.study_instance_uid.in_(found))):
        found[str(rank.study_instance_uid)].urgency = rank


def _add_deliveries(view: Connection, found: dict[str, _Known]) -> None:
    """Counts by state; delivered counts what is of the newest revision."""
    d, c = delivery.c, study_revision.c
    failing = and_(d.state == "waiting", d.attempts > 0)
    what = case((d.state.in_(HAS_IT), "delivered"), (failing, "failing"), else_=d.state)
    rows = view.execute(
        select(c.study_instance_uid, c.id, what.label("what"), func.count().label("n"))
        .select_from(study_revision)
        .join(document, document.c.revision_id == c.id)
        .join(delivery, d.document_id == document.c.id)
        .where(c.study_instance_uid.in_(found))
        .group_by(c.study_instance_uid, c.id, what)
    )
    for row in rows:
        known = found[str(row.study_instance_uid)]
        if row.what == "delivered" and (known.revision is None or row.id != known.revision.id):
            continue
        known.deliveries[row.what] = known.deliveries.get(row.what, 0) + int(row.n)
        if row.what in ("parked", "failing"):
            known.failing.add("deliver")


def _add_jobs(view: Connection, found: dict[str, _Known]) -> None:
    """Stages that have failed, of these studies: there are few at any time, or the line stands still."""
    for kind, uid in failing_stages(view):
        if uid in found:
            found[uid].failing.add(kind)


def failing_stages(view: Connection) -> set[tuple[str, str]]:
    """(stage, study UID) of every job that has failed and is tried again, or is parked."""
    j, c, of_delivery = job.c, study_revision.c, ("commit",)
    failed = view.execute(select(j.kind, j.key).where(j.error != "", j.kind.in_(STAGES), j.kind != "deliver")).all()
    found = {(str(kind), str(key)) for kind, key in failed if kind == "assemble"}
    revisions, deliveries = defaultdict[int, set[str]](set), defaultdict[int, set[str]](set)
    for kind, key in failed:
        if kind != "assemble" and key.isdigit():
            (deliveries if kind in of_delivery else revisions)[int(key)].add(str(kind))
    by_revision = select(c.id, c.study_instance_uid)
    by_delivery = (
        select(delivery.c.id, c.study_instance_uid)
        .join(document, document.c.id == delivery.c.document_id)
        .join(study_revision, c.id == document.c.revision_id)
    )
    for query, column, kinds in ((by_revision, c.id, revisions), (by_delivery, delivery.c.id, deliveries)):
        for part in batched(sorted(kinds), MOST_AT_ONCE):
            rows = view.execute(query.where(column.in_(part))).all()
            found |= {(kind, str(uid)) for n, uid in rows for kind in kinds[int(n)]}
    return found


def _add_history(view: Connection, found: dict[str, _Known]) -> None:
    c = event.c
    noted = (
        select(
            c.study_instance_uid,
            func.max(c.at).label("at"),
            func.max(case((c.code.in_(NOT_MADE), c.at))).label("unmade_at"),
        )
        .where(c.study_instance_uid.in_(found))
        .group_by(c.study_instance_uid)
    )
    for row in view.execute(noted):
        known = found[str(row.study_instance_uid)]
        known.noted_at = row.at
        known.unmade = row.unmade_at is not None and (
            known.revision is None or known.revision.created_at <= row.unmade_at
        )
    s = study_stop.c
    # Whether results are sent after the report or not (matching.suppress_after_final): nobody waits for this study any more.
    stops = select(s.study_instance_uid, s.since).where(
        s.study_instance_uid.in_(found), s.kind.in_((REPORTED, FINISHED))
    )
    for stop in view.execute(stops):
        found[str(stop.study_instance_uid)].reported_at = stop.since


def _add_verdicts(view: Connection, found: dict[str, _Known]) -> None:
    """What was last said of the draft as it is now: of the whole, or else how far its findings were judged, and by whom last."""
    c = review.c
    rows = view.execute(
        select(c.study_instance_uid, c.finding, c.verdict, c.account)
        .join(study, (study.c.study_instance_uid == c.study_instance_uid) & (study.c.revision == c.revision))
        .where(c.study_instance_uid.in_(found))
        .order_by(c.id)
    )
    said = defaultdict[str, dict[str, Any]](dict)
    for row in rows:
        counting = said[str(row.study_instance_uid)]
        counting.pop(row.finding, None)  # so that the last word is the last of them
        if row.verdict != TAKEN_BACK:
            counting[row.finding] = row
    for uid, counting in said.items():
        if counting:
            known, last = found[uid], next(reversed(counting.values()))
            whole = counting.get(WHOLE)
            known.verdict = whole.verdict if whole is not None else _by_finding(known.reading, counting)
            known.verdict_by = (whole or last).account


def _by_finding(read: Any, judged: Collection[str]) -> str:
    """How far the findings that the draft states were judged. A draft that states none is judged as a whole or not at all."""
    stated = {f["concept"] for f in read.findings if isinstance(f, dict)} if read is not None else set()
    return BY_FINDING if stated and stated <= set(judged) else BEGUN


def _row(known: _Known, now: datetime) -> dict[str, Any]:
    s = known.study
    standing, priority = _standing(known), known.urgency.priority if known.urgency else "routine"
    failing = next((stage for stage in STAGES if stage in known.failing), "report" if known.unmade else "")
    unmade = s.reason in NOT_MADE
    counts = {name: known.deliveries.get(name, 0) for name in ("delivered", "parked", "held")}
    moments = [s.last_received_at, known.noted_at, known.reported_at]
    return {
        "study_instance_uid": s.study_instance_uid,
        "version": VERSION,
        "position": position(known, priority, now),
        **_about(known),
        "images": known.images,
        "constancy": known.constancy,
        "state": s.state,
        "reason": s.reason,
        "explanation": s.explanation,
        "standing": standing,
        "revision": s.revision,
        "priority": priority,
        "reasons": list(known.urgency.reasons) if known.urgency else [],
        "flag": known.flag.priority if known.flag and not known.flag.trouble else "",
        "flag_trouble": known.flag.trouble if known.flag else "",
        "flagged_at": known.flag.flagged_at if known.flag else None,
        "outcome": known.reading.outcome if known.reading else "",
        "read_at": known.reading.completed_at if known.reading else None,
        "findings": chips(known.reading, known.flag),
        **counts,
        "waiting": known.deliveries.get("waiting", 0) + known.deliveries.get("failing", 0),
        "failing": failing,
        "trouble": bool(failing) or ((s.state in STANDING_STILL or unmade) and not known.constancy),
        "reported_at": known.reported_at,
        "verdict": known.verdict,
        "verdict_by": known.verdict_by,
        "reviewed": known.reviewed,
        "arrived_at": s.first_received_at,
        "last_received_at": s.last_received_at,
        "changed_at": max(m for m in moments if m is not None),
    }


def _about(known: _Known) -> dict[str, Any]:
    """Whose and what the study is: as it is reported, else as the newest image has it."""
    facts, said = known.facts, dict(known.revision.study) if known.revision is not None else {}
    patient, order = said.get("patient") or {}, said.get("order") or {}
    name = str(patient.get("name", facts.patient_name))
    patient_id = str(patient.get("patient_id", facts.patient_id))
    accession = str(order.get("accession_number", facts.accession_number))
    day, time = str(said.get("study_date", facts.study_date)), str(said.get("study_time", facts.study_time))
    alphabetic, _, other = name.partition("=")
    return {
        "patient_name": name,
        "patient_id": patient_id,
        "birth_date": str(patient.get("birth_date", facts.patient_birth_date)),
        "sex": str(patient.get("sex", facts.patient_sex)),
        "accession_number": accession,
        "study_date": day,
        "study_time": time,
        "description": facts.study_description or str(order.get("procedure_description") or ""),
        "modality": facts.modality,
        "scanner": known.newest.calling_ae_title if known.newest is not None else "",
        "scanner_model": facts.manufacturer_model_name,
        "study_moment": (_digits(day) + _digits(time))[:20],
        "name_key": folded(alphabetic),
        "other_name_key": folded(other.partition("=")[0]),
        "id_key": folded(patient_id),
        "accession_key": folded(accession),
    }


def _standing(known: _Known) -> str:
    """One of `STANDINGS`."""
    state, sent = str(known.study.state), known.deliveries
    if state == "assembled" and known.flag is not None and not known.flag.trouble:
        return "flagged"
    if known.reported_at is not None and state in studies.OVER:
        return "reported"
    if (
        state == "read"
        and sent.get("delivered")
        and not any(sent.get(s) for s in ("waiting", "failing", "parked", "held"))
    ):
        return "delivered"
    return state


def position(known: _Known, priority: str, now: datetime) -> int:
    """Where in the worklist: what waits first, critical before urgent before the rest, and in each who waits longest; then what is
    finished, newest first."""
    s = known.study
    done = (
        known.reported_at is not None
        or s.state in ("reported", "withdrawn")
        or known.reviewed
        or known.constancy
        or now - s.first_received_at > WAITS
    )
    if done:
        return (_DONE + 1) * _STEP - _microseconds(s.last_received_at)
    band = {"critical": _CRITICAL, "urgent": _URGENT}.get(priority, _OPEN)
    return band * _STEP + _microseconds(s.first_received_at)


def bands() -> dict[str, tuple[int, int]]:
    """From where, and to where, the positions of each kind of waiting study go: critical, urgent, waiting; and finished."""
    return {
        name: (band * _STEP, (band + 1) * _STEP)
        for name, band in (("critical", _CRITICAL), ("urgent", _URGENT), ("waiting", _OPEN), ("finished", _DONE))
    }


def waiting_too_long(view: Connection, now: datetime, *, most: int = MOST_AT_ONCE) -> list[str]:
    """Studies among those that wait, which have waited longer than `WAITS`."""
    c, found = listing.c, list[str]()
    for name in ("critical", "urgent", "waiting"):
        start, _ = bands()[name]
        old = select(c.study_instance_uid).where(c.position >= start, c.position < start + _microseconds(now - WAITS))
        found += [str(u) for u in view.execute(old.order_by(c.position).limit(most)).scalars()]
    return found[:most]


def chips(read: Any, flagged: Any) -> list[dict[str, Any]]:
    """The findings a worklist shows, each with `concept`, `certainty`, `side`, `severity`, `place` and `probability` (None when
    none was given, with `calibrated`).

    `certainty`: ``stated``, present in the draft; ``unclear``, the draft or a check of it leaves it open; ``suspected``, by the fast
    look alone, while there is no reading.
    """
    asked = {p["concept"]: p for p in flagged.probabilities} if flagged is not None and not flagged.trouble else {}
    if read is None:
        return [
            _chip({"concept": name}, "suspected", said)
            for name, said in sorted(asked.items(), key=lambda item: -item[1]["value"])
            if said["value"] >= SUSPECTED
        ]
    named = {"present": "stated", "undetermined": "unclear"}
    shown = [f for f in read.findings if isinstance(f, dict) and f.get("presence") in named]
    made = [_chip(f, named[f["presence"]], asked.get(f["concept"])) for f in shown]
    return sorted(made, key=lambda chip: chip["certainty"] != "stated")


def _chip(finding: Mapping[str, Any], certainty: str, said: Mapping[str, Any] | None) -> dict[str, Any]:
    return {
        "concept": finding["concept"],
        "certainty": certainty,
        "side": finding.get("laterality") or "",
        "severity": finding.get("severity") or "",
        "place": finding.get("place") or "",
        "probability": None if said is None else round(float(said["value"]), 3),
        "calibrated": bool(said and said.get("calibration")),
    }


def folded(text: str) -> str:
    """A text as it is searched: without case, accents and the separators of PN and of identifiers, cut to the size of a key."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return " ".join(plain.casefold().replace("^", " ").replace(",", " ").replace("=", " ").split())[:_KEY]


def batched(values: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    """The values in parts of at most that many."""
    return (values[n : n + size] for n in range(0, len(values), size))


def _digits(text: str) -> str:
    return "".join(c for c in text.partition(".")[0] if c in "0123456789")


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)
