"""Many threads' rows, written by one: what waits while a transaction commits goes into the next, all of it."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

from posology.errors import ServiceDown
from serving.keeping.writes import Write

MOST_TOGETHER = 512


@dataclass
class _Waiting:
    write: Write
    done: threading.Event = field(default_factory=threading.Event)
    withdrawn: bool = False


class Group:
    """Writes rows together; whoever brought one waits until it is on disk.

    Nobody waits for company: a row that comes alone is written alone at once.
    """

    def __init__(self, write_together: Callable[[Sequence[Write]], None]) -> None:
        self._write_together = write_together
        self._queue: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._writer: threading.Thread | None = None
        self._starting = threading.Lock()
        self._began: float | None = None

    def write(self, write: Write, patience: float) -> None:
        """Keep a row.

        Args:
            patience: seconds to wait for the database.

        Raises:
            ServiceDown: it is not known to be kept; the same row may be sent again.
            Exception: what became of the row, as ``write_together`` says.
        """
        if self._is_stuck(patience):
            raise ServiceDown("the store is busy and does not answer; try again later")
        waiting = _Waiting(write)
        self._start()
        self._queue.put(waiting)
        if not waiting.done.wait(patience):
            waiting.withdrawn = True
            raise ServiceDown("the store did not answer in time; send it again later")
        if write.error is not None:
            raise write.error

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

    def _commit(self, together: Sequence[_Waiting]) -> None:
        self._began = time.monotonic()
        try:
            self._write_together([waiting.write for waiting in together])
        except Exception as error:  # the thread must live on: whoever waits is told
            for waiting in together:
                waiting.write.error = ServiceDown(f"the store does not answer ({type(error).__name__})")
        finally:
            self._began = None
        for waiting in together:
            waiting.done.set()
