"""Weights for informative drop-out: who stayed to be measured stands also for those like them who did not.

Inverse probability of remaining (Robins, Rotnitzky & Zhao 1995): in each week of a
course, and in the first of those in which nothing was given any more, a pooled
logistic regression gives the hazard of being lost, from what was known by then.
Who stopped and still came to be measured thus stands for who stopped and did not;
where hardly anybody did, who went on stands for who stopped. A patient's weight is
one over the product over the weeks of the chance to remain, cut at its 1st and 99th
hundredth. No numerator stabilises it (Hernán, Brumback & Robins 2000): its weeks
would end where a patient stops, and so favour who stopped early. What drives
drop-out and is not among ``KNOWN`` is not made good.
"""

import numpy as np
import polars as pl
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

WEIGHT = "remaining"
KNOWN = ("feedback_recent", "feedback_mean", "answered_share", "given_per_week", "score_last", "score_change")
CUT = (0.01, 0.99)  # quantiles beyond which a weight is cut (Cole & Hernán 2008)
FOLDS = 5  # a patient's hazards come from other patients
LEAST_LOST = 10  # with fewer lost patients nothing can be learnt of them, and all weigh one
LEAST_MEASURED = 10  # of those who stopped; with fewer they cannot stand for the others
DAYS_PER_WEEK = 7
STOPPED_WEEKS = 2  # without a content before the usual end: has stopped


def weighted(table: pl.DataFrame) -> pl.DataFrame:
    """The feature table of Mf with a column ``remaining``; rows of patients without Mf (null) go.

    Args:
        table: rows of all courses whose time to be measured is over; the patients of each part weigh
            by what was learnt from the patients of that part.
    """
    measured = table.drop_nulls("target")
    weights = [_weights(table.filter(pl.col("part") == part)) for part in table["part"].unique().sort()]
    found = pl.concat([_empty(), *weights])
    return measured.join(found, on="user_id", how="left", maintain_order="left").with_columns(
        pl.col(WEIGHT).fill_null(1.0)
    )


def _empty() -> pl.DataFrame:
    return pl.DataFrame(schema={"user_id": pl.String, WEIGHT: pl.Float64})


def _weights(rows: pl.DataFrame) -> pl.DataFrame:
    """``user_id`` and weight of each patient who was measured."""
    weeks = _weeks(rows)
    lost = int(weeks["lost"].sum())
    if lost < LEAST_LOST or weeks.filter(~pl.col("is_lost"))["user_id"].n_unique() < LEAST_LOST:
        return _empty()
    stays = np.log1p(-_hazards(_design(weeks), weeks))
    found = weeks.with_columns(stays=stays).filter(~pl.col("is_lost"))
    found = found.group_by("user_id", maintain_order=True).agg((-pl.col("stays").sum()).exp().alias(WEIGHT))
    low, high = np.quantile(found[WEIGHT], CUT)
    return found.with_columns(pl.col(WEIGHT).clip(low, high))


def _weeks(rows: pl.DataFrame) -> pl.DataFrame:
    """The last decision of each week of each course, and one week more of those who ``stopped``, if some were measured.

    ``lost`` in the last of a patient who was not measured.
    """
    ordered = rows.with_columns(
        week=(pl.col("days_enrolled") // DAYS_PER_WEEK).cast(pl.Int64), is_lost=pl.col("target").is_null()
    ).sort("user_id", "days_enrolled", "decision_id")
    weeks = ordered.group_by("user_id", "week", maintain_order=True).last()
    last = weeks.group_by("user_id", maintain_order=True).last()
    usual_end = last.filter(~pl.col("is_lost"))["week"].quantile(0.9) or 0
    stopped = last.filter(pl.col("week") <= usual_end - STOPPED_WEEKS).with_columns(pl.col("week") + 1, stopped=1.0)
    if (~stopped["is_lost"]).sum() < LEAST_MEASURED:
        stopped = stopped.clear()
    weeks = pl.concat([weeks.with_columns(stopped=0.0), stopped.select(*weeks.columns, "stopped")])
    weeks = weeks.sort("user_id", "week")
    is_last = pl.col("week") == pl.col("week").max().over("user_id")
    return weeks.with_columns(lost=is_last & pl.col("is_lost"))


def _design(weeks: pl.DataFrame) -> np.ndarray:
    """(n, 2 + n_known) the week, and what was known by its end."""
    week = weeks["week"].to_numpy() / max(float(np.max(weeks["week"].to_numpy())), 1.0)
    known = weeks.select("stopped", *(name for name in KNOWN if name in weeks.columns)).to_numpy().astype(float)
    there = ~np.isnan(known)
    counts = np.maximum(there.sum(axis=0), 1)
    centre = np.where(there, known, 0).sum(axis=0) / counts
    scale = np.sqrt((np.where(there, known - centre, 0) ** 2).sum(axis=0) / counts)
    standard = np.where(there, known - centre, 0) / np.where(scale > 0, scale, 1)
    return np.column_stack([week, week**2, standard])


def _hazards(design: np.ndarray, weeks: pl.DataFrame) -> np.ndarray:
    """(n,) chance to be lost in each week, learnt from other patients."""
    lost, patients = weeks["lost"].to_numpy(), weeks["user_id"].rank("dense").to_numpy()
    hazard = np.full(lost.size, lost.mean())
    for others, own in GroupKFold(FOLDS).split(design, groups=patients):
        if lost[others].sum() > 0:
            hazard[own] = LogisticRegression().fit(design[others], lost[others]).predict_proba(design[own])[:, 1]
    return hazard
