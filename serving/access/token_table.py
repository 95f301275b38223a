"""The tokens of a store's database, so that every worker knows the same ones."""

import dataclasses
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from posology.errors import CannotDo, NotFound, Refused
from serving.access.scopes import Scope
from serving.access.tokens import Token, draw_token
from serving.database import reading, rows_of, writing
from serving.schema import tokens


@dataclasses.dataclass(frozen=True)
class TokenTable:
    """Every token that was added, also those that ended."""

    engine: sa.Engine

    def all(self) -> list[Token]:
        """The tokens, the first added first."""
        with reading(self.engine) as connection:
            rows = rows_of(connection, sa.select(tokens).order_by(tokens.c.created_at, tokens.c.token_id))
        return [_token(row) for row in rows]

    def add(self, token: Token) -> None:
        """Keep a token."""
        with writing(self.engine) as connection:
            connection.execute(tokens.insert().values(_row(token)))

    def revoke(self, token_id: str, now: datetime) -> Token:
        """End a token now; one that has ended stays as it is."""
        with writing(self.engine) as connection:
            token = _one(connection, token_id)
            if token.is_valid(now):
                token = dataclasses.replace(token, valid_until=now)
                _update(connection, token)
        return token

    def rotate(self, token_id: str, now: datetime, *, overlap: timedelta) -> tuple[str, Token]:
        """A successor with the same name, scopes and limit; the old one goes on for the overlap, and then ends.

        Gives what the caller sends from now on, and the successor.

        Raises:
            Refused: it has a successor already, so a third would be valid at a time; or it has ended.
        """
        if overlap < timedelta(0):
            raise CannotDo("The overlap of two tokens cannot be negative.")
        with writing(self.engine) as connection:
            old = _one(connection, token_id)
            if not old.is_valid(now):
                raise Refused(f"Token {token_id} has ended; add a new one: `posology token add`.")
            if old.replaced_by:
                raise Refused(f"Token {token_id} is being replaced by {old.replaced_by}; rotate or revoke that one.")
            text, new = draw_token(
                old.name, old.scopes, now, calls_per_second=old.calls_per_second, valid_until=_same_span(old, now)
            )
            ends = min(filter(None, (old.valid_until, now + overlap)))
            _update(connection, dataclasses.replace(old, valid_until=ends, replaced_by=new.token_id))
            connection.execute(tokens.insert().values(_row(new)))
        return text, new


def _same_span(old: Token, now: datetime) -> datetime | None:
    """The end of a successor that lives as long as the old one was to."""
    return None if old.valid_until is None else now + (old.valid_until - old.created_at)


def _one(connection: sa.Connection, token_id: str) -> Token:
    query = sa.select(tokens).where(tokens.c.token_id == token_id).with_for_update()  # SQLite locks as it begins
    found = rows_of(connection, query)
    if not found:
        raise NotFound(f"There is no token {token_id}; `posology token list` shows them.")
    return _token(found[0])


def _update(connection: sa.Connection, token: Token) -> None:
    connection.execute(sa.update(tokens).where(tokens.c.token_id == token.token_id).values(_row(token)))


def _row(token: Token) -> dict[str, Any]:
    return {
        **{field.name: getattr(token, field.name) for field in dataclasses.fields(token)},
        "scopes": sorted(token.scopes),
    }


def _token(row: Mapping[str, Any]) -> Token:
    return Token(**{**row, "scopes": frozenset(Scope(name) for name in row["scopes"])})
