"""What everything behind it may count, log and trace of a call: its path when there is such a call, never its query."""

from starlette.types import ASGIApp, Receive, Scope, Send

from serving.access.scopes import OPEN_PATHS, PATH_TO_SCOPES

NOWHERE = "/no-such-call"
OF_BENTOML = frozenset({"/livez", "/readyz", "/healthz", "/metrics"})  # it answers them; machines ask every few seconds


class KnownPaths:
    """Gives every path that is no call one name, and drops the query, which no call has.

    Stands outermost: BentoML keeps a few series of metrics for each path ever
    asked, and writes paths into its log as they came, before any token is seen.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the call on."""
        if scope["type"] != "lifespan":
            path = scope["path"] if scope["path"] in OPEN_PATHS or scope["path"] in PATH_TO_SCOPES else NOWHERE
            scope = {**scope, "path": path, "raw_path": path.encode(), "query_string": b""}
        await self._app(scope, receive, send)
