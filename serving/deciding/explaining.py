"""What moved the predictions for the content that was chosen."""

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


def _told(predictor: Predictor | None, row: np.ndarray) -> list[dict[str, Any]] | None:
    if predictor is None:
        return None
    try:
        *parts, usual = explain(predictor, row)[0]
    except CannotDo:
        return None
    moved = [part for part in parts if part.adds != 0]
    return [{"name": each.name, "adds": each.adds} for each in (*moved, usual)]
