"""A bounded number of threads for work that may never come back."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from queue import SimpleQueue
from typing import Any

Work = Callable[[], None]


class Threads:
    """At most ``limit`` threads, started as needed. They are daemons: hung work does not keep a process alive.

    Who rested last works first: few calls at once keep to few threads, whose
    caches and connections are warm.
    """

    def __init__(self, limit: int, name: str) -> None:
        self._limit, self._name = limit, name
        self._lock = threading.Lock()
        self._resting: list[SimpleQueue[Work]] = []  # of each thread without work, where it waits for some
        self._waiting: deque[Work] = deque()  # while all threads work
        self._started = 0

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

        self.submit(do)
        return future

    def submit(self, work: Work) -> None:
        """Do the work, which must not raise, when a thread is free."""
        with self._lock:
            if self._resting:
                self._resting.pop().put(work)
            elif self._started < self._limit:
                self._started += 1
                name = f"{self._name}-{self._started}"
                threading.Thread(target=self._work_on, args=(work,), name=name, daemon=True).start()
            else:
                self._waiting.append(work)

    def _work_on(self, work: Work) -> None:
        own: SimpleQueue[Work] = SimpleQueue()
        while True:
            work()
            work = self._next(own) or own.get()

    def _next(self, own: SimpleQueue[Work]) -> Work | None:
        """What waits for a thread; None when nothing does, and then this thread rests."""
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            self._resting.append(own)
            return None


def _finish(future: "asyncio.Future[Any]", result: Any, error: BaseException | None) -> None:
    if future.cancelled():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
