"""What moved the predictions for the content that was chosen."""

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np

from models.explanations import explain
from models.predictors.predictor import Predictor
from models.release import Release
from posology.errors import CannotDo
from posology.tables import Tables
from serving.deciding.situation import candidates_at, place_of
from serving.records import Decision

log = logging.getLogger("posology.serving")
Explained = dict[str, list[dict[str, Any]] | None]


def explained(
    release: Release, tables: Tables, *, now: datetime, context: Mapping[str, Any], content_id: str
) -> Explained:
    """For F and Mf what each thing adds to the prediction, the largest first and last what is usual; they sum to it.

    None where there is no such prediction, or nobody has written down how
    its model adds up.

    Args:
        release: what predicted.
        tables: everything known of exactly one user.
        now: when it was decided.
        context: as the decision had it.
        content_id: whose predictions.
    """
    features = candidates_at(release, tables, now, context).features
    row = features[[place_of(release, content_id)]].astype(float)
    return {"feedback": _told(release.feedback, row), "status": _told(release.status, row)}


def explained_or_not(release: Release, tables: Tables, decision: Decision) -> Explained | None:
    """The same of a decision; None where it breaks: the patient gets the content all the same."""
    try:
        return explained(
            release, tables, now=decision.decided_at, context=decision.context, content_id=decision.content_id
        )
    except Exception as error:  # whatever broke, it is not worth a patient's content
        log.error("release %s cannot explain: %s", release.name, type(error).__name__)
        return None


def _told(predictor: Predictor | None, row: np.ndarray) -> list[dict[str, Any]] | None:
    if predictor is None:
        return None
    try:
        *parts, usual = explain(predictor, row)[0]
    except CannotDo:
        return None
    moved = [part for part in parts if part.adds != 0]
    return [{"name": each.name, "adds": each.adds} for each in (*moved, usual)]
