"""What stands before the calls: the token, and a limit on calls at once."""

import hmac

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.page.page import PAGE
from serving.problems import Problem

OPEN_PATHS = frozenset({"/livez", "/readyz", "/healthz", *PAGE})


class BearerToken:
    """Lets HTTP calls pass that carry the token; health and the page, which holds no data, are open to all."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._expected = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the call on or answer 401."""
        if scope["type"] != "http" or scope["path"] in OPEN_PATHS or self._knows(scope):
            await self._app(scope, receive, send)
            return
        problem = Problem(401, "expected the header Authorization: Bearer TOKEN")
        refusal = JSONResponse(problem.as_json(), problem.status, headers={"WWW-Authenticate": "Bearer"})
        await refusal(scope, receive, send)

    def _knows(self, scope: Scope) -> bool:
        came = [value for name, value in scope["headers"] if name == b"authorization"]
        return len(came) == 1 and hmac.compare_digest(came[0], self._expected)


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
            refusal = JSONResponse(problem.as_json(), problem.status, headers={"Retry-After": "1"})
            await refusal(scope, receive, send)
        else:
            self._free -= 1
            try:
                await self._app(scope, receive, send)
            finally:
                self._free += 1
