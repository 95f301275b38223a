"""The journal's decisions brought into the database, as soon as it takes them."""

import json
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from posology.errors import NotFound, PosologyError, Refused, ServiceDown
from serving.alarms import ALARMS, Alarm
from serving.keeping.journal import Journal, read_other
from serving.records import Decision

AGAIN_SECONDS = 0.5
UNPLACED = "not-placed.jsonl"
KEPT_OF_STRANGERS = ("decision_id", "decided_at", "content_id", "release", "reasons")

log = logging.getLogger("posology.serving")


class Settling:
    """Places what waits in the journal, in a thread that ends when nothing waits any more.

    Placing is idempotent: a decision that two processes place, or that had
    reached the database after all, is there once.
    """

    def __init__(self, journal: Journal, place: Callable[[Decision], None]) -> None:
        self.journal = journal
        self._place = place
        self._settled = 0
        self._one_at_a_time = threading.Lock()
        self._waking = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()
        if journal.others():
            self._wake()

    def add(self, decision: Decision) -> None:
        """Keep a decision in the journal until it is placed."""
        self.journal.append(decision)
        self._wake()

    def settle(self) -> int:
        """Place what waits, also of other processes; how many there were.

        Raises:
            ServiceDown: the database does not answer; all that was not placed waits on.
        """
        with self._one_at_a_time:
            return self._settle_own() + sum(self._settle_other(path) for path in self.journal.others())

    def close(self) -> None:
        """Stop; what is not placed waits on disk for the next process."""
        self._closed.set()
        with self._waking:
            thread = self._thread
        if thread is not None:
            thread.join(timeout=5)
        self.journal.close()

    def _settle_own(self) -> int:
        waiting, end = self.journal.own(self._settled)
        for decision in waiting:
            self._place_or_tell(decision)
        self._settled = 0 if self.journal.forget(end) else end
        return len(waiting)

    def _settle_other(self, path: Path) -> int:
        waiting, has_ended = read_other(path)
        for decision in waiting:
            self._place_or_tell(decision)
        if has_ended:
            path.unlink(missing_ok=True)
        return len(waiting)

    def _place_or_tell(self, decision: Decision) -> None:
        try:
            self._place(decision)
        except ServiceDown:
            raise
        except (NotFound, Refused) as error:  # nobody the database knows, or without consent: nothing of them is kept
            _tell(self.journal.folder / UNPLACED, decision, error, KEPT_OF_STRANGERS)
        except Exception as error:  # a row that the database does not take must not hold up the others, nor be lost
            _tell(self.journal.folder / UNPLACED, decision, error, tuple(decision.as_row()))

    def _wake(self) -> None:
        with self._waking:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="posology-settling", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while not self._closed.wait(AGAIN_SECONDS):
            try:
                found = self.settle()
            except PosologyError as error:
                log.warning("the journal waits for the database: %s", error)
                continue
            if found:
                log.info("the journal's %d decisions are in the database", found)
            with self._waking:
                if self.journal.is_empty:
                    self._thread = None
                    return


def _tell(path: Path, decision: Decision, error: Exception, names: tuple[str, ...]) -> None:
    ALARMS.ring(Alarm.NOT_PLACED, f"decision {decision.decision_id}: {type(error).__name__}")
    row: dict[str, Any] = {name: value for name, value in decision.as_row().items() if name in names}
    line = json.dumps({**row, "why": type(error).__name__}, default=str) + "\n"
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, line.encode())
        os.fsync(file)
    finally:
        os.close(file)
