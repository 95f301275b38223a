"""A bounded number of threads for work that may never come back."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import copy_context
from queue import SimpleQueue
from typing import Any

Work = Callable[[], None]
AT_ONCE = 1
PATIENCE_SECONDS = 0.05
_HERE = threading.local()  # the threads that this one is of


@contextmanager
def aside() -> Iterator[None]:
    """A block that waits for something else, so that other work of the thread's kind may begin meanwhile."""
    of_thread: Threads | None = getattr(_HERE, "threads", None)
    if of_thread is None:
        yield
        return
    of_thread.leave()
    try:
        yield
    finally:
        of_thread.come_back()


class Threads:
    """At most ``limit`` threads, started as needed. They are daemons: hung work does not keep a process alive.

    Python runs one thread at a time, and more that want to only disturb each
    other: ``at_once`` work, the others' work waits in line, and what waits for
    another thread lets the next begin (``aside``). Work that found nobody free for
    ``PATIENCE_SECONDS`` gets a thread all the same, as soon as one rests: those
    that work may hang.
    Who rested last works first: its caches and its connection are warm.
    """

    def __init__(self, limit: int, name: str, *, at_once: int = AT_ONCE) -> None:
        self._limit, self._name, self._at_once = limit, name, at_once
        self._lock = threading.Lock()
        self._resting: list[SimpleQueue[Work]] = []  # of each thread without work, where it waits for some
        self._waiting: deque[tuple[Work, float]] = deque()  # since when
        self._started = self._working = 0

    def run(self, work: Callable[[], Any]) -> "asyncio.Future[Any]":
        """The work's outcome on the running loop, when a thread has done it; with the caller's context."""
        loop, context = asyncio.get_running_loop(), copy_context()
        future: asyncio.Future[Any] = loop.create_future()

        def do() -> None:
            error: BaseException | None = None
            try:
                result = context.run(work)
            except BaseException as raised:
                result, error = None, raised
            with suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(_finish, future, result, error)

        if not self.submit(do):
            loop.call_later(PATIENCE_SECONDS, self._relieve, do)
        return future

    def submit(self, work: Work) -> bool:
        """Do the work, which must not raise, when a thread is free; whether one is."""
        with self._lock:
            is_free = self._working < self._at_once and self._begin(work)
            if not is_free:
                self._waiting.append((work, time.monotonic()))
        return is_free

    def leave(self) -> None:
        """One of the threads only waits now."""
        with self._lock:
            self._working -= 1
            self._begin_next()

    def come_back(self) -> None:
        """It works again."""
        with self._lock:
            self._working += 1

    def _relieve(self, work: Work) -> None:
        with self._lock:
            waiting = next((each for each in self._waiting if each[0] is work), None)
            if waiting is not None and self._begin(work):
                self._waiting.remove(waiting)

    def _begin_next(self) -> None:
        if not self._waiting:
            return
        work, since = self._waiting[0]
        is_next = self._working < self._at_once or time.monotonic() - since > PATIENCE_SECONDS
        if is_next and self._begin(work):
            self._waiting.popleft()

    def _begin(self, work: Work) -> bool:
        """Give it to a thread, if there is one or may be one more."""
        if self._resting:
            self._resting.pop().put(work)
        elif self._started < self._limit:
            self._started += 1
            name = f"{self._name}-{self._started}"
            threading.Thread(target=self._work_on, args=(work,), name=name, daemon=True).start()
        else:
            return False
        self._working += 1
        return True

    def _work_on(self, work: Work) -> None:
        own: SimpleQueue[Work] = SimpleQueue()
        _HERE.threads = self
        while True:
            work()
            with self._lock:
                self._working -= 1
                self._resting.append(own)
                self._begin_next()
            work = own.get()


def _finish(future: "asyncio.Future[Any]", result: Any, error: BaseException | None) -> None:
    if future.cancelled():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
