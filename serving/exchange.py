"""One HTTP exchange as ASGI has it: the body that came, the answer that goes."""

import asyncio
from collections.abc import Iterable

from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from serving.problems import Problem, RequestError

JSON = "application/json"


def header(scope: Scope, name: bytes) -> str | None:
    """The first header of that name, in lower case."""
    return next((value.decode("latin-1") for found, value in scope["headers"] if found == name), None)


async def json_bytes(scope: Scope, receive: Receive, *, at_most: int, within: float) -> bytes:
    """The whole body of a request that says it is JSON.

    Args:
        at_most: bytes.
        within: seconds.

    Raises:
        RequestError: (400) it is not JSON, larger, later, or its caller left.
    """
    if (header(scope, b"content-type") or "").partition(";")[0].strip().lower() != JSON:
        raise RequestError(f"expected Content-Type: {JSON}", status=400)
    try:
        async with asyncio.timeout(within):
            return await _whole(receive, at_most)
    except TimeoutError:
        raise RequestError(f"expected the whole body within {within:g} s", status=400) from None


async def _whole(receive: Receive, at_most: int) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise RequestError("expected a whole body", status=400)  # nobody reads it, but it is no alarm
        body += message.get("body", b"")
        if len(body) > at_most:
            raise RequestError(f"expected a body of at most {at_most} bytes", status=400)
        if not message.get("more_body"):
            return bytes(body)


async def send_json(send: Send, body: bytes) -> None:
    """Answer with JSON that is written already."""
    headers: Iterable[tuple[bytes, bytes]] = [
        (b"content-length", str(len(body)).encode()),
        (b"content-type", JSON.encode()),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def refusal(problem: Problem, headers: dict[str, str] | None = None) -> JSONResponse:
    """An error as an ASGI app that answers it."""
    return JSONResponse(problem.as_json(), problem.status, headers=headers)
