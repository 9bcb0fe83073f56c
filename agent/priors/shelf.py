"""Where fetched films are kept: beside the images that were sent to be read, and never among them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agent.errors import Permanent
from agent.imaging.facts import InstanceFacts
from agent.imaging.headers import locate_data_set
from agent.intake.inspect import Refused, inspect
from agent.store import priors
from agent.store.engine import Ledger
from agent.store.files import FileStore, digest_from
from agent.store.priors import PriorImage
from dicom_nodes.contexts import TRANSFER_SYNTAXES
from dicom_nodes.retrieve import ImageAddress

_KNOWN = {t.uid for t in TRANSFER_SYNTAXES}


class Unsuitable(Exception):
    """What came is not the image that was asked for, or no image that can be read. In words without patient data."""


class Shelf:
    """Takes in the files of priors, and lets go of those that turn out to be of no use."""

    def __init__(self, ledger: Ledger, files: FileStore, *, undeclared: str = "") -> None:
        """Args:
        undeclared: the character set that is meant where an image declares none.
        """
        self._ledger, self._files, self._undeclared = ledger, files, undeclared

    def tidy(self) -> None:
        """Forget what an earlier process was in the middle of fetching."""
        self._files.clear_priors()

    @contextmanager
    def room(self) -> Iterator[Path]:
        """A path to fetch a file to; nothing is left there afterwards.

        Raises:
            Unsuitable: the disk is full up to its reserve, which is for images that are sent to be read.
        """
        if not self._files.has_room():
            raise Unsuitable("there is no room on the disk for it")
        path = self._files.new_prior()
        try:
            yield path
        finally:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)

    def take(self, received: Path, address: ImageAddress, source: str) -> PriorImage:
        """Keep a fetched file, after the same checks that an image passes which is sent.

        Raises:
            Unsuitable: it is not whole, not an image, or not the one that was asked for.
            Transient: it cannot be kept at the moment.
        """
        try:
            place = locate_data_set(received)
            if place.transfer_syntax_uid not in _KNOWN:
                raise Unsuitable("it came in a transfer syntax that is not read here")
            facts = inspect(
                received,
                place.offset,
                place.transfer_syntax_uid,
                sop_instance_uid=address.sop_instance_uid,
                undeclared=self._undeclared,
            )
        except Refused as error:
            raise Unsuitable(f"{error.comment} [{error.reason}]") from error
        except Permanent as error:
            raise Unsuitable("it is not a DICOM file [not-dicom]") from error
        if facts.study_instance_uid != address.study_instance_uid:
            raise Unsuitable("it is of another study than it was offered as")
        digest = digest_from(received, place.offset)
        path = self._files.keep_prior(received, sop_instance_uid=facts.sop_instance_uid, digest=digest)
        return PriorImage(
            sop_instance_uid=facts.sop_instance_uid,
            study_instance_uid=facts.study_instance_uid,
            series_instance_uid=facts.series_instance_uid,
            sop_class_uid=facts.sop_class_uid,
            transfer_syntax_uid=place.transfer_syntax_uid,
            digest=digest,
            data_set_offset=place.offset,
            path=path,
            facts=facts.to_json(),
            source=source,
        )

    def let_go(self, prior: PriorImage) -> None:
        """It is of no use: its file goes, unless another search has need of it."""
        with self._ledger.begin() as tx:
            if priors.drop(tx, prior):
                with contextlib.suppress(OSError):
                    self._files.path(prior.path).unlink(missing_ok=True)


def facts_of(prior: PriorImage) -> InstanceFacts:
    """What the header of a prior says."""
    return InstanceFacts.from_json(prior.facts)
