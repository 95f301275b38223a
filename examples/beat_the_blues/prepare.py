"""The Beat the Blues trial as the four tables: 100 people, one randomised decision each, BDI over eight months."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from examples.preparing import read_csv, run
from posology.tables import Tables, catalogue_of
from posology.therapy_file import load_therapy

THERAPY = Path(__file__).with_name("therapy.yaml")
READING_TO_MONTHS = {"bdi.pre": 0, "bdi.2m": 2, "bdi.3m": 3, "bdi.5m": 5, "bdi.8m": 8}
COLUMNS = ("drug", "length", "treatment", *READING_TO_MONTHS)
DAYS_PER_MONTH = 30.4375
FIRST_DAY = datetime(2000, 1, 3, 9, tzinfo=UTC)  # the file has no dates


def prepare(raw: Path) -> Tables:
    """The tables from the folder that holds ``BtheB.csv``."""
    therapy = load_therapy(THERAPY)
    trial = read_csv(raw, "BtheB.csv", columns=COLUMNS).with_row_index("row", offset=1)
    trial = trial.with_columns(
        user_id=pl.format("patient-{}", pl.col("row").cast(pl.String).str.zfill(3)),
        enrolled_at=pl.lit(FIRST_DAY) + pl.duration(days=pl.col("row") - 1),
    )
    return Tables.conform(
        therapy,
        {
            "users": _users(trial),
            "measurements": _measurements(trial),
            "contents": catalogue_of(therapy),
            "sessions": _sessions(trial),
        },
    )


def _users(trial: pl.DataFrame) -> pl.DataFrame:
    return trial.select(
        "user_id",
        "enrolled_at",
        consent=pl.lit(value=True),
        drug=pl.col("drug") == "Yes",
        length=pl.col("length").replace_strict({"<6m": "under_6_months", ">6m": "over_6_months"}),
    )


def _measurements(trial: pl.DataFrame) -> pl.DataFrame:
    long = trial.unpivot(
        list(READING_TO_MONTHS), index=("user_id", "enrolled_at"), variable_name="reading", value_name="score"
    ).drop_nulls("score")
    days = (pl.col("reading").replace_strict(READING_TO_MONTHS) * DAYS_PER_MONTH).round().cast(pl.Int64)
    return long.select(
        "user_id",
        "score",
        measured_at=pl.col("enrolled_at") + pl.duration(days=days),
        instrument=pl.lit("BDI"),
    )


def _sessions(trial: pl.DataFrame) -> pl.DataFrame:
    return trial.select(
        "user_id",
        decision_id=pl.format("{}-1", "user_id"),
        decided_at=pl.col("enrolled_at") + timedelta(hours=1),
        content_id=pl.col("treatment").replace_strict({"BtheB": "btheb", "TAU": "tau"}),
        eligible=pl.concat_list(pl.lit("btheb"), pl.lit("tau")),
        probability=pl.lit(0.5),
    )


if __name__ == "__main__":
    run(prepare, __doc__)
