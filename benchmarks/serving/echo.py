"""The peer that computes nothing: a bare BentoML endpoint that answers what it was sent."""

from typing import Any

import bentoml


@bentoml.service(name="echo", workers=1, traffic={"timeout": 30})
class Echo:
    """One worker, as the service has."""

    @bentoml.api(route="/echo")
    async def echo(self, body: dict[str, Any], /) -> dict[str, Any]:
        """The body, read and written again."""
        return body
