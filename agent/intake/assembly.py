"""The assemble stage: is the study complete, whose is it, and which of its images will be read?

A study is complete after the quiet time without a new image and with no association open that brought some of it.
What came before is never changed: late images make a new revision that supersedes the old one, and so does what is heard
about patient and order (docs/identity.md).
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import Connection

from agent.clock import Clock
from agent.errors import Permanent
from agent.imaging.facts import InstanceFacts, differing_orders
from agent.imaging.views import select_images
from agent.intake.case import DIFFERS, UNREADABLE, Case, case_of, heed_stops, use_of, write_down
from agent.orders.people import Doubt
from agent.priors.numbers import is_under_anothers_number
from agent.reading.build import Build
from agent.settings import Gate, Intake, Matching, Priors, Settings
from agent.store import flags, identity, priors, results, retention, studies
from agent.store.engine import Ledger
from agent.store.results import StoredReading
from agent.store.studies import Use
from agent.work.queue import Job, Queue, enqueue
from structured_report.content import Outcome, Patient
from structured_report.plain import provenance_to_json, study_to_json

_LOOK_AGAIN = timedelta(seconds=1)
_LATE_INDICATION = "The clinical question came after the images had been read; the reading was made without it."
_VOID = (
    "the earlier draft was made in view of another patient's film, or age, and is void; the images were let go since, so that they "
    "cannot be read anew: send the study again, then: preread reread"
)
# What an order may say later without making what was sent a wrong result: it is filed under none of these.
_IMMATERIAL = (
    "indication", "match", "referring_physician", "procedure", "procedure_description", "placer_assigner", "filler_assigner",
)  # fmt: skip


class Assembly:
    """Turns what has arrived for one study into a study revision."""

    def __init__(
        self,
        ledger: Ledger,
        queue: Queue,
        clock: Clock,
        intake: Intake,
        gate: Gate,
        build: Build,
        prior: Priors | None = None,
        *,
        matching: Matching | None = None,
        ask_worklist: bool = False,
    ) -> None:
        """Args:
        prior: whether and for how long a study waits for an earlier film to be compared with.
        matching: how a study gets its order.
        ask_worklist: whether a modality worklist is asked for the order of every study.
        """
        self._ask_worklist = ask_worklist
        self._ledger, self._queue, self._clock, self._build = ledger, queue, clock, build
        self._prior = prior or Priors()
        self._gate, self._matching = gate, matching or Matching()
        self._quiet = timedelta(seconds=intake.quiet_time_s)
        self._longest = timedelta(seconds=max(intake.longest_wait_s, intake.quiet_time_s))
        self._log = structlog.get_logger()

    def __call__(self, job: Job) -> None:
        """Assemble the study whose UID is the job's key, or put the job back until it is complete."""
        uid = job.key
        with self._ledger.read() as view:
            arrivals = studies.arrivals_of(view, uid)
        if wait := self._still_arriving(arrivals):
            with self._ledger.begin() as tx:
                self._queue.postpone(tx, job, self._clock.now() + wait)
            return
        with self._ledger.begin() as tx:
            self._assemble(tx, uid)
            identity.settled(tx, uid)
            self._queue.complete(tx, job)

    def _assemble(self, tx: Connection, uid: str) -> None:
        """All that is known is weighed in the transaction that acts on it: what is heard meanwhile comes before or after."""
        case = self._case(tx, uid)
        if identity.WITHDRAWN in identity.stops_of(tx, uid):
            self._stay_withdrawn(tx, case)
            return
        write_down(tx, case, now=self._clock.now())
        doubt = case.weighed.doubt
        if case.previous is None or not case.has_same_instances:
            if doubt is None or not _is_about_images(doubt):
                self._new_revision(tx, case)
        elif doubt is None:
            self._same_images(tx, case)
        if doubt is not None:
            self._needs_attention(tx, uid, doubt)
        else:
            self._release(tx, uid)
        heed_stops(tx, case, now=self._clock.now())
        self._show_as_reported(tx, uid)

    def read_again(self, tx: Connection, uid: str) -> bool:
        """Make a new revision of the same images, to be read anew; returns False when they cannot be read, were let go, or must not
        be read.

        What was withdrawn comes back though none of its images can be read: as the result that says so.
        """
        case = self._case(tx, uid)
        doubt = case.weighed.doubt
        if case.previous is None or (doubt is not None and _is_about_images(doubt)):
            return False
        withdrawn = identity.WITHDRAWN in identity.stops_of(tx, uid)
        wanted = {i.path for i, s in zip(case.images, select_images(case.facts, self._gate), strict=True) if s.used}
        if (not wanted and not withdrawn) or wanted & retention.paths_let_go(tx, uid):
            return False
        identity.no_stop(tx, uid, identity.WITHDRAWN)
        write_down(tx, case, now=self._clock.now())
        self._new_revision(tx, case)
        if doubt is not None:
            self._needs_attention(tx, uid, doubt)
        heed_stops(tx, case, now=self._clock.now())
        return True

    def withdraw(self, tx: Connection, uid: str, reason: str) -> None:
        """Take back what is said of a study: who has it is told, what waits never leaves, and so it stays until it is read
        again.

        Raises:
            Permanent: there is nothing to take back.
        """
        case, now = self._case(tx, uid), self._clock.now()
        if case.previous is None:
            raise Permanent(f"study {uid} has no result yet that could be withdrawn", code="nothing-to-withdraw")
        if not identity.stop(tx, uid, identity.WITHDRAWN, reason, now=now):
            raise Permanent(f"study {uid} is withdrawn already; to read it again: preread reread", code="is-withdrawn")
        identity.no_stop(tx, uid, identity.HELD)  # whoever has the result must hear of it
        reading = results.reading_of(tx, case.previous.id)
        number = case.previous.number + 1
        # Under the identity that stood in what was sent: it is that which is taken back.
        uses = [replace(use, instance_id=image.instance_id) for image, use in case.before]
        key = case.previous.set_key
        revision_id = studies.add_revision(
            tx, study_instance_uid=uid, number=number, set_key=key, about=case.previous.study, uses=uses, now=now
        )
        provenance = provenance_to_json(self._build.without_model()) if reading is None else reading.provenance
        results.add_reading(tx, self._without_reading(revision_id, Outcome.WITHDRAWN, "withdrawn", reason, provenance))
        results.supersede_undelivered(tx, uid, number, words=f"withdrawn: {reason}", now=now)
        identity.settled(tx, uid)
        identity.unsettle(tx, priors.compared_with(tx, uid) - {uid}, now=now)
        studies.set_state(tx, uid, Outcome.WITHDRAWN, reason="withdrawn", explanation=reason)
        studies.note(tx, uid, "withdraw", "withdrawn", reason, now=now)
        # What takes things back and was held with the rest. Made again it is the same document, which is sent but once.
        self._release(tx, uid)
        enqueue(tx, "report", str(revision_id), now=now)

    def _case(self, view: Connection, uid: str) -> Case:
        return case_of(view, uid, self._gate, self._matching)

    def _stay_withdrawn(self, tx: Connection, case: Case) -> None:
        """Late images, and what is heard, do not bring it back; whoever has it read again gets all of it."""
        words = identity.stops_of(tx, case.uid)[identity.WITHDRAWN]
        if not case.has_same_instances:
            late = "images came after the result had been withdrawn; to read them: preread reread"
            studies.note(tx, case.uid, "assemble", "late-images-withdrawn", late, now=self._clock.now())
        studies.set_state(tx, case.uid, Outcome.WITHDRAWN, reason="withdrawn", explanation=words)
        self._release(tx, case.uid)  # what tells others that it was withdrawn

    def _show_as_reported(self, tx: Connection, uid: str) -> None:
        words = identity.stops_of(tx, uid).get(identity.REPORTED, "")
        if words and studies.state_of(tx, uid) in (Outcome.READ, Outcome.ABSTAINED, Outcome.NOT_ANALYSED):
            studies.set_state(tx, uid, studies.REPORTED, reason="report-finished", explanation=words)

    def _still_arriving(self, arrivals: studies.Arrivals) -> timedelta:
        silent_for = self._clock.now() - arrivals.last_received_at
        if timedelta() <= silent_for < self._quiet:  # what came in the future came before somebody set the clock back
            return self._quiet - silent_for
        if arrivals.association_open and silent_for < self._longest:
            return _LOOK_AGAIN
        return timedelta()

    def _needs_attention(self, tx: Connection, uid: str, doubt: Doubt) -> None:
        words = f"{doubt.words}; {_fate(results.with_a_result(tx, uid))} until {_MENDED_BY.get(doubt.code, _BY_HAND)}"
        studies.set_state(tx, uid, studies.NEEDS_ATTENTION, reason=doubt.code, explanation=words)
        held = len(results.change_hold(tx, uid, hold=True))
        back = f"{words}; {held} {'delivery' if held == 1 else 'deliveries'} held back"
        studies.note(tx, uid, "assemble", doubt.code, back, now=self._clock.now())
        self._log.error("study needs attention", study=uid, reason=doubt.code)

    def _nothing_new(self, tx: Connection, uid: str, reading: StoredReading | None) -> None:
        if reading is None:
            studies.set_state(tx, uid, "assembled")
        elif results.lacks_documents(tx, reading.revision_id):
            # What was missing may be there again. The report stage says anew what it could not make.
            enqueue(tx, "report", str(reading.revision_id), now=self._clock.now())
        else:
            studies.set_state(tx, uid, reading.outcome, reason=reading.reason, explanation=reading.explanation)
        studies.note(tx, uid, "assemble", "nothing-new", now=self._clock.now())

    def _release(self, tx: Connection, uid: str) -> None:
        if identity.HELD in identity.stops_of(tx, uid):
            return  # until the person who holds it releases it
        now = self._clock.now()
        for delivery_id, destination in results.change_hold(tx, uid, hold=False):
            enqueue(tx, "deliver", str(delivery_id), lane=destination, now=now)

    def _same_images(self, tx: Connection, case: Case) -> None:
        """No new pixels. Only a correction of patient or order is worth new reports; the reading stands."""
        uid, previous = case.uid, case.previous
        assert previous is not None
        old_use = {image.sop_instance_uid: use for image, use in case.before}
        uses = [replace(old_use[i.sop_instance_uid], instance_id=i.instance_id) for i in case.images]
        about = study_to_json(case.about(uses))
        reading = results.reading_of(tx, previous.id)
        if self._is_beside_anothers(tx, case, Patient(**about["patient"])):
            # Its comparison is with a film that is not this patient's, as is known by now.
            results.supersede_undelivered(
                tx, uid, previous.number + 1, words="compared with another patient's film", now=self._clock.now()
            )
            self._read_anew_or_void(tx, case, uses)
            return
        same_patient = about["patient"] == previous.study["patient"]
        if same_patient and _is_same_order(about["order"], previous.study["order"], is_read=reading is not None):
            self._nothing_new(tx, uid, reading)
        elif reading is None:
            self._new_revision(tx, case)
        elif not same_patient and self._was_for_another(tx, case):
            self._read_anew_or_void(tx, case, uses)
        else:
            now = self._clock.now()
            revision_id = self._write(tx, case, uses)
            priors.copy(tx, previous.id, revision_id)
            notes = _notes(reading, about["order"], previous.study["order"])
            results.add_reading(tx, replace(reading, revision_id=revision_id, completed_at=now, notes=notes))
            studies.set_state(tx, uid, reading.outcome, reason=reading.reason, explanation=reading.explanation)
            studies.note(tx, uid, "assemble", "identity-corrected", f"revision {previous.number + 1}", now=now)
            enqueue(tx, "report", str(revision_id), now=now)

    def _read_anew_or_void(self, tx: Connection, case: Case, uses: Sequence[Use]) -> None:
        """The reading does not hold for this patient. Where its images were let go, nothing takes its place but that it is void:
        waiting for images that nobody sends, it would stand where it was filed."""
        read = {use.instance_id for use in uses if use.used}
        let_go = retention.paths_let_go(tx, case.uid)
        if not any(i.instance_id in read and i.path in let_go for i in case.images):
            self._new_revision(tx, case)
            return
        revision_id, uid = self._write(tx, case, uses), case.uid
        made_by = provenance_to_json(self._build.without_model())
        results.add_reading(
            tx, self._without_reading(revision_id, Outcome.NOT_ANALYSED, "images-let-go", _VOID, made_by)
        )
        studies.set_state(tx, uid, Outcome.NOT_ANALYSED, reason="images-let-go", explanation=_VOID)
        studies.note(tx, uid, "assemble", "images-let-go", _VOID, now=self._clock.now())
        enqueue(tx, "report", str(revision_id), now=self._clock.now())

    def _is_beside_anothers(self, view: Connection, case: Case, patient: Patient) -> bool:
        """Whether the reading was made beside a film that is not this patient's, or is to be made beside it."""
        assert case.previous is not None
        search = priors.search_of(view, case.previous.id)
        if search is None or search.prior is None or search.used is False:
            return False
        prior = search.prior
        if priors.is_anothers(view, prior.study_instance_uid, patient.patient_id, doubtful=False):
            return True
        return is_under_anothers_number(view, case.uid, patient, prior, self._matching.issuer)

    def _was_for_another(self, view: Connection, case: Case) -> bool:
        """Whether the reading was made in view of what is not this patient's: an earlier film, or an age that is read, or is
        not."""
        assert case.previous is not None
        if priors.used_by(view, case.previous.id) is not None:
            return True
        first = {image.sop_instance_uid: use.reason for image, use in case.before}
        chosen = zip(case.facts, select_images(case.facts, self._gate), strict=True)
        return any(
            _AGE & {s.reason, first[f.sop_instance_uid]} and s.reason != first[f.sop_instance_uid] for f, s in chosen
        )

    def _new_revision(self, tx: Connection, case: Case) -> None:
        now, uid, facts, images = self._clock.now(), case.uid, case.facts, case.images
        selections = select_images(facts, self._gate)
        uses = [use_of(i, s) for i, s in zip(images, selections, strict=True)]
        revision_id = self._write(tx, case, uses)
        number = 1 if case.previous is None else case.previous.number + 1
        if any(u.used and u.role == "frontal" for u in uses):
            studies.set_state(tx, uid, "assembled")
            studies.note(tx, uid, "assemble", "assembled", f"revision {number}, {len(images)} images", now=now)
            rank = flags.urgency_of(tx, uid)
            steps = 0 if rank is None else rank.priority.rank
            enqueue(tx, "flag", str(revision_id), priority=steps, now=now)
            self._look_for_prior(tx, revision_id, facts)
            return
        reason, explanation = not_analysed_because(uses)
        made_by = provenance_to_json(self._build.without_model())
        results.add_reading(tx, self._without_reading(revision_id, Outcome.NOT_ANALYSED, reason, explanation, made_by))
        studies.set_state(tx, uid, Outcome.NOT_ANALYSED, reason=reason, explanation=explanation)
        studies.note(tx, uid, "assemble", reason, f"revision {number}: not analysed: {explanation}", now=now)
        enqueue(tx, "report", str(revision_id), now=now)

    def _look_for_prior(self, tx: Connection, revision_id: int, facts: Sequence[InstanceFacts]) -> None:
        """Drawn films of the constancy test are of nobody, and nobody is asked about them."""
        if not self._prior.source or all(f.is_of_constancy_test for f in facts):
            return
        now = self._clock.now()
        priors.begin(tx, revision_id, now + timedelta(seconds=self._prior.deadline_s))
        enqueue(tx, "prior", str(revision_id), now=now)

    def _write(self, tx: Connection, case: Case, uses: Sequence[Use]) -> int:
        previous, images, facts = case.previous, case.images, case.facts
        set_key = hashlib.sha256(
            "\n".join(sorted(f"{i.sop_instance_uid}:{i.digest}" for i in images)).encode()
        ).hexdigest()
        now, uid = self._clock.now(), case.uid
        number = 1 if previous is None else previous.number + 1
        about = study_to_json(case.about(uses))
        if orders := differing_orders(facts):
            studies.note(tx, uid, "assemble", "accession-differs", orders, now=now)
        if previous is not None:
            # What was held back may be about the wrong patient and never leaves; nor does what waits under an identity
            # that has been corrected since.
            corrected = about["patient"] != previous.study["patient"]
            states = results.UNDELIVERED if corrected else ("held",)
            if corrected:  # what was compared with its film was compared with another patient's
                identity.unsettle(tx, priors.compared_with(tx, uid), now=now)
            results.supersede_undelivered(tx, uid, number, states=states, now=now)
        if self._ask_worklist and not all(f.is_of_constancy_test for f in facts):
            enqueue(tx, "worklist", uid, now=now)
        return studies.add_revision(
            tx, study_instance_uid=uid, number=number, set_key=set_key, about=about, uses=uses, now=now
        )

    def _without_reading(
        self, revision_id: int, outcome: Outcome, reason: str, explanation: str, provenance: dict[str, Any]
    ) -> StoredReading:
        return StoredReading(
            revision_id=revision_id,
            outcome=outcome,
            reason=reason,
            explanation=explanation,
            provenance=provenance,
            reply="",
            reasoning="",
            draft="",
            findings=[],
            notes=[],
            seconds=0.0,
            completed_at=self._clock.now(),
        )


def assembly_of(settings: Settings, ledger: Ledger, queue: Queue, clock: Clock) -> Assembly:
    """Assembly as the settings of the site have it."""
    return Assembly(
        ledger,
        queue,
        clock,
        settings.intake,
        settings.gate,
        Build.of(settings.report),
        settings.priors,
        matching=settings.identity,
        ask_worklist=bool(settings.worklist.source),
    )


_AGE = {"too-young", "too-old", "age-unknown"}
_BY_HAND = "a person has said which order it is (preread show names those in question; then: preread match)"
_MENDED_BY = {
    DIFFERS: "the sender has corrected them (then: preread retry)",
    UNREADABLE: "the sender has corrected them, or intake.undeclared_character_set says what is meant where none is declared "
    "(then: preread retry)",
    "patient-unnamed": "the sender has corrected them (then: preread retry), or a person has said whose they are (preread match STUDY "
    "--order ID --patient order, or --patient images)",
    "patient-ambiguous": "a person has said whose they are (preread match STUDY --patient images), or matching.issuer is set",
    "patient-contradicted": "a person has said which is right (preread match STUDY --patient images, or --patient registry)",
}


def _fate(out: Collection[str]) -> str:
    """What becomes of the results of a study in doubt. What left before the doubt came up stays where it is: taking it back
    says to everybody that it was wrong, and that is for a person to say."""
    if not out:
        return "no result is sent"
    who = "1 destination has" if len(out) == 1 else f"{len(out)} destinations have"
    return f"{who}, or may have, a result already (preread withdraw STUDY --reason TEXT takes it back); no other result is sent"


def _is_about_images(doubt: Doubt) -> bool:
    """Whether the images are of two patients, or of nobody that can be named, so that they are not even read."""
    return doubt.code in (DIFFERS, UNREADABLE)


def _is_same_order(now: dict[str, Any], before: dict[str, Any], *, is_read: bool) -> bool:
    """Whether nothing about the order has changed that is worth a new revision: before the reading everything that the model
    or a report is told; after it, where an order was matched, what a result is filed under."""
    if not is_read:
        ignored: tuple[str, ...] = ("match",)
    else:
        ignored = _IMMATERIAL if now["match"] or before["match"] else ("match",)
    return all(now[key] == before.get(key) for key in now if key not in ignored)  # some are newer than the ledger


def _notes(reading: StoredReading, now: dict[str, Any], before: dict[str, Any]) -> list[str]:
    """The remarks of a reading that goes under another order; a clinical question that it did not know is named as such."""
    is_late = reading.outcome == Outcome.READ and now["indication"] != before["indication"] and now["match"]
    return [*reading.notes, *([_LATE_INDICATION] if is_late and _LATE_INDICATION not in reading.notes else [])]


def not_analysed_because(uses: Sequence[Use]) -> tuple[str, str]:
    """Why no frontal image can be read: the images' own reason when they share one, else that there is no usable
    frontal image."""
    reasons = {u.reason for u in uses if not u.used}
    if "lateral-only" in reasons:
        return "lateral-only", "the study has a lateral image but no frontal one that can be read"
    if len(reasons) == 1:
        return next(iter(reasons)), uses[0].explanation
    return "no-readable-frontal", "no image of the study can be read: " + "; ".join(
        sorted({u.explanation for u in uses})
    )
