"""A person's own ways of looking at the worklist, by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select, update

from agent.store.dialect import upsert
from agent.store.schema import saved_view

MOST = 30


@dataclass(frozen=True, slots=True)
class SavedView:
    """One of them. `wanted`: fields of `agent.store.listing.Wanted`, never its text."""

    id: int
    name: str
    wanted: dict[str, Any]
    is_default: bool


def of_account(view: Connection, account_id: int) -> tuple[SavedView, ...]:
    """All of one person's, by name."""
    c = saved_view.c
    query = select(c.id, c.name, c.wanted, c.is_default).where(c.account_id == account_id).order_by(c.name)
    return tuple(SavedView(*row) for row in view.execute(query))


def save(
    tx: Connection, account_id: int, name: str, wanted: Mapping[str, Any], *, default: bool, now: datetime
) -> bool:
    """Keep a way of looking under that name, in the place of one that has it; returns False when there are too many."""
    known = of_account(tx, account_id)
    if len(known) >= MOST and name not in {v.name for v in known}:
        return False
    if default:
        tx.execute(update(saved_view).where(saved_view.c.account_id == account_id).values(is_default=False))
    newer = {"wanted": dict(wanted), "is_default": default}
    row = upsert(saved_view).values(account_id=account_id, name=name, created_at=now, **newer)
    tx.execute(row.on_conflict_do_update(index_elements=["account_id", "name"], set_=newer))
    return True


def forget(tx: Connection, account_id: int, view_id: int) -> None:
    """Let one of a person's own go; of others' it lets none go."""
    tx.execute(delete(saved_view).where(saved_view.c.account_id == account_id, saved_view.c.id == view_id))
