"""Patients some at a time, so that what is worked out for them fits into memory."""

from collections.abc import Iterator

import polars as pl

DECISIONS_AT_ONCE = 2_000  # some 100 MB of features at 40 contents


def patient_batches(sessions: pl.DataFrame) -> Iterator[pl.Series]:
    """User ids, whole patients with about ``DECISIONS_AT_ONCE`` of these sessions together, in order."""
    counted = sessions.group_by("user_id", maintain_order=True).len()
    batch = (counted["len"].cum_sum() - 1) // DECISIONS_AT_ONCE
    for _, users in counted.group_by(batch.alias("batch"), maintain_order=True):
        yield users["user_id"]
