"""One commit for what several associations bring at the same time."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import timedelta
from queue import SimpleQueue

from agent.clock import Clock
from agent.errors import PrereadError
from agent.store import arrivals
from agent.store.arrivals import Arrival
from agent.store.engine import Ledger
from agent.store.files import FileStore


@dataclass(slots=True)
class _Pending:
    arrival: Arrival
    done: threading.Event = field(default_factory=threading.Event)
    written: bool = False
    error: PrereadError | None = None


class Committer:
    """One thread that commits what all associations bring, together.

    A commit waits for the disk; images that arrive on other associations meanwhile share the next one (group commit).
    """

    def __init__(self, ledger: Ledger, files: FileStore, clock: Clock, quiet: timedelta) -> None:
        self._ledger, self._files, self._clock, self._quiet = ledger, files, clock, quiet
        self._queue: SimpleQueue[_Pending | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="committer", daemon=True)
        self._thread.start()

    def commit(self, arrival: Arrival) -> bool:
        """Write one arrival durably. Returns False when its version was taken meanwhile. Raises what the ledger
        raises."""
        pending = _Pending(arrival)
        self._queue.put(pending)
        pending.done.wait()
        if pending.error is not None:
            raise pending.error
        return pending.written

    def close(self) -> None:
        """Finish what is queued and stop."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            batch, last = [first], False
            while not self._queue.empty():
                more = self._queue.get()
                if more is None:
                    last = True
                    break
                batch.append(more)
            self._commit(batch)
            if last:
                return

    def _commit(self, batch: list[_Pending]) -> None:
        try:
            self._files.sync_names(p.arrival.path for p in batch)
            with self._ledger.begin() as tx:
                written = arrivals.record(tx, [p.arrival for p in batch], now=self._clock.now(), quiet=self._quiet)
                self._files.must_be_there(p.arrival.path for p in batch)
            for pending, ok in zip(batch, written, strict=True):
                pending.written = ok
        except PrereadError as error:
            for pending in batch:
                pending.error = error
        except Exception as error:  # noqa: BLE001  process edge: nothing of the batch is written, every sender gets A700 and keeps its image
            for pending in batch:
                pending.error = PrereadError(f"{type(error).__name__} while committing", code="ledger-failed")
                pending.error.__cause__ = error
        finally:
            for pending in batch:
                pending.done.set()
