"""Ending without cutting anybody off: finish what was begun, and have callers connect anew elsewhere.

A server that closes an idle connection may do so just when a caller sends its
next request on it. So a service that is asked to end stops accepting, answers
what still comes with ``Connection: close``, and closes the rest only when
nobody spoke on it for as long as idle connections are kept anyway.
"""

import asyncio
import time
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

DRAINED_WITHIN_SECONDS = 6.0  # uvicorn closes what was idle for 5


class Draining:
    """Tells callers to close their connection, once the service was asked to end."""

    is_on = False  # of the process

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the call on."""

        async def send_last(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["connection"] = "close"
            await send(message)

        await self._app(scope, receive, send_last if Draining.is_on else send)


def drain_before_end() -> None:
    """Have this process's uvicorn drain its connections when it is asked to end."""
    import uvicorn

    end = uvicorn.Server.shutdown
    if getattr(end, "drains", False):
        return

    async def shutdown(server: uvicorn.Server, sockets: Any = None) -> None:
        Draining.is_on = True
        for listening in server.servers:
            listening.close()
        give_up_at = time.monotonic() + DRAINED_WITHIN_SECONDS
        while server.server_state.connections and time.monotonic() < give_up_at:
            await asyncio.sleep(0.02)
        await end(server, sockets)

    shutdown.drains = True  # type: ignore[attr-defined]
    uvicorn.Server.shutdown = shutdown  # type: ignore[assignment, method-assign]
