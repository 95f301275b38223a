"""A release beside what the simulator knows: what could be predicted at best, what its policy is truly worth."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from flows.workspace import read_json
from posology.bootstrap import mean_per_patient

Row = list[str]


@dataclass(frozen=True)
class Known:
    """What only the simulator knows.

    Attributes:
        decisions: ``decision_id`` and ``expected_feedback`` of every content.
        patients: ``user_id`` and ``status_at_end``.
    """

    decisions: pl.DataFrame
    patients: pl.DataFrame

    def with_decisions(self, more: pl.DataFrame) -> "Known":
        """The same with decisions that came later."""
        return Known(pl.concat([self.decisions, more]), self.patients)


def comparison(evidence: Path, known: Known) -> dict[str, float]:
    """Figures of one release: errors of F and Mf beside what is knowable, value of the policy three ways.

    Args:
        evidence: the folder kept of its evaluation.
        known: the truth.
    """
    metrics = read_json(evidence / "metrics.json")
    figures = {
        f"{target} {name}": float(value)
        for target in ("feedback", "status")
        for name, value in metrics.get(target, {}).items()
    }
    figures["feedback knowable"] = _knowable_feedback(evidence, known)
    figures["status knowable"] = _knowable_status(evidence, known)
    figures |= {f"policy {name}": float(value) for name, value in metrics["policy"].items()}
    figures["policy true"], figures["policy true logged"] = _true_values(evidence, known)
    return figures


def _knowable_feedback(evidence: Path, known: Known) -> float:
    """Squared error of the true E[F]: noise that nothing can predict."""
    rows = pl.read_parquet(evidence / "predictions-feedback.parquet").join(_given(evidence, known), on="decision_id")
    return _loss(rows, rows["expected"])


def _knowable_status(evidence: Path, known: Known) -> float:
    """Squared error of the true final status: the noise of the instrument."""
    rows = pl.read_parquet(evidence / "predictions-status.parquet").join(known.patients, on="user_id")
    rows = rows.filter(pl.col("status_at_end").is_not_nan() & pl.col("status_at_end").is_not_null())
    return _loss(rows, rows["status_at_end"])


def _true_values(evidence: Path, known: Known) -> tuple[float, float]:
    """Mean true F in the judged decisions under the candidate's probabilities, and of what was given."""
    judged = pl.read_parquet(evidence / "judged.parquet").join(known.decisions, on="decision_id", how="inner")
    probability = np.array(judged["probability"].to_list())
    expected = np.array(judged["expected_feedback"].to_list())
    given = _given(evidence, known).filter(pl.col("decision_id").is_in(judged["decision_id"].implode()))
    return float((probability * expected).sum(axis=1).mean()), float(given["expected"].to_numpy().mean())


def _given(evidence: Path, known: Known) -> pl.DataFrame:
    """``decision_id`` and true E[F] of the content that was given."""
    judged = pl.read_parquet(evidence / "judged.parquet").select("decision_id", "given")
    return judged.join(known.decisions, on="decision_id").select(
        "decision_id", expected=pl.col("expected_feedback").list.get(pl.col("given"))
    )


def _loss(rows: pl.DataFrame, expected: pl.Series) -> float:
    patient = rows["user_id"].rank("dense").cast(pl.Int64).to_numpy()
    error = (rows["truth"].to_numpy() - expected.to_numpy()) ** 2
    return float(mean_per_patient(patient, error).mean())
