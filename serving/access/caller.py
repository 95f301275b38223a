"""Whose token the call carries that is being answered."""

from contextvars import ContextVar

calling_token: ContextVar[str | None] = ContextVar("calling_token", default=None)  # its id, not its secret
