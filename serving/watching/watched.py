"""What stands before everything else: each call gets its id and is watched."""

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.access.paths import OF_BENTOML
from serving.watching.call import CURRENT, Call, request_id
from serving.watching.watch import Watch

GONE = 499  # the caller left, or waited too long, before the answer


class Watched:
    """Has every HTTP call watched; its answer carries ``X-Request-ID``."""

    def __init__(self, app: ASGIApp, watch: Watch) -> None:
        self._app, self._watch = app, watch

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the call on, counted in and out."""
        if scope["type"] != "http" or scope["path"] in OF_BENTOML:
            await self._app(scope, receive, send)
            return
        watch, status = self._watch, GONE
        call = Call(watch.label(scope["path"]), request_id(scope["headers"]), time.perf_counter())

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", call.request_id.encode())]
            await send(message)

        token, span = CURRENT.set(call), watch.traces.begin(call, scope)
        try:
            with watch.metrics.in_flight.track_inprogress(), watch.traces.within(span):
                await self._app(scope, receive, answer)
        finally:
            watch.traces.end(span, status, watch.end(call, status))
            CURRENT.reset(token)
