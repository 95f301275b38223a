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
    own = ("enrolled_at", "consent", "consent_withdrawn_at")
    known = (
        users.select("user_id", *own, accepted.alias("accepted"))
        .filter(pl.col("user_id").is_not_null())
        .group_by("user_id")
        .agg(pl.first(*own), pl.any("accepted"))
    )
    return _beside(rows, known, "user")


def with_contents(
    rows: pl.DataFrame, contents: pl.DataFrame, accepted: pl.Series, *, safe_default: str
) -> pl.DataFrame:
    """The rows, each with its content's active time and what is known of the contents it gave or could have given."""
    known = (
        contents.select("content_id", "active_from", "active_until", accepted.alias("accepted"))
        .filter(pl.col("content_id").is_not_null())
        .unique("content_id", keep="first", maintain_order=True)
    )
    all_ids, accepted_ids = known["content_id"], known.filter("accepted")["content_id"]
    return _beside(rows, known, "content").with_columns(
        _all_in("eligible", all_ids).alias("eligible:known"),
        _all_in("eligible", accepted_ids).alias("eligible:accepted"),
        _all_active(rows, known.filter(pl.col("content_id") != safe_default)).alias("eligible:active"),
    )


def of_its_user(*times: str) -> Iterator[Rule]:
    """V401, V502, V506 for each of the times, and V901, for a table with a user_id; rows must come from
    ``with_users``."""
    is_known = pl.when(pl.col("user_id").is_not_null()).then(_user_known)
    yield holds("V401", "user_id", "is a user", is_known)
    yield holds("V502", "user_id", "has given consent", pl.col("user:consent"))
    for time in times:
        is_before = pl.col(time) <= pl.col("user:consent_withdrawn_at")
        yield holds("V506", time, "is not after the user withdrew consent", is_before)
    yield holds("V901", "user_id", "its user is not in quarantine", pl.col("user:accepted"))


def of_its_content(safe_default: str) -> Iterator[Rule]:
    """V402, V403, V504, V509 and V902; rows must come from ``with_contents``."""
    is_known = pl.when(pl.col("content_id").is_not_null()).then(pl.col("content:accepted").is_not_null())
    # An unknown content is V403's; contents not listed (null) cannot be said to be in quarantine.
    others_stay = (pl.col("eligible:accepted") | ~pl.col("eligible:known")).fill_null(value=True)
    yield holds("V402", "content_id", "is a content", is_known)
    yield holds("V403", "eligible", "lists contents only", pl.col("eligible:known"))
    too_early = (pl.col("decided_at") < pl.col("content:active_from")).fill_null(value=False)
    too_late = (pl.col("decided_at") >= pl.col("content:active_until")).fill_null(value=False)
    is_active = ~(too_early | too_late) | (pl.col("content_id") == safe_default)
    yield holds("V504", "content_id", "was active when it was given", is_active)
    yield holds("V509", "eligible", "lists active contents only", pl.col("eligible:active"))
    says = "no content it gave or could have given is in quarantine"
    yield holds("V902", "content_id", says, pl.col("content:accepted") & others_stay)


def _all_active(rows: pl.DataFrame, contents: pl.DataFrame) -> pl.Expr:
    """Whether every eligible content was active; contents that were so at all these times need no look."""
    # As microseconds: a time may lie beyond the years that Python knows.
    decided_at, all_active = pl.col("decided_at").to_physical(), pl.lit(value=True)
    met = rows["decided_at"].to_physical()
    timed = contents.select("content_id", pl.col("active_from", "active_until").to_physical())
    timed = timed.filter((pl.col("active_from") > pl.lit(met.min())) | (pl.col("active_until") <= pl.lit(met.max())))
    for content_id, *bounds in timed.rows():
        since, until = (pl.lit(bound, dtype=pl.Int64) for bound in bounds)
        is_inactive = (decided_at < since).fill_null(value=False) | (decided_at >= until).fill_null(value=False)
        all_active &= ~(is_inactive & pl.col("eligible").list.contains(pl.lit(content_id)))
    return all_active


def _beside(rows: pl.DataFrame, known: pl.DataFrame, prefix: str) -> pl.DataFrame:
    key = known.columns[0]
    named = known.rename({name: f"{prefix}:{name}" for name in known.columns[1:]})
    return rows.join(named, on=key, how="left", maintain_order="left")


def _all_in(column: str, ids: pl.Series) -> pl.Expr:
    return pl.col(column).list.eval(pl.element().is_in(ids.implode()).fill_null(value=False)).list.all()
