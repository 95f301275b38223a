"""Series of wearables as numbers that can be read: level, spread and slope, and catch22 (Lubba et al. 2019)."""

import numpy as np
import polars as pl

LEAST_VALUES = 10  # below it most of catch22 says nothing
SUMMARY = ("mean", "sd", "slope", "values")
CATCH22 = (
    *("mode_5", "mode_10", "outlier_timing_pos", "outlier_timing_neg", "acf_timescale", "acf_first_min"),
    *("low_freq_power", "median_freq", "forecast_error", "whiten_timescale", "high_fluctuation", "stretch_high"),
    *("stretch_decreasing", "entropy_pairs", "ami2", "trev", "ami_timescale", "transition_variance", "periodicity"),
    *("embedding_dist", "rs_range", "dfa"),
)
NUMBERS = (*SUMMARY, *CATCH22)


def numbers_of_series(values: pl.Series) -> np.ndarray:
    """(n, 26) ``NUMBERS`` of each series; NaN where it is missing, too short or never varies.

    Gaps within a series are passed over. ``slope`` is per step; catch22 is of the standardised series, as its
    authors define it.
    """
    return np.array([_numbers(series) for series in values], dtype=float).reshape(-1, len(NUMBERS))


def _numbers(series: pl.Series | None) -> np.ndarray:
    import pycatch22

    given = np.zeros(0) if series is None else series.cast(pl.Float64).fill_null(np.nan).to_numpy()
    step = np.flatnonzero(np.isfinite(given))
    values = given[step]
    if values.size < LEAST_VALUES or np.ptp(values) == 0:
        return np.full(len(NUMBERS), np.nan)
    away = step - step.mean()
    slope = (away * values).sum() / (away**2).sum()
    shape = pycatch22.catch22_all(values.tolist(), short_names=True)["values"]
    numbers = np.array([values.mean(), values.std(), slope, values.size, *shape])
    return np.where(np.isfinite(numbers), numbers, np.nan)
