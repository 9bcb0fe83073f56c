"""The studies the model has in front of it: rendered and encoded once for the flag and the reading that follows."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from agent.reading.pictures import Prepared
from agent.reading.study_session import OpenStudy

KEPT = 4  # pictures and keys and values of one study take some tens of megabytes


class OpenStudies:
    """By revision id, the last few. For the one thread that owns the model."""

    def __init__(self, open_study: Callable[[Prepared], OpenStudy], *, kept: int = KEPT) -> None:
        self._open, self._kept = open_study, kept
        self._studies: OrderedDict[int, OpenStudy] = OrderedDict()
        self._in_use: list[int] = []

    @contextmanager
    def using(self, revision_id: int, prepare: Callable[[], Prepared]) -> Iterator[OpenStudy | Prepared]:
        """The study of that revision, as it was left or opened now; what was prepared when it has no frontal picture.

        Raises:
            PrereadError: it cannot be prepared or opened; and whatever the block raises, after which the study is closed.
        """
        study = self._studies.pop(revision_id, None)
        if study is None:
            prepared = prepare()
            if prepared.problem is not None:
                yield prepared
                return
            study = self._open(prepared)
        self._studies[revision_id] = study
        self._in_use.append(revision_id)
        try:
            yield study
        except BaseException:
            self.forget(revision_id)
            raise
        finally:
            self._in_use.remove(revision_id)
            self._close_oldest()

    def forget(self, revision_id: int) -> None:
        """Close the study of that revision."""
        study = self._studies.pop(revision_id, None)
        if study is not None:
            study.close()

    def close(self) -> None:
        """Close them all."""
        for revision_id in list(self._studies):
            self.forget(revision_id)

    def _close_oldest(self) -> None:
        idle = [r for r in self._studies if r not in self._in_use]
        for revision_id in idle[: max(0, len(idle) - self._kept)]:
            self.forget(revision_id)
