"""Folding courses into features, against pandas and against reading the files at all."""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl

from benchmarks.cohorts import PATIENTS, mci, tables
from benchmarks.pandas_features import by_pandas
from benchmarks.result import Result, race
from models.contents import ContentArrays
from models.features import Features
from posology.tables import NAMES, ORDERS, Tables


def run(patients: int = PATIENTS, rounds: int = 3) -> Result:
    """Seconds for the features of every session."""
    made = tables(patients)
    features = Features(mci(), ContentArrays(mci(), made.contents))
    ours = partial(features.of_given, made, np.arange(made.sessions.height))
    frames = {name: getattr(made, name).to_pandas() for name in NAMES}
    _check_equal(features.names, ours(), by_pandas(mci(), frames))
    with tempfile.TemporaryDirectory() as folder:
        made.write(Path(folder, "tables"))
        runners: dict[str, Callable[[], object]] = {
            "our fold": ours,
            "pandas: group-by, ewm, rolling and as-of joins": partial(by_pandas, mci(), frames),
            "reading and sorting the Parquet files, no feature": partial(_read_and_sort, Path(folder, "tables")),
        }
        seconds = race(runners, rounds=rounds)
    fold, pandas, read = seconds.values()
    return Result(
        asks=(
            f"The {len(features.names)} features of {made.sessions.height:,} sessions from tables in memory, on one "
            "thread. pandas makes the same features without a loop over rows or patients, checked to be equal."
        ),
        columns=("what", "seconds", "sessions per second"),
        rows=tuple((name, spent, made.sessions.height / spent) for name, spent in seconds.items()),
        says=(
            f"The fold is {pandas / fold:.0f} times as fast as pandas.",
            f"It takes {fold / read:.2g} times what only reading and sorting the files takes (Polars, all cores).",
        ),
    )


def _read_and_sort(folder: Path) -> Tables:
    return Tables(**{name: pl.read_parquet(folder / f"{name}.parquet").sort(ORDERS[name]) for name in NAMES})


def _check_equal(names: tuple[str, ...], ours: np.ndarray, theirs: pd.DataFrame) -> None:
    for column, name in enumerate(names):
        found = theirs[name].to_numpy(dtype=float)
        np.testing.assert_allclose(ours[:, column], found, rtol=1e-6, atol=1e-6, err_msg=name)
