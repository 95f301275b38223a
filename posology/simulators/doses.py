"""The last contents of every patient, as the caps look at them."""

import numpy as np
import polars as pl

from posology.safety import LOOK_BACK, RecentDoses, feature_codes, feature_values
from posology.therapy import Therapy

MICROSECONDS_PER_DAY = 86_400_000_000


class DoseHistory:
    """What n patients were given; tells the recent doses before a decision."""

    def __init__(self, n: int, therapy: Therapy, contents: pl.DataFrame) -> None:
        self._codes = feature_codes(therapy, contents)
        self._n_values = len(feature_values(therapy))
        minutes = contents["minutes"] if "minutes" in contents.columns else pl.zeros(contents.height, eager=True)
        self._minutes = minutes.to_numpy()
        self._contents = np.full((n, LOOK_BACK), -1)  # newest first
        self._given_at = np.full((n, LOOK_BACK), np.iinfo(np.int64).min)  # µs since 1970
        self._times_in_a_row = np.zeros(n, dtype=int)

    def recent(self, patients: np.ndarray, decided_at: np.ndarray) -> RecentDoses:
        """What was given to each patient before ``decided_at`` (µs since 1970)."""
        contents = self._contents[patients]
        given = contents >= 0
        within_a_day = given & (self._given_at[patients] > decided_at[:, None] - MICROSECONDS_PER_DAY)
        codes = np.where(given, self._codes[contents], -1)
        return RecentDoses(
            last_content=contents[:, 0],
            times_in_a_row=self._times_in_a_row[patients],
            minutes=np.where(within_a_day, self._minutes[contents], 0.0).sum(axis=1),
            feature_counts=(codes[:, :, None] == np.arange(self._n_values)).sum(axis=1),
        )

    def add(self, patients: np.ndarray, contents: np.ndarray, decided_at: np.ndarray) -> None:
        """Each patient was given a content."""
        again = self._contents[patients, 0] == contents
        self._times_in_a_row[patients] = np.where(again, self._times_in_a_row[patients] + 1, 1)
        self._contents[patients] = np.column_stack([contents, self._contents[patients, :-1]])
        self._given_at[patients] = np.column_stack([decided_at, self._given_at[patients, :-1]])
