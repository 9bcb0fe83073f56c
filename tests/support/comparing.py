"""A line that looks for earlier films: the stages of `tests.support.stages`, and who is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydicom import Dataset

from agent.clock import SystemClock
from agent.commissioning.films import make_study
from agent.demo.ris import DemoRis
from agent.model.protocol import Model
from agent.priors.search import PriorSearch
from agent.priors.shelf import Shelf
from agent.priors.source import source_of
from agent.priors.stage import PriorStage
from agent.store import overview, priors, results, studies
from agent.store.priors import PriorImage, Search
from agent.store.results import StoredReading
from tests.support.node import Node
from tests.support.stages import Line

NAME = "Doe^Jane"


def film(
    kind: str = "left-effusion",
    *,
    day: str = "20260103",
    patient_id: str = "P1",
    name: str = NAME,
    seed: int = 1,
    views: tuple[str, ...] = ("PA",),
    **attributes: Any,
) -> list[Dataset]:
    """The films of a study on that day; attributes override."""
    made = make_study(kind, seed=seed, patient_id=patient_id, accession=f"A{day}", views=views)
    for image in made:
        image.PatientName = name
        image.StudyDate = image.SeriesDate = image.AcquisitionDate = image.ContentDate = day
        for keyword, value in attributes.items():
            setattr(image, keyword, value)
    return made


class Comparing(Line):
    """A line whose assembly has a prior looked for.

    Args:
        source: the peer or service that is asked: a row of [[peers]] or of [[dicomweb]].
    """

    def __init__(
        self,
        folder: Path,
        model: Model,
        ris: DemoRis,
        source: dict[str, Any] | None = None,
        *,
        port: int = 0,
        **settings: Any,
    ) -> None:
        source = source or {}
        if "host" in source:
            source = {"port": 104, **source}
        table = {"dicomweb" if "url" in source else "peers": [source] if source else []}
        wanted = {"from": source.get("name", "self"), "deadline_s": 600.0, **settings}
        node = Node(folder, quiet_time_s=0.0, port=port, priors=wanted, **table)
        super().__init__(node, model, ris.port)
        ledger, s, clock = node.ledger, self.settings, SystemClock()
        self.clock = clock
        self.shelf = Shelf(ledger, node.files)
        search = PriorSearch(source_of(s, self.shelf, ledger, clock), self.shelf, s.gate, s.priors.oldest_days)
        self.stages["prior"] = PriorStage(ledger, self.queue, clock, search, issuer=s.identity.issuer)

    def revision(self, study: str) -> int:
        with self.node.ledger.read() as view:
            newest = studies.newest_revision(view, study)
        assert newest is not None
        return newest.id

    def search(self, study: str) -> Search:
        with self.node.ledger.read() as view:
            found = priors.search_of(view, self.revision(study))
        assert found is not None
        return found

    def reading(self, study: str) -> StoredReading:
        with self.node.ledger.read() as view:
            found = results.reading_of(view, self.revision(study))
        assert found is not None
        return found

    def used(self, study: str) -> PriorImage | None:
        with self.node.ledger.read() as view:
            return priors.used_by(view, self.revision(study))

    def known_studies(self) -> set[str]:
        with self.node.ledger.read() as view:
            return {line.study_instance_uid for line in overview.studies(view)}

    def files_of_priors(self) -> list[Path]:
        return sorted(self.node.files.path("priors").iterdir())
