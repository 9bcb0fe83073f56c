"""The documents beside the Structured Report: summary picture, presentation states, and the report in plain words.

Their UIDs are a function of the report's, which is one of everything that is said: a re-run makes the same objects.

A pre-read that was withdrawn has them too. Who sees no Structured Report would otherwise keep the picture and never learn that it
is void. A presentation state without boxes is made only where an earlier one has left, to say that its boxes hold no longer:
else it would do nothing but lay a banner over a film.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pydicom import Dataset

from agent.imaging.render import Rendered
from agent.reading.build import derived_uid
from structured_report.content import Outcome, PreRead
from structured_report.document import file_bytes
from structured_report.identity import Place
from structured_report.picture import Film
from structured_report.plain_sr import encode_plain_sr
from structured_report.presentation import encode_presentation_state, images_with_boxes
from structured_report.secondary_capture import encode_picture
from structured_report.sr import SERIES_DESCRIPTION

KINDS = ("sc", "gsps", "plain-sr")
MISSING = {
    "sc": ("sc-not-made", "no summary picture could be made of this study"),
    "gsps": ("gsps-not-made", "no presentation state could be made of this study"),
    "plain-sr": ("plain-sr-not-made", "no report in plain words could be made from the headers of this study"),
}
_SERIES_NUMBER = {"sc": 9002, "gsps": 9003, "plain-sr": 9004}

Render = Callable[[str], Rendered]


def make(
    kind: str, preread: PreRead, headers: Sequence[Dataset], render: Render, earlier: str | None
) -> list[tuple[str, bytes]]:
    """(SOP Instance UID, bytes of the file) of every document of that kind; none, where there is nothing to show.

    Args:
        headers: of the study's images.
        render: an image, by its SOP Instance UID, as it was read.
        earlier: SOP Instance UID of the newest earlier document of that kind that has left, or may have.

    Raises:
        Permanent: an image that was read cannot be rendered any more.
        Transient: nothing can be rendered at the moment.
    """
    if kind == "sc":
        place = _place(kind, preread)
        return [_file(encode_picture(preread, headers, _films(preread, render), place), place)]
    if kind == "gsps":
        return _states(preread, headers, render, earlier)
    place = _place(kind, preread)
    predecessor = (_series(kind, earlier), earlier) if earlier else None
    return [_file(encode_plain_sr(preread, headers, place, predecessor=predecessor), place)]


def _states(
    preread: PreRead, headers: Sequence[Dataset], render: Render, earlier: str | None
) -> list[tuple[str, bytes]]:
    shown = images_with_boxes(preread, headers)
    if not shown and earlier:
        shown = [use.sop_instance_uid for use in preread.images if use.used and use.role == "frontal"]
    by_uid = {str(h.SOPInstanceUID): h for h in headers}
    made = []
    for number, uid in enumerate(shown, start=1):
        place = _place("gsps", preread, uid)
        state = encode_presentation_state(preread, by_uid[uid], place, number=number, window=render(uid).window)
        made.append(_file(state, place))
    return made


def _films(preread: PreRead, render: Render) -> list[Film]:
    if preread.outcome is not Outcome.READ:
        return []
    films = []
    for use in preread.images:
        if use.used:
            seen = render(use.sop_instance_uid)
            films.append(
                Film(
                    use.sop_class_uid,
                    use.sop_instance_uid,
                    use.role,
                    seen.picture,
                    seen.transform.from_stored(),
                    seen.notes,
                )
            )
    return sorted(films, key=lambda film: film.role != "frontal")


def _place(kind: str, preread: PreRead, *about: str) -> Place:
    uid = derived_uid(kind, preread.sr_instance_uid, *about)
    series = _series(kind, derived_uid(kind, preread.sr_instance_uid))
    return Place(series, uid, SERIES_DESCRIPTION, _SERIES_NUMBER[kind])


def _series(kind: str, uid: str) -> str:
    return derived_uid(f"{kind}-series", uid)


def _file(made: Dataset, place: Place) -> tuple[str, bytes]:
    return place.sop_instance_uid, file_bytes(made)
