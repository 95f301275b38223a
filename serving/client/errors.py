"""How a call fails: one exception a kind, with the service's code and the field at fault.

CallError
├── InvalidError        400, 422: the request is not as documented, or a value is wrong
├── TokenError          401, or 403 for a token that may not make this call
├── NoConsentError      403: the patient has not consented, or not any more
├── NotFoundError       404: no such patient, decision, plan or call
├── ConflictError       409: it is there with other values
└── UnavailableError    429, 503, or nobody answered, after all retries
"""

from typing import Any


class CallError(Exception):
    """A call that was refused or not answered.

    Attributes:
        status: of HTTP; 0 when nobody answered.
        code: the service's, for example ``conflict``.
        field: at fault, for example ``context.sleep_hours``.
    """

    def __init__(self, message: str, *, status: int, code: str, field: str | None = None) -> None:
        super().__init__(f"{field}: {message}" if field else message)
        self.status, self.code, self.field = status, code, field


class InvalidError(CallError):
    """The request is not as documented, or a value is wrong: sending it again does not help."""


class TokenError(CallError):
    """No token, an unknown one, or one that may not make this call."""


class NoConsentError(CallError):
    """The patient has not consented, or not any more."""


class NotFoundError(CallError):
    """No such patient, decision, plan or call."""


class ConflictError(CallError):
    """It is there with other values."""


class UnavailableError(CallError):
    """The service does not answer now. What was sent may or may not have been kept: sending it again is safe."""


KINDS: dict[int, type[CallError]] = {
    400: InvalidError,
    401: TokenError,
    403: TokenError,
    404: NotFoundError,
    409: ConflictError,
    422: InvalidError,
    429: UnavailableError,
    503: UnavailableError,
}


def error_of(status: int, body: Any) -> CallError:
    """The exception for an answer that is no success."""
    told = body.get("error") if isinstance(body, dict) else None
    told = told if isinstance(told, dict) else {}
    code = str(told.get("code", "unknown"))
    kind = (
        NoConsentError if code == "no_consent" else KINDS.get(status, UnavailableError if status >= 500 else CallError)
    )
    message = str(told.get("message", f"status {status}"))
    return kind(message, status=status, code=code, field=told.get("field"))
