"""The Oralytics pilot as the four tables: nine people, two brushing windows a day, a message or none."""

from datetime import timedelta
from pathlib import Path

import polars as pl

from examples.preparing import read_csv, run
from posology.tables import Tables, catalogue_of
from posology.therapy_file import load_therapy

THERAPY = Path(__file__).with_name("therapy.yaml")
STATE = ("state_tod", "state_b_bar", "state_a_bar", "state_app_engage")
COLUMNS = ("user_id", "user_decision_t", "decision_time", "action", "prob", "quality", *STATE)
BRUSHED_AFTER = timedelta(hours=1)  # the file does not say when; any time before the next window serves


def prepare(raw: Path) -> Tables:
    """The tables from the folder that holds ``oralytics_pilot_data.csv``."""
    therapy = load_therapy(THERAPY)
    log = read_csv(raw, "oralytics_pilot_data.csv", columns=COLUMNS).with_columns(
        decided_at=pl.col("decision_time").str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="us", time_zone="UTC")
    )
    empty = Tables.from_rows(therapy)
    return Tables.conform(
        therapy,
        {
            "users": _users(log),
            "measurements": empty.measurements,
            "contents": catalogue_of(therapy),
            "sessions": _sessions(log),
        },
    )


def _users(log: pl.DataFrame) -> pl.DataFrame:
    first = log.group_by("user_id").agg(enrolled_at=pl.col("decided_at").min() - timedelta(minutes=1))
    return first.with_columns(consent=pl.lit(value=True))


def _sessions(log: pl.DataFrame) -> pl.DataFrame:
    sent = pl.col("action") == 1
    return log.select(
        "user_id",
        "decided_at",
        decision_id=pl.format("{}-{}", "user_id", pl.col("user_decision_t").cast(pl.String).str.zfill(3)),
        content_id=pl.when(sent).then(pl.lit("message")).otherwise(pl.lit("none")),
        eligible=pl.concat_list(pl.lit("message"), pl.lit("none")),
        probability=pl.when(sent).then("prob").otherwise(1 - pl.col("prob")),  # prob is P(message)
        feedback_at=pl.col("decided_at") + BRUSHED_AFTER,
        state_tod=pl.when(pl.col("state_tod") == 0).then(pl.lit("morning")).otherwise(pl.lit("evening")),
        state_b_bar="state_b_bar",
        state_a_bar="state_a_bar",
        state_app_engage=pl.col("state_app_engage") == 1,
        quality="quality",
    )


if __name__ == "__main__":
    run(prepare, __doc__)
