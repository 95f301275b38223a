"""The tokens of a store: the same on SQLite and on PostgreSQL."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from posology.errors import CannotDo, NotFound, Refused
from serving.access.scopes import Scope
from serving.access.token_table import TokenTable
from serving.access.tokens import Token, digest_of, draw_token
from serving.store import Store

NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def table(store: Store) -> TokenTable:
    return TokenTable(store.engine)


def added(table: TokenTable, *, at: datetime = NOW, valid_until: datetime | None = None) -> Token:
    scopes = [Scope.CLINICIAN, Scope.APP]
    _, token = draw_token("clinic", scopes, at, calls_per_second=7.5, valid_until=valid_until)
    table.add(token)
    return token


def test_tokens_come_back_as_they_were_added_the_first_first(table: TokenTable) -> None:
    later, first = added(table, at=NOW + DAY, valid_until=NOW + 30 * DAY), added(table)
    assert table.all() == [first, later]


def test_no_byte_of_the_database_is_a_token(table: TokenTable) -> None:
    text, token = draw_token("clinic", [Scope.APP], NOW)
    table.add(token)
    with table.engine.connect() as connection:
        rows = connection.execute(sa.text("SELECT * FROM tokens")).all()
    assert rows
    assert text.rpartition("_")[2] not in repr(rows)


def test_a_revoked_token_has_ended_and_again_changes_nothing(table: TokenTable) -> None:
    token = added(table)
    assert not table.revoke(token.token_id, NOW + DAY).is_valid(NOW + DAY)
    assert table.revoke(token.token_id, NOW + 2 * DAY).valid_until == NOW + DAY
    assert [kept.valid_until for kept in table.all()] == [NOW + DAY]


def test_a_successor_is_like_the_old_one_which_ends_after_the_overlap(table: TokenTable) -> None:
    old = added(table)
    text, new = table.rotate(old.token_id, NOW + DAY, overlap=timedelta(hours=2))
    kept = {token.token_id: token for token in table.all()}
    assert kept[new.token_id] == new
    assert new.digest == digest_of(text.encode()) != old.digest
    assert (new.name, new.scopes, new.calls_per_second) == (old.name, old.scopes, old.calls_per_second)
    assert new.valid_until is None
    assert kept[old.token_id].replaced_by == new.token_id
    assert kept[old.token_id].valid_until == NOW + DAY + timedelta(hours=2)


def test_no_more_than_two_are_valid_at_a_time(table: TokenTable) -> None:
    old = added(table)
    _, new = table.rotate(old.token_id, NOW, overlap=DAY)
    with pytest.raises(Refused, match=new.token_id):
        table.rotate(old.token_id, NOW, overlap=DAY)
    table.rotate(new.token_id, NOW + 2 * DAY, overlap=DAY)
    valid = [token for token in table.all() if token.is_valid(NOW + 2 * DAY)]
    assert len(valid) == 2


def test_an_overlap_does_not_lengthen_a_token_and_its_successor_lives_as_long(table: TokenTable) -> None:
    old = added(table, valid_until=NOW + 10 * DAY)
    _, new = table.rotate(old.token_id, NOW + 9 * DAY, overlap=5 * DAY)
    assert {token.token_id: token for token in table.all()}[old.token_id].valid_until == NOW + 10 * DAY
    assert new.valid_until == NOW + 19 * DAY


def test_what_is_not_there_or_has_ended_cannot_be_rotated(table: TokenTable) -> None:
    with pytest.raises(NotFound, match="token list"):
        table.revoke("nothing", NOW)
    ended = added(table, valid_until=NOW)
    with pytest.raises(Refused, match="has ended"):
        table.rotate(ended.token_id, NOW, overlap=DAY)
    with pytest.raises(CannotDo, match="negative"):
        table.rotate(ended.token_id, NOW, overlap=-DAY)
