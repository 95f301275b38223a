"""The gate before every call: who calls, may they, and how often."""

import math

from starlette.types import ASGIApp, Receive, Scope, Send

from posology.errors import ServiceDown
from serving.access.caller import calling_token
from serving.access.doorman import Doorman
from serving.access.scopes import OPEN_PATHS, PATH_TO_SCOPES
from serving.access.tokens import Token
from serving.exchange import refusal
from serving.problems import Problem, problem_of

NO_TOKEN = Problem(401, "expected one header Authorization: Bearer TOKEN, with a token that is valid now")
NO_CALL = Problem(404, "no such call; see the documented POST /v1/… and GET /v1/release")


class Gate:
    """Lets a call pass when its token is valid, has a scope that the path asks for, and has calls left.

    What the tables of ``scopes`` call open passes without; a path they do not
    name is no call.
    """

    def __init__(self, app: ASGIApp, doorman: Doorman) -> None:
        self._app, self._doorman = app, doorman

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the call on, or answer 401, 403, 404, 429 or 503."""
        if scope["type"] == "websocket":  # nothing here speaks it
            await send({"type": "websocket.close"})
        elif scope["type"] == "lifespan" or scope["path"] in OPEN_PATHS:
            await self._app(scope, receive, send)
        else:
            await self._ask(scope, receive, send)

    async def _ask(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            token = self._doorman.who([value for name, value in scope["headers"] if name == b"authorization"])
        except ServiceDown as error:
            await refusal(problem_of(error), {"Retry-After": "2"})(scope, receive, send)
            return
        if token is None:
            await refusal(NO_TOKEN, {"WWW-Authenticate": "Bearer"})(scope, receive, send)
        elif (refused := self._refusal(token, scope["path"])) is not None:
            await refused(scope, receive, send)
        else:
            before = calling_token.set(token.token_id)
            try:
                await self._app(scope, receive, send)
            finally:
                calling_token.reset(before)

    def _refusal(self, token: Token, path: str) -> ASGIApp | None:
        needed = PATH_TO_SCOPES.get(path)
        if needed is None:
            return refusal(NO_CALL)
        if not needed & token.scopes:
            return refusal(
                Problem(403, f"the token's scope must be {' or '.join(sorted(needed))}", code="missing_scope")
            )
        if wait := self._doorman.wait_seconds(token):
            problem = Problem(429, "more calls than this token may make; try again after Retry-After seconds")
            return refusal(problem, {"Retry-After": str(math.ceil(wait))})
        return None
