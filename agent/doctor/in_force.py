"""Whether the line works with what the settings file says now."""

from __future__ import annotations

from collections.abc import Sequence

from agent.commands.common import existing_store
from agent.doctor.check import Check, finding
from agent.errors import PrereadError
from agent.sentence import sentence
from agent.settings import Settings, SettingsFile
from agent.settings.remarks import remarks
from agent.store import reloads
from agent.store.reloads import REFUSED, InForce


def in_force(file: SettingsFile) -> Sequence[Check]:
    """Every role that has started since settings can be taken up while it runs."""
    try:
        ledger, _ = existing_store(file.settings)
        with ledger.read() as view:
            rows = reloads.in_force(view)
        ledger.close()
    except PrereadError:
        return ()  # said about the ledger itself
    return [_check(row, file.digest) for row in rows]


def remarked(settings: Settings) -> Sequence[Check]:
    """What the file may say and has probably not been meant; the licence of the weights is said with the model."""
    return [finding("settings", "note", remark) for remark in remarks(settings, with_licence=False)]


def _check(row: InForce, digest: str) -> Check:
    what = f"settings of {row.role}"
    if row.outcome == REFUSED:
        return finding(what, "bad", sentence("in-force.refused", detail=row.words))
    if row.digest != digest:
        return finding(what, "note", sentence("in-force.changed"), command="preread reload")
    if row.restart:
        return finding(what, "note", sentence("in-force.restart", sections=", ".join(row.restart)))
    return finding(what, "ok", sentence("in-force.same"))
