"""A bounded number of threads for work that may never come back."""

import threading
from collections.abc import Callable
from queue import SimpleQueue

Work = Callable[[], None]


class Threads:
    """At most ``limit`` threads, started as they are needed. They are daemons: hung work does not keep a process alive.

    Work must not raise.
    """

    def __init__(self, limit: int, name: str) -> None:
        self._limit, self._name = limit, name
        self._queue: SimpleQueue[Work] = SimpleQueue()
        self._lock = threading.Lock()
        self._idle = 0
        self._started = 0

    def submit(self, work: Work) -> None:
        """Do the work when a thread is free."""
        with self._lock:
            if self._idle > 0:
                self._idle -= 1
            elif self._started < self._limit:
                self._started += 1
                threading.Thread(target=self._run, name=f"{self._name}-{self._started}", daemon=True).start()
            self._queue.put(work)

    def _run(self) -> None:
        while True:
            self._queue.get()()
            with self._lock:
                self._idle += 1
