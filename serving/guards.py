"""A limit on calls at once."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.exchange import refusal
from serving.problems import Problem


class InFlightLimit:
    """Answers 429 to a call that comes while as many as allowed are being answered.

    A call gives its place back when its answer begins to go: who never reads it holds no place.
    """

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._free = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the call on or answer 429."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif self._free == 0:
            problem = Problem(429, "too many calls at once; try again in a second")
            await refusal(problem, {"Retry-After": "1"})(scope, receive, send)
        else:
            await self._in_a_place(scope, receive, send)

    async def _in_a_place(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._free -= 1
        has_place = True

        def leave() -> None:
            nonlocal has_place
            self._free += has_place
            has_place = False

        async def send_outside(message: Message) -> None:
            leave()
            await send(message)

        try:
            await self._app(scope, receive, send_outside)
        finally:
            leave()
