"""Tokens: 256 random bits for the caller, their digest for us.

A token is ``posology_ID_SECRET``: the id says which it is and is no secret, the
rest is drawn. What is kept is the SHA-256 of the whole. Nobody can guess 256
random bits, so there is nothing for a salt or a slow hash to protect, as there
would be with a password that a person thought of; and every call computes it.
"""

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from posology.errors import CannotDo
from serving.access.scopes import EVERY_SCOPE, Scope

PREFIX = "posology_"  # lets a scanner of repositories and logs recognise one
SECRET_BYTES = 32
USUAL_CALLS_PER_SECOND = 100.0
LONGEST_NAME = 200


@dataclass(frozen=True)
class Token:
    """A token as we keep it.

    Attributes:
        token_id: says which token it is; safe to show and to log.
        name: whose it is, in the operator's words.
        digest: SHA-256 of what the caller sends, hexadecimal.
        calls_per_second: what its caller may do on average in one worker; None is without limit.
        valid_until: from then on it opens nothing; None is until it is revoked.
        replaced_by: the id of the token that takes its place.
    """

    token_id: str
    name: str
    scopes: frozenset[Scope]
    digest: str = field(repr=False)
    created_at: datetime
    calls_per_second: float | None = USUAL_CALLS_PER_SECOND
    valid_until: datetime | None = None
    replaced_by: str | None = None

    def __post_init__(self) -> None:
        if not 1 <= len(self.name.strip()) <= LONGEST_NAME:
            raise CannotDo(f"A token needs a name of 1 to {LONGEST_NAME} letters: whose it is.")
        if not self.scopes:
            raise CannotDo(f"A token needs one or more scopes of {', '.join(Scope)}.")
        if self.calls_per_second is not None and not 0 < self.calls_per_second < float("inf"):
            raise CannotDo("A token's calls per second must be more than 0.")

    def is_valid(self, now: datetime) -> bool:
        """Whether it opens anything at a time."""
        return self.valid_until is None or now < self.valid_until


def draw_token(
    name: str,
    scopes: Iterable[Scope],
    now: datetime,
    *,
    calls_per_second: float | None = USUAL_CALLS_PER_SECOND,
    valid_until: datetime | None = None,
) -> tuple[str, Token]:
    """A new token: what the caller sends, which is kept nowhere, and what we keep."""
    token_id = secrets.token_hex(4)
    text = f"{PREFIX}{token_id}_{secrets.token_hex(SECRET_BYTES)}"
    return text, Token(token_id, name, frozenset(scopes), digest_of(text.encode()), now, calls_per_second, valid_until)


def first_token(text: str, now: datetime) -> Token:
    """The token that a service is started with: every scope and no limit, for whoever runs it."""
    return Token("first", "POSOLOGY_TOKEN", EVERY_SCOPE, digest_of(text.encode()), now, calls_per_second=None)


def digest_of(token: bytes) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token).hexdigest()


def id_in(token: bytes) -> str:
    """The id that a token says it has; empty when it has none."""
    start, _, rest = token.decode("latin-1").partition("_")
    return rest.partition("_")[0] if f"{start}_" == PREFIX else ""
