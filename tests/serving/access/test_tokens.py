"""What a token is, and how many calls its caller may make."""

from datetime import UTC, datetime, timedelta

import pytest

from posology.errors import CannotDo
from serving.access.buckets import Bucket
from serving.access.scopes import Scope
from serving.access.tokens import digest_of, draw_token, id_in

NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)


def test_what_is_kept_of_a_token_does_not_hold_what_a_caller_sends() -> None:
    text, token = draw_token("clinic", [Scope.APP], NOW)
    secret = text.rpartition("_")[2]
    assert len(secret) == 64
    assert secret not in repr(token)
    assert all(secret not in str(value) for value in vars(token).values())
    assert token.digest == digest_of(text.encode())


def test_two_tokens_share_nothing() -> None:
    (one, first), (other, second) = (draw_token("clinic", [Scope.APP], NOW) for _ in range(2))
    assert first.token_id != second.token_id
    assert first.digest != second.digest
    assert not set(one.split("_")[2:]) & set(other.split("_")[2:])


def test_a_token_says_its_id_and_other_text_says_none() -> None:
    text, token = draw_token("clinic", [Scope.APP], NOW)
    assert id_in(text.encode()) == token.token_id
    for other in (b"", b"posology", b"a token for tests", b"\xff_\xfe_x", b"other_" + token.token_id.encode() + b"_x"):
        assert id_in(other) == ""


def test_a_token_ends_at_its_end() -> None:
    _, token = draw_token("clinic", [Scope.APP], NOW, valid_until=NOW + timedelta(days=1))
    assert token.is_valid(NOW + timedelta(hours=23))
    assert not token.is_valid(NOW + timedelta(days=1))


@pytest.mark.parametrize(
    ("name", "scopes", "rate", "said"),
    [
        (" ", [Scope.APP], 1.0, "name"),
        ("x" * 201, [Scope.APP], 1.0, "name"),
        ("clinic", [], 1.0, "scopes"),
        ("clinic", [Scope.APP], 0.0, "calls per second"),
        ("clinic", [Scope.APP], float("nan"), "calls per second"),
    ],
)
def test_a_token_that_makes_no_sense_is_refused(name: str, scopes: list[Scope], rate: float, said: str) -> None:
    with pytest.raises(CannotDo, match=said):
        draw_token(name, scopes, NOW, calls_per_second=rate)


def test_a_bucket_gives_a_burst_and_then_its_rate() -> None:
    now = 0.0
    bucket = Bucket(10.0, clock=lambda: now)
    assert [bucket.take() for _ in range(20)] == [0.0] * 20
    assert bucket.take() == pytest.approx(0.1)
    now = 1.0
    assert [bucket.take() for _ in range(10)] == [0.0] * 10
    assert bucket.take() > 0


def test_a_bucket_never_holds_more_than_its_burst() -> None:
    now = 0.0
    bucket = Bucket(10.0, clock=lambda: now)
    now = 1e6
    assert sum(bucket.take() == 0 for _ in range(100)) == 20


def test_a_slow_bucket_still_lets_a_first_call_pass() -> None:
    bucket = Bucket(0.01, clock=lambda: 0.0)
    assert bucket.take() == 0
    assert bucket.take() == pytest.approx(100)
