"""The watch of a whole process, and what ``/metrics`` needs to know when it is asked."""

import os
from functools import cache

import anyio
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.watching.metrics import Metrics
from serving.watching.traces import traces_of
from serving.watching.watch import Watch
from serving.watching.watched import Watched

STORE_ANSWERS_WITHIN_SECONDS = 2


@cache
def process_watch() -> Watch:
    """The one watch of this process: Prometheus' multiprocess mode has one file of counts for each."""
    return Watch(Metrics(None), traces_of(os.environ))


class WatchedProcess(Watched):
    """Watches all that BentoML passes on; asks the store at each scrape, so that its gauge is never old."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(app, process_watch())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the call on."""
        if scope["type"] == "http" and scope["path"] == "/metrics":
            is_up = False
            with anyio.move_on_after(STORE_ANSWERS_WITHIN_SECONDS):
                is_up = await anyio.to_thread.run_sync(self._watch.store_answers, abandon_on_cancel=True)
            self._watch.metrics.store_up.set(is_up)
        await super().__call__(scope, receive, send)
