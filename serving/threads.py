"""A bounded number of threads for work that may never come back."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from queue import SimpleQueue
from typing import Any

Work = Callable[[], None]


class Threads:
    """At most ``limit`` threads, started as needed. They are daemons: hung work does not keep a process alive."""

    def __init__(self, limit: int, name: str) -> None:
        self._limit, self._name = limit, name
        self._queue: SimpleQueue[Work] = SimpleQueue()
        self._lock = threading.Lock()
        self._idle = 0
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


def _finish(future: "asyncio.Future[Any]", result: Any, error: BaseException | None) -> None:
    if future.cancelled():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
