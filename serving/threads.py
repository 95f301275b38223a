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
_HERE = threading.local()  # the worker that this thread is


@contextmanager
def aside() -> Iterator[None]:
    """A block that waits for something else, so that other work of the thread's kind may begin meanwhile."""
    worker: _Worker | None = getattr(_HERE, "worker", None)
    if worker is None:
        yield
        return
    worker.threads.leave(worker)
    try:
        yield
    finally:
        worker.threads.come_back(worker)


class _Worker:
    """One thread: where it waits for work, and since when it works as one of those that count."""

    def __init__(self, threads: "Threads") -> None:
        self.threads = threads
        self.given: SimpleQueue[Work] = SimpleQueue()
        self.since: float | None = None


class Threads:
    """At most ``limit`` threads, started as needed. They are daemons: hung work does not keep a process alive.

    Python runs one thread at a time, and more that want to only disturb each
    other: ``at_once`` work, the others' work waits in line, and what waits for
    another thread lets the next begin (``aside``). Work that found nobody free
    for ``PATIENCE_SECONDS`` gets a thread all the same, as soon as one rests:
    those that work may hang. Who works longer than that while others wait does
    not count as one at work any more, until the thread comes back.
    Who rested last works first: its caches and its connection are warm.
    """

    def __init__(self, limit: int, name: str, *, at_once: int = AT_ONCE) -> None:
        self._limit, self._name, self._at_once = limit, name, at_once
        self._lock = threading.Lock()
        self._workers: list[_Worker] = []
        self._resting: list[_Worker] = []
        self._waiting: deque[tuple[Work, float]] = deque()  # since when
        self._working = 0  # of those that count
        self._watching: asyncio.AbstractEventLoop | None = None

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

        if not self.submit(do) and self._watching is not loop:
            self._watching = loop
            loop.call_later(PATIENCE_SECONDS, self._watch, loop)
        return future

    def submit(self, work: Work) -> bool:
        """Do the work, which must not raise, when a thread is free; whether one is."""
        with self._lock:
            is_free = self._working < self._at_once and self._begin(work)
            if not is_free:
                self._waiting.append((work, time.monotonic()))
        return is_free

    def leave(self, worker: _Worker) -> None:
        """One of the threads only waits now."""
        with self._lock:
            self._discount(worker)
            self._begin_waiting()

    def come_back(self, worker: _Worker) -> None:
        """It works again."""
        with self._lock:
            self._count(worker)

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """As long as work waits, stop counting what takes too long."""
        with self._lock:
            too_long = time.monotonic() - PATIENCE_SECONDS
            for worker in self._workers:
                if worker.since is not None and worker.since < too_long:
                    self._discount(worker)
            self._begin_waiting()
            self._watching = loop if self._waiting else None
            due = max(PATIENCE_SECONDS / 10, self._waiting[0][1] - too_long) if self._waiting else None
        if due is not None:
            loop.call_later(due, self._watch, loop)

    def _begin_waiting(self) -> None:
        while self._waiting:
            work, since = self._waiting[0]
            is_next = self._working < self._at_once or time.monotonic() - since > PATIENCE_SECONDS
            if not (is_next and self._begin(work)):
                return
            self._waiting.popleft()

    def _begin(self, work: Work) -> bool:
        """Give it to a thread, if there is one or may be one more."""
        if self._resting:
            worker = self._resting.pop()
        elif len(self._workers) < self._limit:
            worker = self._start()
        else:
            return False
        self._count(worker)
        worker.given.put(work)
        return True

    def _start(self) -> _Worker:
        worker = _Worker(self)
        self._workers.append(worker)
        name = f"{self._name}-{len(self._workers)}"
        threading.Thread(target=self._work_on, args=(worker,), name=name, daemon=True).start()
        return worker

    def _count(self, worker: _Worker) -> None:
        worker.since = time.monotonic()
        self._working += 1

    def _discount(self, worker: _Worker) -> None:
        if worker.since is not None:
            worker.since = None
            self._working -= 1

    def _work_on(self, worker: _Worker) -> None:
        _HERE.worker = worker
        while True:
            worker.given.get()()
            with self._lock:
                self._discount(worker)
                self._resting.append(worker)
                self._begin_waiting()


def _finish(future: "asyncio.Future[Any]", result: Any, error: BaseException | None) -> None:
    if future.cancelled():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
