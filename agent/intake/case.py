"""One study as it is to be assembled: its images, whose they are by now, the order they belong to, and what was there before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from agent.imaging.facts import InstanceFacts, unreadable_identity
from agent.imaging.views import Selection, select_images
from agent.intake.identity import disagreement, study_of
from agent.orders.knowledge import known_about
from agent.orders.matching import LONGEST_WINDOW, Rival, is_near
from agent.orders.people import Doubt
from agent.orders.weigh import Knowledge, Weighed, weigh, with_order
from agent.settings import Gate, Matching
from agent.store import flags, identity, messages, orders, results, studies
from agent.store.orders import StoredMatch
from agent.store.studies import Revision, StoredImage, Use
from agent.work.queue import enqueue, hurry
from structured_report.content import Study

DIFFERS, UNREADABLE = "patient-differs", "character-set"


@dataclass(frozen=True, slots=True)
class Case:
    """A study to be assembled. `facts` are those of `images`, with what holds of the patient; `before` is what the newest
    revision does with which images."""

    uid: str
    images: tuple[StoredImage, ...]
    facts: tuple[InstanceFacts, ...]
    weighed: Weighed
    previous: Revision | None
    before: tuple[tuple[StoredImage, Use], ...]
    known: Knowledge

    @property
    def has_same_instances(self) -> bool:
        """Whether the newest revision is of these instances."""
        return {i.sop_instance_uid for i, _ in self.before} == {i.sop_instance_uid for i in self.images}

    def about(self, uses: Sequence[Use]) -> Study:
        """The study as its reports name it."""
        return with_order(study_of(first_read_first(self.facts, uses)), self.weighed)


def case_of(view: Connection, uid: str, gate: Gate, matching: Matching) -> Case:
    """The study of that UID as it stands."""
    images = studies.images_of(view, uid)
    previous = studies.newest_revision(view, uid)
    before = () if previous is None else studies.images_of_revision(view, previous.id)
    facts = tuple(InstanceFacts.from_json(i.facts) for i in images)
    if all(f.is_of_constancy_test for f in facts):  # of nobody, and nobody has ordered it
        return Case(uid, images, facts, Weighed(facts), previous, before, Knowledge())
    uses = [use_of(i, s) for i, s in zip(images, select_images(facts, gate), strict=True)]
    in_order = first_read_first(facts, uses)
    known = known_about(view, uid, facts)
    weighed = weigh(in_order, study_of(in_order), known, matching)
    if (doubt := _doubt_about_images(weighed.facts)) is not None:
        weighed = replace(weighed, doubt=doubt)
    overlaid = {f.sop_instance_uid: f for f in weighed.facts}
    return Case(uid, images, tuple(overlaid[f.sop_instance_uid] for f in facts), weighed, previous, before, known)


def _doubt_about_images(facts: Sequence[InstanceFacts]) -> Doubt | None:
    """Why the images alone do not say whose they are."""
    if unreadable := unreadable_identity(facts):
        words = f"{unreadable} cannot be read, because it is not in the character set that the images declare"
        return Doubt(UNREADABLE, words)
    if differing := disagreement(facts):
        return Doubt(DIFFERS, f"the images of this study differ in {differing}")
    return None


def write_down(tx: Connection, case: Case, *, now: datetime) -> None:
    """Keep how the study was weighed, and have those weighed anew whom it may concern: another study with the same number
    makes the order of both doubtful."""
    if not case.images:
        return
    weighed, uid = case.weighed, case.uid
    raw = [InstanceFacts.from_json(i.facts) for i in case.images]
    keys = {(identity.PATIENT, f.patient_id) for f in raw} | {(identity.ACCESSION, f.accession_number) for f in raw}
    if identity.remember_keys(tx, uid, keys):
        identity.unsettle(tx, {r.study_instance_uid for r in case.known.rivals if _may_share(case, r)}, now=now)
    order = weighed.order
    orders.put_match(
        tx,
        StoredMatch(
            uid,
            None if order is None else order.id,
            weighed.match.how if order is not None else "",
            "" if weighed.doubt is None else weighed.doubt.code,
            list(weighed.match.candidates),
            [asdict(o) for o in weighed.overlays],
            now,
        ),
    )
    heard_in = {o.message_id for o in weighed.overlays}
    heard_in |= {o.message_id for o in case.known.orders if o.id in weighed.match.candidates and o.message_id}
    heard_in |= {r.message_id for r in weighed.reports}
    identity.was_about(tx, heard_in, [uid])
    if order is not None and order.priority is not None:
        raised = flags.raise_urgency(tx, uid, order.priority, [f"the order says {order.priority}"], now=now)
        if raised:
            studies.note(tx, uid, "orders", "urgency-raised", f"the order says {order.priority}", now=now)
        if raised and case.previous is not None:
            for kind in ("flag", "read"):
                hurry(tx, kind, str(case.previous.id), order.priority.rank)


def heed_stops(tx: Connection, case: Case, *, now: datetime) -> None:
    """What keeps results from being sent as ever: a finished report, a cancelled order."""
    uid, weighed = case.uid, case.weighed
    _heed_report(tx, case, now=now)
    if weighed.is_cancelled:
        words = "the order was cancelled: no message is sent under it; reports go to the archive as ever"
        if identity.stop(tx, uid, identity.CANCELLED, words, now=now):
            studies.note(tx, uid, "orders", "order-cancelled", words, now=now)
        results.change_hold(tx, uid, hold=True, kinds=messages.RESULTS)
    elif identity.no_stop(tx, uid, identity.CANCELLED):
        studies.note(tx, uid, "orders", "order-stands", "the order of the study is not cancelled any more", now=now)


def _heed_report(tx: Connection, case: Case, *, now: datetime) -> None:
    """That a person has finished the report is written down whatever the settings make of it: the worklist shows it."""
    uid, weighed = case.uid, case.weighed
    if not weighed.reports:
        was = {kind: identity.no_stop(tx, uid, kind) for kind in (identity.REPORTED, identity.FINISHED)}
        if any(was.values()):
            _open_again(tx, case, kept_back=was[identity.REPORTED], now=now)
        return
    first = weighed.reports[0]
    words = f"a person has finished the report (status {first.status}, message {first.message_id})"
    kinds = (identity.REPORTED, identity.FINISHED)
    kind, other = kinds if weighed.reported is not None else kinds[::-1]
    identity.no_stop(tx, uid, other)  # the settings have changed since
    if not identity.stop(tx, uid, kind, words, now=now):
        return
    fate = "results are sent all the same"
    if kind == identity.REPORTED:
        newest = 0 if case.previous is None else case.previous.number
        gone = results.supersede_undelivered(tx, uid, newest + 1, words=f"{results.REPORTED}{words}", now=now)
        fate = f"{gone} results are not sent"
    studies.note(tx, uid, "orders", "reported", f"{words}; {fate}", now=now)


def _open_again(tx: Connection, case: Case, *, kept_back: bool, now: datetime) -> None:
    """Nobody has reported the study by now. What was kept back because somebody had is wanted, if it is of the newest revision."""
    uid, taken_back = case.uid, case.weighed.taken_back
    code, words = "not-reported", "the finished report is not that of this study"
    if taken_back is not None:
        code = "report-taken-back"
        words = f"the finished report was taken back (status {taken_back.status}, message {taken_back.message_id})"
    studies.note(tx, uid, "orders", code, words, now=now)
    newest = studies.newest_revision(tx, uid) if kept_back else None
    if newest is None or results.reading_of(tx, newest.id) is None:
        return
    for delivery_id, destination in results.take_up_reported(tx, newest.id, now=now):
        enqueue(tx, "deliver", str(delivery_id), lane=destination, now=now)
    enqueue(tx, "report", str(newest.id), now=now)  # what was made while it was reported was made for nobody


def _may_share(case: Case, rival: Rival) -> bool:
    """Whether one order may fit both."""
    mine = {f.accession_number.strip() for f in case.facts} - {""}
    if rival.accession_number.strip() in mine:
        return True
    near = any(is_near(f.study_date, rival.study_date, LONGEST_WINDOW) for f in case.facts)
    return near and not (mine and rival.accession_number.strip())


def first_read_first(facts: Sequence[InstanceFacts], uses: Sequence[Use]) -> list[InstanceFacts]:
    """The images in the order in which they decide about the study's identity: the frontal that is read first."""
    order = sorted(range(len(uses)), key=lambda n: (not uses[n].used, uses[n].role != "frontal", n))
    return [facts[n] for n in order]


def use_of(image: StoredImage, selection: Selection) -> Use:
    """What the selection means for a stored image."""
    return Use(image.instance_id, selection.used, selection.role, selection.reason, selection.explanation)
