"""How well each protected group is predicted (fairness)."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import polars as pl

from flows.evaluation.candidate import Candidate
from models.targets import Target
from posology.bootstrap import Resamples, mean_per_patient
from posology.dossier import Estimate, GroupRow
from posology.errors import TooSmall
from posology.guardrails import PredictionEvidence


def groups_of(candidate: Candidate, target: Target) -> dict[str, np.ndarray]:
    """Protected column → (n_judge,) the group of each judged row's patient."""
    judge = candidate.feature_table(target).filter(pl.col("part") == "judge").select("user_id")
    protected = [name for name, column in candidate.therapy.user.items() if column.protected and column.values]
    users = judge.join(candidate.tables.users, on="user_id", how="left", maintain_order="left")
    return {name: np.array([f"{name}: {value or 'unknown'}" for value in users[name]]) for name in protected}


def group_rows(candidate: Candidate, evidence: PredictionEvidence) -> Iterator[GroupRow]:
    """One row a group, each patient weighing the same."""
    error = evidence.predicted - evidence.truth
    is_held = (evidence.low <= evidence.truth) & (evidence.truth <= evidence.high)
    columns = np.column_stack([error**2, error, is_held])
    for of_row in groups_of(candidate, evidence.target).values():
        for group in np.unique(of_row):
            mine = of_row == group
            rng = np.random.default_rng(candidate.params.evaluation.seed)
            yield _row(evidence.target, str(group), evidence.patient[mine], columns[mine], rng)


def _row(target: Target, group: str, patient: np.ndarray, columns: np.ndarray, rng: np.random.Generator) -> GroupRow:
    means = np.column_stack([mean_per_patient(patient, column) for column in columns.T])
    name = "F" if target == "feedback" else "Mf"
    try:
        drawn = Resamples.of(np.arange(len(means)), np.column_stack([means, np.ones(len(means))]), rng)
    except TooSmall:
        return GroupRow(name, group, len(means))
    found = [drawn.interval(partial(_mean_of, place)) for place in range(3)]
    loss, bias, coverage = (Estimate(one.value, one.low, one.high) for one in found)
    return GroupRow(name, group, len(means), loss, bias, coverage)


def _mean_of(place: int, sums: np.ndarray) -> np.ndarray:
    return sums[..., place] / sums[..., -1]
