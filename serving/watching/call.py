"""The call being answered: who watches it finds it here, wherever in the code it has got to."""

import re
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

GIVEN_ID = re.compile(rb"[A-Za-z0-9._:-]{1,64}")


@dataclass
class Call:
    """One HTTP call.

    Attributes:
        path: one of the service's, or ``other``.
        request_id: the caller's ``X-Request-ID``, or one made here.
        began: monotonic seconds at its arrival.
        about: of its answer what may be told.
    """

    path: str
    request_id: str
    began: float
    about: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """As it is counted: ``recommend`` for ``/v1/recommend``."""
        return self.path.removeprefix("/v1").removeprefix("/")


CURRENT: ContextVar[Call | None] = ContextVar("call", default=None)


def request_id(headers: list[tuple[bytes, bytes]]) -> str:
    """The caller's ``X-Request-ID`` when it is one to 64 letters, digits and ``._:-``; else a new one."""
    given = next((value for name, value in headers if name == b"x-request-id"), b"")
    return given.decode() if GIVEN_ID.fullmatch(given) else uuid4().hex
