"""What is wrong with a request, and how each error is answered."""

import re
from dataclasses import dataclass
from typing import Any

from posology.errors import CannotDo, Conflict, NotFound, PosologyError, Refused, ServiceDown

NAME = re.compile(r"[\w.\[\]-]{1,120}")


class RequestError(CannotDo):
    """A request that is not as documented.

    Args:
        message: what was expected; never what came, which may be a patient's data.
        field: the field at fault, for example ``measurements[0].score``.
        status: 422 for a value, 400 for a body that cannot be read at all.
    """

    def __init__(self, message: str, *, field: str | None = None, status: int = 422) -> None:
        super().__init__(message)
        self.field = field
        self.status = status


class NoConsent(Refused):
    """The patient has not consented."""


def refuse_without(consent: bool) -> None:
    """Raise ``NoConsent`` unless there is consent."""
    if not consent:
        raise NoConsent("the user has not consented, or not any more")


@dataclass(frozen=True)
class Problem:
    """An error as it is answered; its code is that of its status unless it has one of its own."""

    status: int
    message: str
    field: str | None = None
    code: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The body of the answer."""
        about = {"code": self.code or CODES[self.status], "message": self.message}
        is_a_name = self.field is not None and NAME.fullmatch(self.field)  # a field nobody asked for may be anything
        return {"error": {**about, "field": self.field} if is_a_name else about}


CODES = {
    400: "bad_request",
    401: "unauthorized",
    403: "no_consent",
    404: "not_found",
    409: "conflict",
    422: "invalid",
    429: "too_many_requests",
    503: "unavailable",
}
STATUSES: tuple[tuple[type[PosologyError], int], ...] = (
    (NoConsent, 403),
    (NotFound, 404),
    (Conflict, 409),
    (ServiceDown, 503),
)
BROKEN = Problem(503, "the request could not be answered; it was logged, try again later")


def problem_of(error: PosologyError) -> Problem:
    """How an error raised on purpose is answered."""
    if isinstance(error, RequestError):
        return Problem(error.status, str(error), error.field)
    status = next((status for kind, status in STATUSES if isinstance(error, kind)), None)
    return BROKEN if status is None else Problem(status, str(error))
