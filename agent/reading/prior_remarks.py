"""What a result says of the earlier film that it was compared with, or why it was compared with none."""

from __future__ import annotations

from agent.imaging.facts import InstanceFacts
from agent.reading.read import Read
from agent.store.priors import PriorImage, Search
from structured_report.content import Outcome

_HERE = "self"


def about_prior(search: Search, read: Read, *, compared: bool) -> tuple[str, ...]:
    """Remarks for the reader.

    Args:
        compared: whether the model was shown the earlier film.
    """
    if search.prior is None:
        late = "no comparison with an earlier film: none could be had before the deadline (priors.deadline_s)"
        return search.remarks or (late,)
    film = f"the frontal film of {_day(search.prior)}{_from(search.prior)}"
    if read.outcome is not Outcome.READ or not compared:
        return (*search.remarks, f"not compared with {film}")
    if not read.comparison:
        words = (
            f"{film} was shown to the model, and what it said of the difference cannot be used: its answer was cut off"
        )
        return (*search.remarks, words)
    return (*search.remarks, f"compared with {film}")


def _day(prior: PriorImage) -> str:
    day = InstanceFacts.from_json(prior.facts).study_date
    return f"{day[:4]}-{day[4:6]}-{day[6:8]}" if len(day) == 8 else "an unknown date"


def _from(prior: PriorImage) -> str:
    return "" if prior.source == _HERE else f" from {prior.source}"
