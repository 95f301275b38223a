"""Many threads' rows, written by one: what waits while a transaction commits goes into the next, all of it."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from posology.errors import ServiceDown
from serving.keeping.writes import Write

MOST_TOGETHER = 512

log = logging.getLogger("posology.serving")


@dataclass(slots=True)
class Waiting:
    """A row that is to be kept."""

    write: Write
    done: Callable[[], None]
    withdrawn: bool = False

    def withdraw(self) -> None:
        """Say that nobody waits for it any more: it is not kept, unless it is being kept already."""
        self.withdrawn = True


class Group:
    """Writes rows together, in a thread of its own.

    Nobody waits for company: a row that comes alone is written alone at once.
    """

    def __init__(self, write_together: Callable[[Sequence[Write]], None]) -> None:
        self._write_together = write_together
        self._queue: SimpleQueue[Waiting | None] = SimpleQueue()
        self._writer: threading.Thread | None = None
        self._starting = threading.Lock()
        self._began: float | None = None

    def write(self, write: Write, patience: float) -> None:
        """Keep a row: it is on disk when this returns.

        Args:
            patience: seconds to wait for the database.

        Raises:
            ServiceDown: it is not known to be kept; the same row may be sent again.
            Exception: what became of the row, as ``write_together`` says.
        """
        done = threading.Lock()
        done.acquire()
        waiting = self.submit(write, done.release, patience)
        if not done.acquire(timeout=patience):
            waiting.withdraw()
            raise ServiceDown("the store did not answer in time; send it again later")
        if write.error is not None:
            raise write.error

    def submit(self, write: Write, done: Callable[[], None], patience: float) -> Waiting:
        """Have a row kept, without waiting for it.

        Args:
            done: is called by the writing thread once the row is on disk or ``write.error`` says why it is not;
                never for one that was withdrawn before its turn. Others wait meanwhile, so it only passes the word.
            patience: as of ``write``. Whoever has none left withdraws the row.

        Raises:
            ServiceDown: the database has not answered for longer than that.
        """
        if self._is_stuck(patience):
            raise ServiceDown("the store is busy and does not answer; try again later")
        waiting = Waiting(write, done)
        self._start()
        self._queue.put(waiting)
        return waiting

    def close(self) -> None:
        """Write what waits, and end."""
        with self._starting:
            writer, self._writer = self._writer, None
        if writer is not None:
            self._queue.put(None)
            writer.join(timeout=5)

    def _start(self) -> None:
        if self._writer is None:
            with self._starting:
                if self._writer is None:
                    self._writer = threading.Thread(target=self._run, name="posology-writer", daemon=True)
                    self._writer.start()

    def _is_stuck(self, patience: float) -> bool:
        began = self._began
        return began is not None and time.monotonic() - began > patience

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            together = [first]
            ends = False
            while len(together) < MOST_TOGETHER and not ends:
                try:
                    more = self._queue.get_nowait()
                except Empty:
                    break
                if more is None:
                    ends = True
                else:
                    together.append(more)
            self._commit([waiting for waiting in together if not waiting.withdrawn])
            if ends:
                return

    def _commit(self, together: Sequence[Waiting]) -> None:
        self._began = time.monotonic()
        try:
            self._write_together([waiting.write for waiting in together])
        except Exception as error:  # the thread must live on: whoever waits is told
            for waiting in together:
                waiting.write.error = ServiceDown(f"the store does not answer ({type(error).__name__})")
        finally:
            self._began = None
        for waiting in together:
            try:
                waiting.done()
            except Exception:  # the others must be told
                log.exception("nobody was there to hear that a row is kept")
