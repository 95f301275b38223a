"""A target's predictions on the judge patients, beside every baseline and the champion."""

import numpy as np
import polars as pl

from flows.evaluation.candidate import Candidate
from models.predictors.baselines import baselines_of
from models.predictors.rows import Rows
from models.release import Release
from models.targets import Target
from posology.guardrails.evidence import PredictionEvidence


def prediction_evidence(candidate: Candidate, target: Target, champion: Release | None) -> PredictionEvidence | None:
    """What the judge patients say of a target's predictor; None when there is no predictor or nobody to judge."""
    predictor = candidate.predictors.get(target)
    judge = candidate.rows(target, "judge")
    if predictor is None or not judge.target.size:
        return None
    mean, low, high = predictor.predict(judge.features).T
    return PredictionEvidence(
        target=target,
        patient=judge.patient,
        truth=judge.target,
        predicted=mean,
        low=low,
        high=high,
        baselines=_baselines(candidate, target, judge),
        champion=_champion(candidate, target, champion),
        nominal_coverage=predictor.coverage,
    )


def prediction_table(candidate: Candidate, evidence: PredictionEvidence) -> pl.DataFrame:
    """``decision_id``, ``user_id``, ``truth``, the prediction with its interval, and every baseline's."""
    judge = candidate.feature_table(evidence.target).filter(pl.col("part") == "judge")
    return judge.select("decision_id", "user_id", truth="target").with_columns(
        pl.Series("predicted", evidence.predicted),
        pl.Series("low", evidence.low),
        pl.Series("high", evidence.high),
        *(pl.Series(f"baseline {name}", values) for name, values in evidence.baselines.items()),
    )


def _baselines(candidate: Candidate, target: Target, judge: Rows) -> dict[str, np.ndarray]:
    """The simple predictions, and ridge where the candidate is something larger."""
    fit = candidate.rows(target, "fit")
    baselines = {name: make(fit, judge) for name, make in baselines_of(target).items()}
    if candidate.chosen[target] != "ridge" and "ridge" in candidate.params.training[target].kinds:
        baselines["ridge"] = candidate.predictor(target, "ridge").predict(judge.features)[:, 0]
    return baselines


def _champion(candidate: Candidate, target: Target, champion: Release | None) -> np.ndarray | None:
    """The champion's predictions, from features made by the champion's own definition."""
    predictor = getattr(champion, target, None)
    if champion is None or predictor is None:
        return None
    judged = candidate.feature_table(target).filter(pl.col("part") == "judge")["decision_id"]
    place = {decision_id: row for row, decision_id in enumerate(candidate.tables.sessions["decision_id"])}
    sessions = np.array([place[decision_id] for decision_id in judged])
    return predictor.predict(champion.features.of_given(candidate.tables, sessions))[:, 0]
