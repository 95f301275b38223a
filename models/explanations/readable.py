"""Contributions under names that people read."""

from dataclasses import dataclass

import numpy as np

from models.features import PLACE
from models.fold import PER_NUMBER
from models.predictors.predictor import Predictor

BASE = "what is usual"
GROUPS = {
    "how far along the course is": ("days_enrolled", "given", "given_per_week", "feedbacks", "scores"),
    "time and dose since the last content": ("days_since_given", "minutes_last_24h"),
    "feedback so far": ("feedback_last", "feedback_mean", "feedback_recent", "feedback_trend"),
    "status so far": ("score_first", "score_last", "score_change", "days_since_score"),
    "how this content went before": ("content_feedback", "group_feedback_last", "group_feedback_recent"),
    "how often and lately it was given": (
        *("content_given", "content_in_a_row", "content_days_since"),
        *("group_given", "group_of_last_9", "group_days_since"),
    ),
    "which content it is": (PLACE,),
}
_NAMED = {feature: group for group, features in GROUPS.items() for feature in features}


@dataclass(frozen=True)
class Named:
    """What one thing adds to a prediction, in units of the target."""

    name: str
    adds: float


def group_of(feature: str) -> str:
    """The readable name a feature is told under; declared columns go by their own name."""
    if feature in _NAMED:
        return _NAMED[feature]
    for suffix in PER_NUMBER:
        if feature.endswith(f"_{suffix}"):
            return f"{feature.removesuffix(f'_{suffix}')} against what went before"
    return feature.split("=", 1)[0]


def grouped(names: tuple[str, ...], contributed: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
    """Readable names, and (n, n_groups + 1) contributions added up by them; the last column is the base."""
    of_feature = [group_of(name) for name in names]
    groups = tuple(dict.fromkeys(of_feature))
    member = np.array([[group == each for group in groups] for each in of_feature], dtype=float)
    return groups, np.column_stack([contributed[:, :-1] @ member, contributed[:, -1]])


def explain(predictor: Predictor, features: np.ndarray) -> list[tuple[Named, ...]]:
    """For each row what adds to its prediction, the largest first, and last what is usual; they sum to it."""
    from models.explanations.contributions import contributions

    groups, told = grouped(predictor.names, contributions(predictor, features))
    return [_ranked(groups, row) for row in told]


def _ranked(groups: tuple[str, ...], row: np.ndarray) -> tuple[Named, ...]:
    order = np.argsort(-np.abs(row[:-1]), kind="stable")
    return (*(Named(groups[place], float(row[place])) for place in order), Named(BASE, float(row[-1])))
