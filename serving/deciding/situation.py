"""One moment of one patient as models and shield meet it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np

from models.choice import known_at
from models.features import Candidates
from models.release import Release
from posology.safety import blocks
from posology.tables import Tables


def candidates_at(release: Release, tables: Tables, now: datetime, context: Mapping[str, Any]) -> Candidates:
    """Every content of the release as a candidate for one patient now; one decision, n_contents rows of features."""
    known = known_at(release, tables, now, context)
    return release.features.of_candidates(known, np.array([known.sessions.height - 1]))


def blocked_by(
    release: Release, tables: Tables, content_id: str, *, now: datetime, context: Mapping[str, Any]
) -> tuple[str, ...]:
    """The codes that forbid a content to one patient now; empty when none does."""
    candidates = candidates_at(release, tables, now, context)
    shield = blocks(release.therapy, release.contents, candidates.situations, candidates.recent)
    return shield.reasons(0, place_of(release, content_id))


def place_of(release: Release, content_id: str) -> int:
    """Its row in the release's contents."""
    place = release.contents["content_id"].index_of(content_id)
    if place is None:
        raise ValueError(f"{content_id} is not a content of release {release.name}")
    return place
