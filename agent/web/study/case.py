"""Everything that the page of one study shows, read in one view of the ledger."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from agent.imaging.facts import InstanceFacts
from agent.reporting.compose import compose
from agent.store import flags, identity, orders, overview, priors, results, reviews, revisions, studies
from agent.store.flags import StoredFlag, StoredReply, Urgency
from agent.store.overview import StudyLine
from agent.store.priors import PriorImage, Search
from agent.store.results import StoredReading
from agent.store.revisions import RevisionLine
from agent.store.studies import Revision, StoredImage, Use
from structured_report.content import PreRead

__all__ = ["PRIOR", "Case", "Film", "case_of", "film_of", "standing_of", "why_missing"]
PRIOR = "prior"
_UNSEEN = Use(0, False, "", "", "")


@dataclass(frozen=True, slots=True)
class Film:
    """An image that can be looked at: of the study, or the earlier one. `role`: frontal, lateral, prior, or empty where it is not
    read."""

    sop_instance_uid: str
    study_instance_uid: str
    path: str
    data_set_offset: int
    digest: str
    facts: InstanceFacts
    use: Use
    role: str


@dataclass(frozen=True, slots=True)
class Case:
    """One revision of a study.

    Attributes:
        line: where the study stands.
        revision: None while no set of images has been settled; the images are then those that have come so far.
        said: what is reported about it; None until it is read.
        stops: why results are not sent as ever, in words, by kind.
    """

    line: StudyLine
    revision: Revision | None
    revisions: tuple[RevisionLine, ...]
    films: tuple[Film, ...]
    said: PreRead | None
    reading: StoredReading | None
    flag: StoredFlag | None
    urgency: Urgency | None
    search: Search | None
    replies: tuple[StoredReply, ...]
    stops: dict[str, str]

    @property
    def own_films(self) -> tuple[Film, ...]:
        """The images of the study itself: what it is called and when it was made comes from these."""
        return tuple(f for f in self.films if f.role != PRIOR)

    @property
    def priors(self) -> tuple[Film, ...]:
        """The earlier image that was found for it."""
        return tuple(f for f in self.films if f.role == PRIOR)

    @property
    def is_newest(self) -> bool:
        """Whether no newer revision has taken its place."""
        return self.revision is None or self.revision.number == self.line.revision

    @property
    def patient_id(self) -> str:
        """As it was reported, or as the images say; empty when nobody says."""
        if self.revision is not None:
            return str(self.revision.study["patient"]["patient_id"])
        own = self.own_films
        return own[0].facts.patient_id if own else ""


def case_of(view: Connection, uid: str, number: int | None = None) -> Case | None:
    """That revision of the study, or the newest; None when there is none such."""
    if not revisions.known(view, uid):
        return None
    (line,) = overview.studies(view, only=[uid])
    if number is None:
        revision = studies.newest_revision(view, uid)
    elif (revision := revisions.numbered(view, uid, number)) is None:
        return None
    images = _images(view, uid, revision)
    reading = flag = search = None
    replies: tuple[StoredReply, ...] = ()
    if revision is not None:
        reading, flag = results.reading_of(view, revision.id), flags.flag_of(view, revision.id)
        search, replies = priors.search_of(view, revision.id), flags.replies_of(view, revision.id)
    prior = None if search is None else search.prior
    said = None
    if revision is not None and reading is not None:
        compared = prior if search is not None and search.used else None
        said = compose(revision, images, reading, None, flag, compared)
    return Case(
        line, revision, revisions.of_study(view, uid), _films(images, prior), said, reading, flag,
        flags.urgency_of(view, uid), search, replies, identity.stops_of(view, uid),
    )  # fmt: skip


def why_missing(view: Connection, uid: str) -> str:
    """The code of a refusal where there is no case: the study is not here, or has no such revision."""
    return "not-found" if revisions.known(view, uid) else "no-such-study"


def standing_of(view: Connection, line: StudyLine, reader: str) -> str:
    """Newest revision, state and finished report of a study, and what others than the reader have said of its draft, in one word to
    compare: what makes a page that shows it out of date."""
    uid = line.study_instance_uid
    others = reviews.newest_of_others(view, uid, line.revision, reader)
    return f"{line.revision}-{line.state}-{orders.newest_report(view, uid)}-{others}"


def film_of(view: Connection, uid: str, sop_instance_uid: str, number: int | None = None) -> Film | None:
    """One image of that revision of the study, or the earlier one that was found for it; None when it is of neither."""
    revision = studies.newest_revision(view, uid) if number is None else revisions.numbered(view, uid, number)
    if number is not None and revision is None:
        return None
    search = None if revision is None else priors.search_of(view, revision.id)
    films = _films(_images(view, uid, revision), None if search is None else search.prior)
    return next((f for f in films if f.sop_instance_uid == sop_instance_uid), None)


def _images(view: Connection, uid: str, revision: Revision | None) -> tuple[tuple[StoredImage, Use], ...]:
    if revision is None:
        return tuple((image, _UNSEEN) for image in studies.images_of(view, uid))
    return studies.images_of_revision(view, revision.id)


_ORDER = ("frontal", "lateral", "", PRIOR)  # the study itself before the earlier one, even where none of it can be read


def _films(images: tuple[tuple[StoredImage, Use], ...], prior: PriorImage | None) -> tuple[Film, ...]:
    """Frontal, lateral, what is not read, then the prior."""
    films = [_film(image, use) for image, use in images]
    if prior is not None:
        films.append(_prior_film(prior))
    return tuple(sorted(films, key=lambda f: _ORDER.index(f.role)))


def _film(image: StoredImage, use: Use) -> Film:
    facts = InstanceFacts.from_json(image.facts)
    role = use.role if use.used else ""
    return Film(
        image.sop_instance_uid, facts.study_instance_uid, image.path, image.data_set_offset, image.digest, facts, use, role
    )  # fmt: skip


def _prior_film(prior: PriorImage) -> Film:
    return Film(
        prior.sop_instance_uid, prior.study_instance_uid, prior.path, prior.data_set_offset, prior.digest,
        InstanceFacts.from_json(prior.facts), _UNSEEN, PRIOR,
    )  # fmt: skip
