"""What the arms of a service came to, as a table: patients, decisions, mean F, and how arms differ."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from posology.bootstrap import Interval, Resamples
from posology.errors import TooSmall

SEED = 0  # the same store gives the same intervals
POLICY = "policy"


@dataclass(frozen=True)
class ArmReport:
    """One arm under one release. ``feedback`` is the mean F of its decisions; None where too few patients have any.

    Attributes:
        difference: mean F less that of the patients whom the champion's policy decided for in the same time.
    """

    arm: str
    release: str
    patients: int
    decisions: int
    safe_default_share: float
    error_share: float
    feedback: Interval | None
    difference: Interval | None


def arms_report(found: pl.DataFrame) -> list[ArmReport]:
    """Every arm and release in outcomes, as ``serving.modes.outcomes`` gives them."""
    policy = found.filter(pl.col("arm") == POLICY)
    return [
        _report(str(arm), str(release), rows, policy)
        for (arm, release), rows in found.sort("arm", "release").group_by(["arm", "release"], maintain_order=True)
    ]


def _report(arm: str, release: str, rows: pl.DataFrame, policy: pl.DataFrame) -> ArmReport:
    return ArmReport(
        arm=arm,
        release=release,
        patients=rows["user_id"].n_unique(),
        decisions=rows.height,
        safe_default_share=float(rows["is_default"].to_numpy().mean()),
        error_share=float(rows["is_error"].to_numpy().mean()),
        feedback=_mean(rows),
        difference=None if arm == POLICY else _difference(rows, policy),
    )


def _mean(rows: pl.DataFrame) -> Interval | None:
    known = rows.drop_nulls("value")
    return _interval(known, [np.ones(known.height, dtype=bool)])


def _difference(rows: pl.DataFrame, others: pl.DataFrame) -> Interval | None:
    """Patients are in one arm each, so drawing patients draws from both."""
    others = others.filter(pl.col("decided_at").is_between(rows["decided_at"].min(), rows["decided_at"].max()))
    known = pl.concat([rows, others]).drop_nulls("value")
    is_other = (known["arm"] == POLICY).to_numpy()
    return _interval(known, [~is_other, is_other])


def _interval(known: pl.DataFrame, groups: list[np.ndarray]) -> Interval | None:
    """Mean F of the first group, less that of the second where there is one."""
    value = known["value"].to_numpy()
    terms = np.stack([term for group in groups for term in (value * group, group.astype(float))], axis=1)
    patient = known["user_id"].rank("dense").cast(pl.Int64).to_numpy()

    def statistic(sums: np.ndarray) -> np.ndarray:
        means = [sums[..., 2 * place] / sums[..., 2 * place + 1] for place in range(len(groups))]
        return np.asarray(means[0] - (means[1] if len(means) > 1 else 0.0))

    try:
        with np.errstate(invalid="ignore", divide="ignore"):
            return Resamples.of(patient, terms, np.random.default_rng(SEED)).interval(statistic)
    except TooSmall:
        return None
