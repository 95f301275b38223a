"""The dossier's plots of a candidate."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from flows.evaluation.candidate import Candidate
from flows.evaluation.groups import groups_of
from flows.evaluation.logged import Judged
from models.targets import Target
from posology.dossier import Figure, SkillTable, ValueRow
from posology.dossier.figures import (
    calibration_plot,
    content_mix_plot,
    coverage_plot,
    importance_plot,
    learning_curve_plot,
    skill_plot,
    value_plot,
    weight_plot,
)
from posology.guardrails import PredictionEvidence

QUANTITY: Mapping[Target, str] = {"feedback": "feedback F", "status": "final status Mf"}


def prediction_figures(candidate: Candidate, evidence: PredictionEvidence, skill: SkillTable) -> Iterator[Figure]:
    """Skill against baselines, calibration, coverage by protected group, importance."""
    target = evidence.target
    predictor = candidate.predictors[target]
    judge = candidate.rows(target, "judge")
    covered = (evidence.low <= evidence.truth) & (evidence.truth <= evidence.high)
    yield skill_plot(skill)
    yield calibration_plot(evidence.predicted, evidence.truth, evidence.patient, quantity=QUANTITY[target])
    for groups in groups_of(candidate, target).values() or [np.full(judge.target.size, "all patients")]:
        yield coverage_plot(covered, groups, evidence.patient, nominal=evidence.nominal_coverage)
    yield importance_plot(predictor.names, predictor.model.importance(judge), predicted=QUANTITY[target])


def policy_figures(
    judged: Judged, values: Sequence[ValueRow], mix: Mapping[str, Mapping[str, float]]
) -> Iterator[Figure]:
    """Values, importance weights and content mix."""
    logged = judged.logged
    if values:
        yield value_plot(values, unit="mean F per session", logged_value=float(logged.reward.mean()))
    if np.isfinite(logged.propensity).all():
        yield weight_plot(logged.target / logged.propensity, policy="candidate")
    yield content_mix_plot(mix, candidate="candidate")


def course_figure(candidate: Candidate) -> Figure:
    """F over the sessions of a course, as logged."""
    table = candidate.feature_table("feedback").select("user_id", "given", "target")
    users = table["user_id"].rank("dense").to_numpy()
    return learning_curve_plot(table["given"].to_numpy() + 1, table["target"].to_numpy(), users)


def content_mix(candidate: Candidate, judged: Judged) -> dict[str, dict[str, float]]:
    """content_id → policy → share of the judged decisions."""
    ids = candidate.release.contents["content_id"].to_list()
    logged = np.bincount(judged.given, minlength=len(ids)) / judged.given.size
    chosen = judged.probability.mean(axis=0)
    return {
        content_id: {"logged": float(logged[place]), "candidate": float(chosen[place])}
        for place, content_id in enumerate(ids)
    }
