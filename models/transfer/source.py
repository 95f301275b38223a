"""What another release knows, put to the rows of this therapy."""

from dataclasses import dataclass, field
from typing import Self

import numpy as np
import polars as pl

from models.features import PLACE
from models.predictors.predictor import Predictor
from models.predictors.rows import Rows
from models.release import Release
from models.targets import Target
from posology.therapy import Therapy


@dataclass(frozen=True)
class Source:
    """A predictor of another population, asked by the names of features.

    A feature it takes and these rows lack is missing to it. A content is the
    same when its id is; any other is one it has not seen.

    Attributes:
        release: name of the release it comes from.
        digest: of that release.
        places: (n_contents,) of each content here its place there, -1 where it is not there.
        direction: -1 where a change for the better is up here and down there, else 1.
    """

    release: str
    digest: str
    predictor: Predictor = field(repr=False)
    places: tuple[int, ...]
    direction: int = 1

    @classmethod
    def of(cls, release: Release, target: Target, therapy: Therapy, contents: pl.DataFrame) -> Self | None:
        """The release's predictor of the target; None where it has none.

        Args:
            release: where it comes from.
            target: what is predicted.
            therapy: the one here.
            contents: the contents here.
        """
        predictor: Predictor | None = getattr(release, target)
        if predictor is None:
            return None
        there = {content_id: place for place, content_id in enumerate(release.contents["content_id"])}
        places = tuple(there.get(content_id, -1) for content_id in contents["content_id"])
        direction = -1 if target == "status" and _better(release.therapy) != _better(therapy) else 1
        return cls(release.name, release.digest, predictor, places, direction)

    def raw_mean(self, features: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
        """(n,) the mean before anchor and bounds: F, or the change of the status in points of the source's instrument,
        turned where the instrument here runs the other way.

        Args:
            features: (n, n_features) of rows here.
            names: of these features.
        """
        return self.direction * self.predictor.model.predict(self._translated(features, names))[:, 0]

    def importance(self, rows: Rows) -> np.ndarray:
        """(n_features,) what each feature here counts there; nothing where it is not known there."""
        theirs = Rows(self.predictor.names, self._translated(rows.features, rows.names), rows.target, rows.patient)
        counts = dict(zip(self.predictor.names, self.predictor.model.importance(theirs), strict=True))
        return np.array([counts.get(name, 0.0) for name in rows.names])

    def _translated(self, features: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
        known = {name: column for column, name in enumerate(names)}
        theirs = np.full((features.shape[0], len(self.predictor.names)), np.nan)
        for column, name in enumerate(self.predictor.names):
            if name in known:
                theirs[:, column] = features[:, known[name]]
        place = features[:, known[PLACE]].astype(int)
        is_known = (place >= 0) & (place < len(self.places))
        of_content = np.append(np.array(self.places, dtype=int), -1)
        theirs[:, self.predictor.names.index(PLACE)] = of_content[np.where(is_known, place, len(self.places))]
        return theirs


def _better(therapy: Therapy) -> str | None:
    return therapy.status.better if therapy.status else None
