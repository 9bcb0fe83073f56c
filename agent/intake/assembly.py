"""The assemble stage: is the study complete, whose is it, and which of its images will be read?

A study is complete after the quiet time without a new image and with no association open that brought some of it.
What came before is never
changed: late images make a new revision that supersedes the old one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import structlog
from sqlalchemy import Connection

from agent.clock import Clock
from agent.imaging.facts import InstanceFacts, differing_orders, unreadable_identity
from agent.imaging.views import Selection, select_images
from agent.intake.identity import disagreement, study_of
from agent.reading.build import Build
from agent.settings import Gate, Intake, Priors
from agent.store import priors, results, studies
from agent.store.engine import Ledger
from agent.store.results import StoredReading
from agent.store.studies import Revision, StoredImage, Use
from agent.work.queue import Job, Queue, enqueue
from structured_report.content import Outcome
from structured_report.plain import provenance_to_json, study_to_json

_LOOK_AGAIN = timedelta(seconds=1)


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
        ask_worklist: bool = False,
    ) -> None:
        """Args:
        prior: whether and for how long a study waits for an earlier film to be compared with.
        ask_worklist: whether a modality worklist is asked for the order of every study.
        """
        self._ask_worklist = ask_worklist
        self._ledger, self._queue, self._clock, self._build = ledger, queue, clock, build
        self._prior = prior or Priors()
        self._gate = gate
        self._quiet = timedelta(seconds=intake.quiet_time_s)
        self._longest = timedelta(seconds=max(intake.longest_wait_s, intake.quiet_time_s))
        self._log = structlog.get_logger()

    def __call__(self, job: Job) -> None:
        """Assemble the study whose UID is the job's key, or put the job back until it is complete."""
        uid = job.key
        with self._ledger.read() as view:
            arrivals = studies.arrivals_of(view, uid)
            images = studies.images_of(view, uid)
            previous = studies.newest_revision(view, uid)
            before = () if previous is None else studies.images_of_revision(view, previous.id)
        if wait := self._still_arriving(arrivals):
            with self._ledger.begin() as tx:
                self._queue.postpone(tx, job, self._clock.now() + wait)
            return
        facts = [InstanceFacts.from_json(i.facts) for i in images]
        with self._ledger.begin() as tx:
            if (doubt := doubt_about_patient(facts)) is not None:
                self._needs_attention(tx, uid, *doubt)
            elif previous is None or not _same_instances(before, images):
                self._new_revision(tx, uid, previous, images, facts)
            else:
                self._same_images(tx, previous, before, images, facts)
            self._queue.complete(tx, job)

    def read_again(self, tx: Connection, uid: str) -> bool:
        """Make a new revision of the same images, to be read anew; returns False when they cannot be read, or must not."""
        images = studies.images_of(tx, uid)
        previous = studies.newest_revision(tx, uid)
        facts = [InstanceFacts.from_json(i.facts) for i in images]
        if previous is None or doubt_about_patient(facts) or not any(s.used for s in select_images(facts, self._gate)):
            return False
        self._new_revision(tx, uid, previous, images, facts)
        return True

    def _still_arriving(self, arrivals: studies.Arrivals) -> timedelta:
        silent_for = self._clock.now() - arrivals.last_received_at
        if timedelta() <= silent_for < self._quiet:  # what came in the future came before somebody set the clock back
            return self._quiet - silent_for
        if arrivals.association_open and silent_for < self._longest:
            return _LOOK_AGAIN
        return timedelta()

    def _needs_attention(self, tx: Connection, uid: str, reason: str, words: str) -> None:
        studies.set_state(tx, uid, studies.NEEDS_ATTENTION, reason=reason, explanation=words)
        held = results.change_hold(tx, uid, hold=True)
        studies.note(tx, uid, "assemble", reason, f"{words}; {len(held)} deliveries held back", now=self._clock.now())
        self._log.error("study needs attention", study=uid, reason=reason)

    def _nothing_new(self, tx: Connection, uid: str, reading: StoredReading | None) -> None:
        if reading is None:
            studies.set_state(tx, uid, "assembled")
        elif results.lacks_documents(tx, reading.revision_id):
            # What was missing may be there again. The report stage says anew what it could not make.
            enqueue(tx, "report", str(reading.revision_id), now=self._clock.now())
        else:
            studies.set_state(tx, uid, reading.outcome, reason=reading.reason, explanation=reading.explanation)
        self._release(tx, uid)
        studies.note(tx, uid, "assemble", "nothing-new", now=self._clock.now())

    def _release(self, tx: Connection, uid: str) -> None:
        now = self._clock.now()
        for delivery_id, destination in results.change_hold(tx, uid, hold=False):
            enqueue(tx, "deliver", str(delivery_id), lane=destination, now=now)

    def _same_images(
        self,
        tx: Connection,
        previous: Revision,
        before: Sequence[tuple[StoredImage, Use]],
        images: Sequence[StoredImage],
        facts: Sequence[InstanceFacts],
    ) -> None:
        """No new pixels. Only a correction of patient or order by the sender is worth new reports; the reading
        stands."""
        uid = previous.study_instance_uid
        old_use = {image.sop_instance_uid: use for image, use in before}
        uses = [replace(old_use[i.sop_instance_uid], instance_id=i.instance_id) for i in images]
        about = study_to_json(study_of(first_read_first(facts, uses)))
        reading = results.reading_of(tx, previous.id)
        if all(about[key] == previous.study[key] for key in ("patient", "order")):
            self._nothing_new(tx, uid, reading)
        elif reading is None or (
            about["patient"] != previous.study["patient"] and priors.used_by(tx, previous.id) is not None
        ):
            # Also when the film that it was compared with is of the patient that it is not of.
            self._new_revision(tx, uid, previous, images, facts)
        else:
            now = self._clock.now()
            revision_id = self._write(tx, previous, images, facts, uses)
            priors.copy(tx, previous.id, revision_id)
            results.add_reading(tx, replace(reading, revision_id=revision_id, completed_at=now))
            studies.set_state(tx, uid, reading.outcome, reason=reading.reason, explanation=reading.explanation)
            studies.note(tx, uid, "assemble", "identity-corrected", f"revision {previous.number + 1}", now=now)
            enqueue(tx, "report", str(revision_id), now=now)

    def _new_revision(
        self,
        tx: Connection,
        uid: str,
        previous: Revision | None,
        images: Sequence[StoredImage],
        facts: Sequence[InstanceFacts],
    ) -> None:
        now = self._clock.now()
        selections = select_images(facts, self._gate)
        uses = [use_of(i, s) for i, s in zip(images, selections, strict=True)]
        revision_id = self._write(tx, previous, images, facts, uses)
        number = 1 if previous is None else previous.number + 1
        if any(u.used and u.role == "frontal" for u in uses):
            studies.set_state(tx, uid, "assembled")
            studies.note(tx, uid, "assemble", "assembled", f"revision {number}, {len(images)} images", now=now)
            enqueue(tx, "flag", str(revision_id), now=now)
            self._look_for_prior(tx, revision_id, facts)
            return
        reason, explanation = not_analysed_because(uses)
        results.add_reading(tx, self._unread(revision_id, reason, explanation))
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

    def _write(
        self,
        tx: Connection,
        previous: Revision | None,
        images: Sequence[StoredImage],
        facts: Sequence[InstanceFacts],
        uses: Sequence[Use],
    ) -> int:
        set_key = hashlib.sha256(
            "\n".join(sorted(f"{i.sop_instance_uid}:{i.digest}" for i in images)).encode()
        ).hexdigest()
        now, uid = self._clock.now(), facts[0].study_instance_uid
        number = 1 if previous is None else previous.number + 1
        about = study_to_json(study_of(first_read_first(facts, uses)))
        if orders := differing_orders(facts):
            studies.note(tx, uid, "assemble", "accession-differs", orders, now=now)
        if previous is not None:
            # What was held back may be about the wrong patient and never leaves; nor does what waits under an identity
            # that has been corrected since.
            corrected = about["patient"] != previous.study["patient"]
            states = results.UNDELIVERED if corrected else ("held",)
            results.supersede_undelivered(tx, uid, number, states=states, now=now)
        if self._ask_worklist and not all(f.is_of_constancy_test for f in facts):
            enqueue(tx, "worklist", uid, now=now)
        return studies.add_revision(
            tx, study_instance_uid=uid, number=number, set_key=set_key, about=about, uses=uses, now=now
        )

    def _unread(self, revision_id: int, reason: str, explanation: str) -> StoredReading:
        return StoredReading(
            revision_id=revision_id,
            outcome=Outcome.NOT_ANALYSED,
            reason=reason,
            explanation=explanation,
            provenance=provenance_to_json(self._build.without_model()),
            reply="",
            reasoning="",
            draft="",
            findings=[],
            notes=[],
            seconds=0.0,
            completed_at=self._clock.now(),
        )


def doubt_about_patient(facts: Sequence[InstanceFacts]) -> tuple[str, str] | None:
    """Why nothing may be sent about images: a stable code, and the same in words for the administrator."""
    if unreadable := unreadable_identity(facts):
        words = (
            f"{unreadable} cannot be read, because it is not in the character set that the images declare; no result is sent "
            "until the sender has corrected them, or intake.undeclared_character_set says what is meant where none is declared "
            "(then: preread retry)"
        )
        return "character-set", words
    if differing := disagreement(facts):
        words = (
            f"the images of this study differ in {differing}; no result is sent until the sender has corrected them "
            "(then: preread retry)"
        )
        return "patient-differs", words
    return None


def _same_instances(before: Sequence[tuple[StoredImage, Use]], images: Sequence[StoredImage]) -> bool:
    return {i.sop_instance_uid for i, _ in before} == {i.sop_instance_uid for i in images}


def first_read_first(facts: Sequence[InstanceFacts], uses: Sequence[Use]) -> list[InstanceFacts]:
    """The images in the order in which they decide about the study's identity: the frontal that is read first."""
    order = sorted(range(len(uses)), key=lambda n: (not uses[n].used, uses[n].role != "frontal", n))
    return [facts[n] for n in order]


def use_of(image: StoredImage, selection: Selection) -> Use:
    """What the selection means for a stored image."""
    return Use(image.instance_id, selection.used, selection.role, selection.reason, selection.explanation)


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
