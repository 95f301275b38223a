"""A place is taken while an answer is worked on, not while it is sent."""

import asyncio
from typing import Any

from starlette.responses import PlainTextResponse
from starlette.types import Message

from serving.guards import InFlightLimit

SCOPE = {"type": "http", "method": "GET", "path": "/", "headers": []}


async def nothing() -> Message:
    return {"type": "http.disconnect"}


def test_a_caller_who_never_reads_takes_no_place() -> None:
    limit, status = InFlightLimit(PlainTextResponse("answer"), limit=1), []

    async def hear(message: Message) -> None:
        status.append(message.get("status"))

    async def ask() -> None:
        begun = asyncio.Event()

        async def never_read(_: Message) -> Any:
            begun.set()
            await asyncio.Event().wait()

        deaf = asyncio.create_task(limit(SCOPE, nothing, never_read))
        await begun.wait()
        await limit(SCOPE, nothing, hear)
        deaf.cancel()

    asyncio.run(ask())
    assert status[0] == 200
