"""A limit on calls at once."""

from starlette.types import ASGIApp, Receive, Scope, Send

from serving.exchange import refusal
from serving.problems import Problem


class InFlightLimit:
    """Answers 429 to a call that comes while as many as allowed are being answered."""

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
            self._free -= 1
            try:
                await self._app(scope, receive, send)
            finally:
                self._free += 1
