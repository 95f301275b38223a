"""The watch of a whole process, and what ``/metrics`` needs to know when it is asked."""

import os
from functools import cache
from pathlib import Path

import anyio
import psutil
from prometheus_client.multiprocess import mark_process_dead
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.watching.metrics import Metrics
from serving.watching.traces import traces_of
from serving.watching.watch import Watch

STORE_ANSWERS_WITHIN_SECONDS = 2


@cache
def process_watch() -> Watch:
    """The one watch of this process: Prometheus' multiprocess mode has one file of counts for each."""
    _forget_the_dead(os.environ.get("PROMETHEUS_MULTIPROC_DIR"))
    return Watch(Metrics(None), traces_of(os.environ))


class Scraped:
    """Asks the store at each scrape of ``/metrics``, so that its gauge is never old."""

    def __init__(self, app: ASGIApp) -> None:
        self._app, self._watch = app, process_watch()
        self._one_at_a_time = anyio.CapacityLimiter(1)  # a database that hangs must not take the threads of calls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the call on."""
        if scope["type"] == "http" and scope["path"] == "/metrics":
            is_up = False
            with anyio.move_on_after(STORE_ANSWERS_WITHIN_SECONDS):
                is_up = await anyio.to_thread.run_sync(
                    self._watch.store_answers, abandon_on_cancel=True, limiter=self._one_at_a_time
                )
            self._watch.metrics.store_up.set(is_up)
        await self._app(scope, receive, send)


def _forget_the_dead(folder: str | None) -> None:
    """Without the gauges of workers that were killed: their calls in flight would count for ever."""
    for file in Path(folder).glob("gauge_live*.db") if folder else ():
        pid = int(file.stem.rpartition("_")[2])
        if not psutil.pid_exists(pid):
            mark_process_dead(pid, folder)
