"""What the ledger says: work that nobody tries any more, studies without a report, files that it does not know."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from agent.commands.common import existing_store
from agent.doctor.check import Check, finding
from agent.errors import PrereadError
from agent.sentence import sentence
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
        state = "note" if error.code == "no-ledger" else "bad"
        return [finding("database", state, sentence("error", detail=str(error)), code=error.code)]
    with opened.read() as view:
        waiting = overview.unfinished_deliveries(view)
        unknown = overview.waiting_destinations(view) - {d.name for d in settings.destinations}
        parked = [p for rows in trouble.parked_deliveries(view).values() for p in rows]
        stages, missing = trouble.parked_stages(view), trouble.unreported(view)
        known = trouble.kept_paths(view)
        unsettled = heard.count_attention(view)
        kept_by, worries = opened.place.described(view), opened.place.worries(view)
    opened.close()
    found = [finding("database", "ok", sentence("ledger.waiting", database=kept_by, n=waiting))]
    found += [finding("database", "bad", worry) for worry in worries]
    found += [finding("database", "bad", sentence("ledger.unknown", destination=n)) for n in sorted(unknown)]
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
    newest = {p.destination: p.words for p in parked}
    counts = Counter(p.destination for p in parked)
    return [_given_up(f"deliveries to {name}", number, newest[name]) for name, number in sorted(counts.items())]


def _stages(parked: Sequence[trouble.ParkedJob]) -> list[Check]:
    newest = {p.kind: p.error for p in parked if p.kind != "deliver"}
    counts = Counter(p.kind for p in parked)
    return [
        _given_up(f"stage {kind}", counts[kind], error)
        for kind, error in sorted(newest.items())
        if kind != "orders"  # said by the message it is about
    ]


def _given_up(what: str, number: int, why: str) -> Check:
    said = sentence("ledger.parked", n=number, detail=why), sentence("ledger.retry")
    code = why.partition(":")[0] if ": " in why else ""
    return finding(what, "bad", *said, command="preread retry STUDY (preread studies --trouble lists them)", code=code)


def _unreported(missing: Sequence[tuple[str, str]]) -> list[Check]:
    found = []
    for code in ("sr-not-made", "oru-not-made"):
        uids = [uid for uid, c in missing if c == code]
        if uids:
            said = sentence(f"ledger.no-document.{code}", n=len(uids), uids=_some(uids)), sentence("ledger.see-study")
            found.append(finding("reports", "bad", *said, command="preread show STUDY"))
    return found


def _messages(unsettled: int) -> list[Check]:
    command = "preread messages --attention; when one has been seen to: preread messages --done ID"
    return [finding("messages", "bad", sentence("ledger.messages", n=unsettled), command=command)] if unsettled else []


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
    said = sentence("ledger.strangers", n=len(unknown), files=_some(unknown)), sentence("ledger.send-again")
    return [finding("images", "bad", *said, command="preread send FILE --as AE_TITLE")]


def _settled(path: Path, now: float) -> bool:
    try:
        return now - path.stat().st_mtime > _SETTLED_AFTER_S
    except FileNotFoundError:  # it was given another name this moment
        return False


def _quarantine(files: FileStore) -> list[Check]:
    refused = files.quarantined_bytes() / 1e6
    said = sentence("ledger.quarantine", size=refused)
    return [finding("quarantine", "note", said, command="preread refusals")] if refused else []


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (", \N{HORIZONTAL ELLIPSIS}" if len(names) > _NAMED else "")
