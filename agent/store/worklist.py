"""What a modality worklist answered about the studies that have arrived."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from agent.store.dialect import upsert
from agent.store.schema import worklist_answer


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """The last answer about a study. `entries`: JSON of `agent.intake.worklist.WorklistOrder`; `status`: DIMSE in hex, empty when
    there was no answer, and then `words` say why."""

    study_instance_uid: str
    source: str
    asked_at: datetime
    status: str
    words: str
    entries: list[dict[str, Any]]


def keep(tx: Connection, answer: StoredAnswer) -> None:
    """Write an answer down; it takes the place of the one before."""
    row = asdict(answer)
    newer = {k: v for k, v in row.items() if k != "study_instance_uid"}
    tx.execute(
        upsert(worklist_answer).values(**row).on_conflict_do_update(index_elements=["study_instance_uid"], set_=newer)
    )


def answer_of(view: Connection, study_instance_uid: str) -> StoredAnswer | None:
    """The last answer about that study, if one was asked for."""
    c = worklist_answer.c
    row = view.execute(select(worklist_answer).where(c.study_instance_uid == study_instance_uid)).first()
    return None if row is None else StoredAnswer(**row._mapping)
