"""Whether a rendered picture is a chest film that may be read: the header may say CHEST and be wrong.

What is declined is near certain; what is doubtful is a remark. docs/gate.md says how often each is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from agent.imaging.gate_net import Seen, see
from agent.imaging.views import FRONTAL, LATERAL
from agent.model.protocol import Picture

Problem = tuple[str, str]  # a stable code, and the same in words

# How sure the network is, 0 to 1, that the picture is an upright chest in its right polarity. Below the first it is not
# read; below the second the reader is told.
READ_FROM, SURE_FROM = 0.6, 0.95
# The network has seen laterals of one person only, so more is needed against one; and a study that loses its lateral is
# still read.
LATERAL_READ_FROM = 0.1
HALVED_DECLINE, HALVED_REMARK = 0.95, 0.4
WRONG_VIEW = 0.97

_BLACK, _WHITE = 2, 253  # at or beyond: nothing can be seen there any more
_LEAST_SPREAD = 12  # gray levels between the 5th and the 95th percentile of what is neither black nor white
_LEAST_SHOWN = 0.04  # share of pixels that are neither
_CLIPPED_DECLINE, _CLIPPED_REMARK = 0.5, 0.2  # share of the picture's middle
_LOOKED_AT = 256  # rows and columns at most; more detail tells nothing about exposure


@dataclass(frozen=True, slots=True)
class Quality:
    """What is to be said about a picture.

    Attributes:
        problem: why it must not be read, as (code, words); None when it may.
        remarks: for the reader.
        wrong_view: the picture looks like the other view than its header says, as (code, words); whether that is a
            problem or a remark is for the site to say.
    """

    problem: Problem | None
    remarks: tuple[str, ...] = ()
    wrong_view: Problem | None = None


def judge(picture: Picture, role: str) -> Quality:
    """Judge a picture, shape (rows, columns), uint8, upright as rendered, that the header calls ``frontal`` or
    ``lateral``."""
    shown = _reduced(picture)
    if (unseen := _exposure(shown)) is not None:
        return Quality(unseen)
    judged = judge_seen(see(picture), role)
    share = _clipped_share(shown)
    if judged.problem is None and share > _CLIPPED_DECLINE:
        return Quality(("clipped", "most of the chest is black or white: what is there cannot be seen"))
    if judged.problem is None and share > _CLIPPED_REMARK:
        return replace(judged, remarks=(*judged.remarks, "much of the chest is black or white"))
    return judged


def judge_seen(seen: Seen, role: str) -> Quality:
    """What follows from what the network saw."""
    if (sure := _sureness(seen)) < (LATERAL_READ_FROM if role == LATERAL else READ_FROM):
        return Quality(_why_not(seen))
    if seen.halved > HALVED_DECLINE:
        return Quality(("cut-off", "a large part of the chest is outside the picture"))
    doubts = (
        (sure < SURE_FROM, "the picture may not be an upright chest radiograph"),
        (seen.halved > HALVED_REMARK, "part of the chest may be outside the picture"),
    )
    return Quality(None, tuple(words for doubtful, words in doubts if doubtful), _wrong_view(seen, role))


def _sureness(seen: Seen) -> float:
    return (1 - seen.no_chest) * seen.upright * (1 - seen.inverted)


def _why_not(seen: Seen) -> Problem:
    """What is most likely wrong. A picture that is no chest has no way up, so that comes first."""
    if seen.no_chest <= 0.5:
        if seen.inverted > 0.5:
            return "inverted", "black and white are exchanged: the lungs are brighter than the body"
        if seen.upside_down > 0.5:
            return "upside-down", "the picture is upside down"
        if seen.turned > 0.5:
            return "turned", "the picture lies on its side"
    return "not-a-chest", "the picture does not look like a chest radiograph"


def _reduced(picture: Picture) -> Picture:
    """A smaller picture with the same gray levels: every so many pixels, not means, which would hide what is clipped."""
    step = max(1, max(picture.shape) // _LOOKED_AT)
    return picture[::step, ::step]


def _exposure(shown: Picture) -> Problem | None:
    between = shown[(shown > _BLACK) & (shown < _WHITE)]
    if between.size < _LEAST_SHOWN * shown.size:
        return "exposure", "almost all of the picture is black or white"
    low, high = np.percentile(between, [5, 95])
    if high - low < _LEAST_SPREAD:
        return "exposure", "the picture has almost no contrast"
    return None


def _clipped_share(shown: Picture) -> float:
    """Of the middle of what was exposed, the share that is black or white. Collimated borders do not count."""
    rows, columns = (np.nonzero(((shown > _BLACK) & (shown < _WHITE)).mean(axis) > 0.05)[0] for axis in (1, 0))
    if not rows.size or not columns.size:
        return 1.0
    height, width = rows[-1] + 1 - rows[0], columns[-1] + 1 - columns[0]
    middle = shown[
        rows[0] + height // 5 : rows[0] + height - height // 5,
        columns[0] + width // 5 : columns[0] + width - width // 5,
    ]
    return float(np.mean((middle <= _BLACK) | (middle >= _WHITE))) if middle.size else 1.0


def _wrong_view(seen: Seen, role: str) -> Problem | None:
    if role == FRONTAL and seen.lateral > WRONG_VIEW:
        return "view-looks-lateral", "the picture looks lateral, and its header calls it frontal"
    if role == LATERAL and seen.frontal > WRONG_VIEW:
        return "view-looks-frontal", "the picture looks frontal, and its header calls it lateral"
    return None
