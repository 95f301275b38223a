"""Adaptive dual n-back training as the four tables: 23 people, 18 sessions of 20 blocks, four scans."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from examples.preparing import read_csv, run
from posology.errors import TableError, first_few
from posology.tables import Tables, catalogue_of
from posology.therapy_file import load_therapy

THERAPY = Path(__file__).with_name("therapy.yaml")
HIGHEST, BLOCKS, SCANS = 7, 20, 4
FIRST_DAY = datetime(2017, 1, 2, tzinfo=UTC)  # a Monday; the files have no dates
DAYS_OF_WEEK = (0, 2, 4)  # three sessions a week for six weeks
BLOCK_LENGTH = timedelta(minutes=2)


def prepare(raw: Path) -> Tables:
    """The tables from the folder that holds the three ``LB_*.csv`` files."""
    therapy = load_therapy(THERAPY)
    blocks = _blocks(raw)
    scans = read_csv(
        raw, "LB_fmri_behaviour_tidy.csv", columns=("sub", "session", "n", "modality", "dprime", "sex", "group")
    )
    scans = scans.filter((pl.col("n") == 2) & (pl.col("group") == "Experimental"))
    _check_same_people(blocks, scans, raw)
    start = _start_of_each(blocks)
    return Tables.conform(
        therapy,
        {
            "users": _users(scans, start),
            "measurements": _measurements(scans, start),
            "contents": catalogue_of(therapy),
            "sessions": _sessions(blocks, start),
        },
    )


def _blocks(raw: Path) -> pl.DataFrame:
    """One row a block: user_id, session, block, level."""
    numbers = [str(block) for block in range(1, BLOCKS + 1)]
    wide = read_csv(raw, "LB_training_progress.csv", columns=("sub", "session", *numbers))
    long = wide.unpivot(numbers, index=("sub", "session"), variable_name="block", value_name="level")
    return long.select(
        "session",
        "level",
        user_id=pl.col("sub").str.replace("LB0", "sub-"),
        block=pl.col("block").cast(pl.Int64),
    ).sort("user_id", "session", "block")


def _check_same_people(blocks: pl.DataFrame, scans: pl.DataFrame, raw: Path) -> None:
    """Training LB005 is scan sub-05: the summary, which is keyed like the scans, must follow from the blocks."""
    summary = read_csv(raw, "LB_training_summary.csv", columns=("sub", "nback_baseline", "nback_max_level"))
    recomputed = blocks.group_by(sub="user_id").agg(
        baseline=pl.col("level").filter(pl.col("session") == 1).mean(), highest=pl.col("level").max()
    )
    both = summary.join(recomputed, on="sub", how="full", coalesce=True)
    agrees = (pl.col("baseline") - pl.col("nback_baseline")).abs().lt(1e-9) & pl.col("highest").eq(
        pl.col("nback_max_level")
    )
    unmatched = both.filter(~agrees.fill_null(value=False))["sub"].to_list()
    unmatched += set(recomputed["sub"]) ^ set(scans["sub"])
    if unmatched:
        raise TableError(
            f"{raw}: expected every person's levels in LB_training_progress.csv to give the figures of "
            "LB_training_summary.csv, and every one to be scanned in LB_fmri_behaviour_tidy.csv; not so for "
            f"{first_few(sorted(set(unmatched)))}; are the three files of one version?",
            table="LB_training_summary.csv",
        )


def _start_of_each(blocks: pl.DataFrame) -> pl.DataFrame:
    """One person begins each week, in the order of their ids."""
    users = blocks["user_id"].unique().sort()
    return pl.DataFrame({"user_id": users, "start": [FIRST_DAY + timedelta(weeks=week) for week in range(len(users))]})


def _users(scans: pl.DataFrame, start: pl.DataFrame) -> pl.DataFrame:
    sex = scans.group_by(user_id="sub").agg(pl.col("sex").first().str.to_lowercase())
    return start.join(sex, on="user_id").select(
        "user_id", "sex", enrolled_at=pl.col("start") + timedelta(hours=8), consent=pl.lit(value=True)
    )


def _measurements(scans: pl.DataFrame, start: pl.DataFrame) -> pl.DataFrame:
    """Scans before training and after two, four and six weeks of it."""
    means = scans.group_by("session", user_id="sub").agg(score=pl.col("dprime").mean())
    weeks = (pl.col("session") - 1) * 2
    return means.join(start, on="user_id").select(
        "user_id",
        "score",
        measured_at=pl.col("start") + pl.duration(weeks=weeks, hours=9),
        instrument=pl.lit("d_prime_2back"),
    )


def _sessions(blocks: pl.DataFrame, start: pl.DataFrame) -> pl.DataFrame:
    within = ("user_id", "session")
    session, block, level = pl.col("session"), pl.col("block"), pl.col("level")
    weekday = pl.Series(DAYS_OF_WEEK)
    days = (session - 1) // 3 * 7 + pl.lit(weekday.implode()).list.get((session - 1) % 3)
    change = (level.shift(-1).over(within) - level).sign()
    known = blocks.with_columns(previous=level.shift(1).over(within), next_change=change)
    return known.join(start, on="user_id").select(
        "user_id",
        "next_change",
        "block",
        decision_id=pl.format("{}-{}-{}", "user_id", _two_digits(session), _two_digits(block)),
        decided_at=pl.col("start") + pl.duration(days=days, hours=18) + (block - 1) * BLOCK_LENGTH,
        content_id=_level_id(level),
        eligible=_within_reach(),
        probability=pl.lit(1.0),  # the staircase is deterministic
        feedback_at=pl.when(pl.col("next_change").is_not_null()).then(
            pl.col("start") + pl.duration(days=days, hours=18) + block * BLOCK_LENGTH
        ),
        training_session=session,
    )


def _within_reach() -> pl.Expr:
    """One step down, the same, one step up; the one chosen; and the safe default."""
    previous = pl.col("previous").fill_null(1 - HIGHEST)  # a session's first block is always level 1
    reachable = [
        pl.when((pl.lit(n) - previous).abs().le(1) | (pl.col("level") == n) | pl.lit(n == 1)).then(pl.lit(f"level_{n}"))
        for n in range(1, HIGHEST + 1)
    ]
    return pl.concat_list(reachable).list.drop_nulls()


def _level_id(level: pl.Expr) -> pl.Expr:
    return pl.format("level_{}", level)


def _two_digits(number: pl.Expr) -> pl.Expr:
    return number.cast(pl.String).str.zfill(2)


if __name__ == "__main__":
    run(prepare, __doc__)
