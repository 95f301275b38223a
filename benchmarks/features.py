"""Folding courses into features, against pandas and against reading the files at all."""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl

from benchmarks.cohorts import PATIENTS, mci, tables
from benchmarks.result import Result, race
from models.contents import ContentArrays
from models.features import Features
from posology.tables import NAMES, ORDERS, Tables

BY_PANDAS = (
    *("days_enrolled", "given", "days_since_given", "minutes_last_24h"),
    *("content_given", "content_days_since", "group_given", "group_days_since"),
    *("scores", "score_first", "score_last", "score_change", "days_since_score"),
)
DAY = pd.Timedelta(days=1)


def run(patients: int = PATIENTS, rounds: int = 3) -> Result:
    """Seconds for the features of every session."""
    made = tables(patients)
    features = Features(mci(), ContentArrays(mci(), made.contents))
    ours = partial(features.of_given, made, np.arange(made.sessions.height))
    frames = {name: getattr(made, name).to_pandas() for name in NAMES}
    _check_equal(pl.DataFrame(ours(), schema=list(features.names)), by_pandas(frames))
    with tempfile.TemporaryDirectory() as folder:
        made.write(Path(folder, "tables"))
        runners: dict[str, Callable[[], object]] = {
            f"our fold, all {len(features.names)} features": ours,
            f"pandas group-by, {len(BY_PANDAS)} of them": partial(by_pandas, frames),
            "reading and sorting the Parquet files, no feature": partial(_read_and_sort, Path(folder, "tables")),
        }
        seconds = race(runners, rounds=rounds)
    fold, pandas, _ = seconds.values()
    return Result(
        asks=(
            f"The features of {made.sessions.height:,} sessions from tables in memory. pandas makes those that "
            f"group-by, rolling sums and an as-of join can say, checked to be equal: {', '.join(BY_PANDAS)}. The "
            "others (running means of feedback as it became known, runs, shares of the last nine) need a loop in it."
        ),
        columns=("what", "seconds", "sessions per second"),
        rows=tuple((name, spent, made.sessions.height / spent) for name, spent in seconds.items()),
        says=(
            f"One feature of one session takes the fold {_nanoseconds(fold, made, len(features.names))} ns and pandas "
            f"{_nanoseconds(pandas, made, len(BY_PANDAS))} ns.",
        ),
    )


def by_pandas(frames: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """``BY_PANDAS``, one row a session, in the order of the sessions table."""
    rows = frames["sessions"][["user_id", "decided_at", "content_id"]]
    rows = rows.merge(frames["users"][["user_id", "enrolled_at"]], on="user_id", how="left")
    rows = rows.merge(frames["contents"][["content_id", "domain", "minutes"]], on="content_id", how="left")
    time = rows["decided_at"]
    made = pd.DataFrame({"days_enrolled": (time - rows["enrolled_at"]) / DAY})
    for prefix, keys in {
        "": ["user_id"],
        "content_": ["user_id", "content_id"],
        "group_": ["user_id", "domain"],
    }.items():
        alike = rows.groupby(keys, sort=False)["decided_at"]
        made[f"{prefix}given"] = alike.cumcount()
        made["days_since_given" if not prefix else f"{prefix}days_since"] = (time - alike.shift()) / DAY
    dose = rows.set_index("decided_at").groupby("user_id", sort=False)["minutes"].rolling("24h", closed="neither").sum()
    made["minutes_last_24h"] = dose.fillna(0.0).to_numpy()
    return pd.concat([made, _scores(rows, frames["measurements"])], axis=1)[list(BY_PANDAS)]


def _scores(rows: pd.DataFrame, measurements: pd.DataFrame) -> pd.DataFrame:
    readings = measurements[["user_id", "measured_at", "score"]].copy()
    of_user = readings.groupby("user_id", sort=False)["score"]
    readings["scores"], readings["score_first"] = of_user.cumcount() + 1, of_user.transform("first")
    left = rows[["user_id", "decided_at"]].reset_index().sort_values("decided_at")
    right = readings.sort_values("measured_at")
    found = pd.merge_asof(left, right, left_on="decided_at", right_on="measured_at", by="user_id")
    found = found.set_index("index").sort_index()
    return pd.DataFrame(
        {
            "scores": found["scores"].fillna(0),
            "score_first": found["score_first"],
            "score_last": found["score"],
            "score_change": found["score"] - found["score_first"],
            "days_since_score": (found["decided_at"] - found["measured_at"]) / DAY,
        }
    )


def _nanoseconds(seconds: float, made: Tables, features: int) -> int:
    return round(1e9 * seconds / made.sessions.height / features)


def _read_and_sort(folder: Path) -> Tables:
    return Tables(**{name: pl.read_parquet(folder / f"{name}.parquet").sort(ORDERS[name]) for name in NAMES})


def _check_equal(ours: pl.DataFrame, theirs: pd.DataFrame) -> None:
    for name in BY_PANDAS:
        np.testing.assert_allclose(ours[name].to_numpy(), theirs[name].to_numpy(dtype=float), atol=1e-6, err_msg=name)
