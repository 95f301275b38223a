"""What a row says of users and contents, held against those tables.

``with_users`` and ``with_contents`` lay beside each row what the rules need to
know; the rules here and in ``sessions`` are conditions over the result.
"""

from collections.abc import Iterator

import polars as pl

from expectations.rule import Rule, holds

_user_known = pl.col("user:accepted").is_not_null()


def with_users(rows: pl.DataFrame, users: pl.DataFrame, accepted: pl.Series) -> pl.DataFrame:
    """The rows, each with its user's enrolment, consent and whether the user was accepted (null: no such user)."""
    known = (
        users.select("user_id", "enrolled_at", "consent", accepted.alias("accepted"))
        .filter(pl.col("user_id").is_not_null())
        .group_by("user_id")
        .agg(pl.first("enrolled_at", "consent"), pl.any("accepted"))
    )
    return _beside(rows, known, "user")


def with_contents(rows: pl.DataFrame, contents: pl.DataFrame, accepted: pl.Series) -> pl.DataFrame:
    """The rows, each with its content's active time and what is known of the contents it gave or could have given."""
    known = (
        contents.select("content_id", "active_from", "active_until", accepted.alias("accepted"))
        .filter(pl.col("content_id").is_not_null())
        .unique("content_id", keep="first")
    )
    all_ids, accepted_ids = known["content_id"], known.filter("accepted")["content_id"]
    return _beside(rows, known, "content").with_columns(
        _all_in("eligible", all_ids).alias("eligible:known"),
        _all_in("eligible", accepted_ids).alias("eligible:accepted"),
    )


def of_its_user() -> Iterator[Rule]:
    """V401, V502 and V901, for a table with a user_id; rows must come from ``with_users``."""
    is_known = pl.when(pl.col("user_id").is_not_null()).then(_user_known)
    yield holds("V401", "user_id", "is a user", is_known)
    yield holds("V502", "user_id", "has given consent", pl.col("user:consent"))
    yield holds("V901", "user_id", "its user is not in quarantine", pl.col("user:accepted"))


def of_its_content() -> Iterator[Rule]:
    """V402, V403 and V902; rows must come from ``with_contents``."""
    is_known = pl.when(pl.col("content_id").is_not_null()).then(pl.col("content:accepted").is_not_null())
    # An unknown content is V403's; contents not listed (null) cannot be said to be in quarantine.
    others_stay = (pl.col("eligible:accepted") | ~pl.col("eligible:known")).fill_null(value=True)
    yield holds("V402", "content_id", "is a content", is_known)
    yield holds("V403", "eligible", "lists contents only", pl.col("eligible:known"))
    says = "no content it gave or could have given is in quarantine"
    yield holds("V902", "content_id", says, pl.col("content:accepted") & others_stay)


def _beside(rows: pl.DataFrame, known: pl.DataFrame, prefix: str) -> pl.DataFrame:
    key = known.columns[0]
    named = known.rename({name: f"{prefix}:{name}" for name in known.columns[1:]})
    return rows.join(named, on=key, how="left", maintain_order="left")


def _all_in(column: str, ids: pl.Series) -> pl.Expr:
    return pl.col(column).list.eval(pl.element().is_in(ids.implode()).fill_null(value=False)).list.all()
