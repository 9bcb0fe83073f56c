"""What the ledger says: work that nobody tries any more, studies without a report, files that it does not know."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from agent.commands.common import existing_store
from agent.doctor.check import Check
from agent.errors import PrereadError
from agent.settings import Settings
from agent.store import heard, overview, trouble
from agent.store.files import FileStore

# A file gets its name shortly before its row in the ledger; one that is older has none.
_SETTLED_AFTER_S = 300.0
_NAMED = 3


def ledger(settings: Settings) -> Sequence[Check]:
    """The ledger, and everything in it that waits for a person."""
    try:
        opened, files = existing_store(settings)
    except PrereadError as error:
        return [Check("database", "note" if error.code == "no-ledger" else "bad", str(error))]
    with opened.read() as view:
        waiting = overview.unfinished_deliveries(view)
        unknown = overview.waiting_destinations(view) - {d.name for d in settings.destinations}
        parked = [p for rows in trouble.parked_deliveries(view).values() for p in rows]
        stages, missing = trouble.parked_stages(view), trouble.unreported(view)
        known = trouble.kept_paths(view)
        unsettled = heard.count_attention(view)
        kept_by, worries = opened.place.described(view), opened.place.worries(view)
    opened.close()
    found = [Check("database", "ok", f"{kept_by}: {waiting} deliveries wait")]
    found += [Check("database", "bad", words) for words in worries]
    found += [
        Check("database", "bad", f"deliveries wait for {n}, which the settings do not name") for n in sorted(unknown)
    ]
    return [
        *found,
        *_parked(parked),
        *_stages(stages),
        *_unreported(missing),
        *_messages(unsettled),
        *_strangers(files, known),
        *_quarantine(files),
    ]


def _parked(parked: Sequence[trouble.Parked]) -> list[Check]:
    newest = {p.destination: p for p in parked}
    return [
        Check(
            f"deliveries to {name}",
            "bad",
            f"{number} parked, the last because of {newest[name].words}; mend the cause, then: preread retry STUDY "
            "(preread studies --trouble lists them)",
        )
        for name, number in sorted(Counter(p.destination for p in parked).items())
    ]


def _stages(parked: Sequence[trouble.ParkedJob]) -> list[Check]:
    newest = {p.kind: p for p in parked if p.kind != "deliver"}
    return [
        Check(
            f"stage {kind}",
            "bad",
            f"{sum(p.kind == kind for p in parked)} parked, the last because of {one.error}; mend the cause, then: "
            "preread retry STUDY (preread studies --trouble lists them)",
        )
        for kind, one in sorted(newest.items())
        if kind != "orders"  # said by the message it is about
    ]


def _unreported(missing: Sequence[tuple[str, str]]) -> list[Check]:
    said = {"sr-not-made": "Structured Report", "oru-not-made": "ORU message"}
    found = []
    for code, name in said.items():
        uids = [uid for uid, c in missing if c == code]
        if uids:
            words = (
                f"{code}: of {_some(uids)} no {name} could be made; see preread show STUDY and the log of the office"
            )
            found.append(Check("reports", "bad", words))
    return found


def _messages(unsettled: int) -> list[Check]:
    words = (
        f"{unsettled} about orders, patients or reports wait for a person; see: preread messages --attention; "
        "when one has been seen to: preread messages --done ID"
    )
    return [Check("messages", "bad", words)] if unsettled else []


def _strangers(files: FileStore, known: set[str]) -> list[Check]:
    """Files in images/ without a row: nobody will read, report or delete them."""
    folder, now = files.root / "images", time.time()
    unknown = [
        str(p)
        for p in sorted(folder.rglob("*"))
        if p.is_file() and str(p.relative_to(files.root)) not in known and _settled(p, now)
    ]
    if not unknown:
        return []
    words = (
        f"the ledger does not know {_some(unknown)}: it is older than they are, or they were put there by hand. Send those "
        "that belong to a study with: preread send FILE --as AE_TITLE. Then move them out of the folder"
    )
    return [Check("images", "bad", words)]


def _settled(path: Path, now: float) -> bool:
    try:
        return now - path.stat().st_mtime > _SETTLED_AFTER_S
    except FileNotFoundError:  # it was given another name this moment
        return False


def _quarantine(files: FileStore) -> list[Check]:
    refused = files.quarantined_bytes() / 1e9
    return (
        [Check("quarantine", "note", f"{refused:.2f} GB of refused images and messages; see: preread refusals")]
        if refused
        else []
    )


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
