"""Many threads' rows, written together: what waits while a transaction commits goes into the next, all of it."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

from posology.errors import ServiceDown
from serving.keeping.writes import Write
from serving.threads import aside

MOST_TOGETHER = 512


@dataclass(slots=True)
class _Waiting:
    write: Write
    sleeping: threading.Lock = field(default_factory=threading.Lock)
    withdrawn: bool = False

    def __post_init__(self) -> None:
        self.sleeping.acquire()


class Group:
    """Writes rows together. Nobody waits for company: a row that comes alone is written alone at once.

    Args:
        write_together: gives every row its outcome; whoever waits gives up after a while, so it has a thread of its
            own.
        try_at_once: the same in the caller's thread, which spares two of three changes of threads; false when the
            database would have to be waited for, and then nothing was written. None where that cannot be told.
    """

    def __init__(
        self,
        write_together: Callable[[Sequence[Write]], None],
        try_at_once: Callable[[Sequence[Write]], bool] | None = None,
    ) -> None:
        self._write_together, self._try_at_once = write_together, try_at_once
        self._queue: SimpleQueue[_Waiting] = SimpleQueue()
        self._writing = threading.Lock()
        self._began: float | None = None
        self._calls: SimpleQueue[bool] = SimpleQueue()  # of the writer: whether it goes on
        self._writer: threading.Thread | None = None
        self._starting = threading.Lock()

    def write(self, write: Write, patience: float, *, is_watched: bool = False) -> None:
        """Keep a row: it is on disk when this returns.

        Args:
            patience: seconds to wait for the database.
            is_watched: somebody answers otherwise should this thread hang with the disk, so that it may write itself.

        Raises:
            ServiceDown: it is not known to be kept; the same row may be sent again.
            Exception: what became of the row, as ``write_together`` says.
        """
        if self._is_stuck(patience):
            raise ServiceDown("the store is busy and does not answer; try again later")
        waiting = _Waiting(write)
        self._queue.put(waiting)
        if not (is_watched and self._written_here()):
            self._call_writer()
        if not _woken(waiting.sleeping, patience):
            waiting.withdrawn = True
            raise ServiceDown("the store did not answer in time; send it again later")
        if write.error is not None:
            raise write.error

    def close(self) -> None:
        """Write what waits, and end."""
        with self._starting:
            writer, self._writer = self._writer, None
        if writer is not None:
            self._calls.put(False)
            writer.join(timeout=5)

    def _is_stuck(self, patience: float) -> bool:
        began = self._began
        return began is not None and time.monotonic() - began > patience

    def _written_here(self) -> bool:
        """Write what waits in this thread, unless another writes; false when somebody must look again."""
        if self._try_at_once is None or not self._writing.acquire(blocking=False):
            return False
        try:
            return self._commit(self._together(), self._try_at_once) and self._queue.empty()
        finally:
            self._writing.release()

    def _call_writer(self) -> None:
        if self._writer is None:
            with self._starting:
                if self._writer is None:
                    self._writer = threading.Thread(target=self._run, name="posology-writer", daemon=True)
                    self._writer.start()
        self._calls.put(True)

    def _run(self) -> None:
        goes_on = True
        while goes_on:
            goes_on = self._calls.get()
            with self._writing:
                while not self._queue.empty():
                    self._commit(self._together(), self._write_all)

    def _together(self) -> list[_Waiting]:
        together: list[_Waiting] = []
        while len(together) < MOST_TOGETHER:
            try:
                together.append(self._queue.get_nowait())
            except Empty:
                break
        return [waiting for waiting in together if not waiting.withdrawn]

    def _write_all(self, writes: Sequence[Write]) -> bool:
        self._write_together(writes)
        return True

    def _commit(self, together: Sequence[_Waiting], write: Callable[[Sequence[Write]], bool]) -> bool:
        """Write them and wake who waits; false when they were put back."""
        if not together:
            return True
        self._began = time.monotonic()
        try:
            is_done = write([waiting.write for waiting in together])
        except Exception as error:  # the thread must live on: whoever waits is told
            is_done = True
            for waiting in together:
                waiting.write.error = ServiceDown(f"the store does not answer ({type(error).__name__})")
        finally:
            self._began = None
        for waiting in together:
            if is_done:
                waiting.sleeping.release()
            else:
                self._queue.put(waiting)
        return is_done


def _woken(sleeping: threading.Lock, patience: float) -> bool:
    if sleeping.acquire(blocking=False):
        return True
    with aside():
        return sleeping.acquire(timeout=patience)
