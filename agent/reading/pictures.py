"""From the images that assembly chose to the pictures the model sees: what cannot be rendered, or turns out to be no
chest film to read, is left out with its reason, and the next best image of the same view takes its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from agent.errors import Permanent
from agent.imaging.quality import judge
from agent.imaging.render import Rendered, render_file
from agent.imaging.views import FRONTAL, LATERAL, spare_role
from agent.settings import Gate


@dataclass(frozen=True, slots=True)
class Candidate:
    """An image that may be read. `key` names it to the caller; a `spare` one is only read when a better one of its role
    cannot be."""

    key: int
    path: Path
    role: str
    spare: bool


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one image, where that is not what assembly had chosen for it. `role` is the view it was read as, or the
    view it was to be read as and could not be; empty where it was never to be read."""

    key: int
    used: bool
    role: str
    reason: str
    explanation: str


@dataclass(frozen=True, slots=True)
class Prepared:
    """The pictures in the order in which the model is shown them, frontal first, and what there is to say about them.

    Attributes:
        keys: of each picture, the candidate it was made from.
        prior: a frontal picture of an earlier study of the patient, where there is one.
        notes: remarks for the reader.
        problem: why there is no frontal picture, as (code, words); None when there is one.
    """

    pictures: tuple[Rendered, ...]
    keys: tuple[int, ...]
    changes: tuple[Change, ...]
    notes: tuple[str, ...]
    problem: tuple[str, str] | None
    prior: Rendered | None = None

    @classmethod
    def declined(cls, code: str, words: str) -> Prepared:
        """Nothing was rendered, for that reason."""
        return cls((), (), (), (), (code, words))

    def noting(self, words: str) -> Prepared:
        """With one more remark."""
        return replace(self, notes=(*self.notes, words))


def candidate(key: int, path: Path, *, used: bool, role: str, reason: str) -> Candidate | None:
    """The candidate that an image is after assembly; None when it is not to be read at all."""
    if used:
        return Candidate(key, path, role, spare=False)
    other = spare_role(reason)
    return Candidate(key, path, other, spare=True) if other else None


def prepare(candidates: Sequence[Candidate], gate: Gate) -> Prepared:
    """Render one picture of each role that passes the gate.

    Raises:
        Transient: the decoder cannot be started at the moment.
    """
    pictures: list[Rendered] = []
    keys: list[int] = []
    changes: list[Change] = []
    notes: list[str] = []
    problem: tuple[str, str] | None = None
    for role in (FRONTAL, LATERAL):
        ranked = sorted((c for c in candidates if c.role == role), key=lambda c: c.spare)
        found, failed = _first_to_read(ranked, gate)
        changes += failed
        if found is not None:
            taken, picture = found
            pictures.append(picture)
            keys.append(taken.key)
            notes += [f"{role} image: {note}" for note in picture.notes]
            if taken.spare:
                words = f"{role}; read because a later {role} image cannot be ({failed[0].reason})"
                changes.append(Change(taken.key, True, role, f"used-{role}", words))
        elif role == FRONTAL:
            problem = (
                (failed[0].reason, failed[0].explanation) if failed else ("lateral-only", "there is no frontal image")
            )
            break
    if problem is not None:
        changes += [
            Change(c.key, False, "", "lateral-only", "a lateral image is not read without a frontal one")
            for c in candidates
            if c.role == LATERAL and not c.spare
        ]
    return Prepared(tuple(pictures), tuple(keys), tuple(changes), tuple(notes), problem)


def with_prior(prepared: Prepared, path: Path, gate: Gate) -> Prepared:
    """With the picture of an earlier film as well.

    Raises:
        Permanent: that one cannot be rendered, or is no frontal chest film to look at.
        Transient: the decoder cannot be started at the moment.
    """
    return replace(prepared, prior=passed(render_file(path), FRONTAL, gate))


def _first_to_read(ranked: Sequence[Candidate], gate: Gate) -> tuple[tuple[Candidate, Rendered] | None, list[Change]]:
    """The first candidate that can be rendered and read, and what is wrong with those before it."""
    failed: list[Change] = []
    for one in ranked:
        try:
            return (one, passed(render_file(one.path), one.role, gate)), failed
        except Permanent as error:
            words = f"the {one.role} image cannot be read: {error}"
            failed.append(Change(one.key, False, one.role, error.code, words))
    return None, failed


def passed(rendered: Rendered, role: str, gate: Gate) -> Rendered:
    """The picture with the gate's remarks among its notes. Raises `Permanent` for one that must not be read."""
    if not gate.pixels:
        return rendered
    quality = judge(rendered.picture, role)
    problem, remarks = quality.problem, quality.remarks
    if quality.wrong_view is not None:
        if gate.wrong_view == "decline":
            problem = problem or quality.wrong_view
        remarks = (*remarks, quality.wrong_view[1])
    if problem is not None:
        raise Permanent(problem[1], code=problem[0])
    return replace(rendered, notes=(*rendered.notes, *remarks))
