"""Decisions as a policy meets them."""

from dataclasses import dataclass, field, replace

import numpy as np

from models.predictors.predictor import Predictor
from posology.errors import CannotDo, NotFound
from posology.tables import Tables
from posology.therapy import Therapy


@dataclass(frozen=True)
class Decisions:
    """n decisions of patients' courses: what was known before each, and what may be given.

    Attributes:
        therapy: what the patients are treated by.
        tables: their courses; ``tables.contents`` in the order of every (n, n_contents).
        sessions: (n,) rows of ``tables.sessions``; what was given there is not to be looked at.
        eligible: (n, n_contents) what may be given; at least one in each row.
        features: (n, n_contents, n_features) of every content as candidate, see ``models.features``.
        names: of the features.
    """

    therapy: Therapy
    tables: Tables
    sessions: np.ndarray
    eligible: np.ndarray
    features: np.ndarray
    names: tuple[str, ...]
    _predicted: dict[int, tuple[Predictor, np.ndarray]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __len__(self) -> int:
        return len(self.sessions)

    def feature(self, name: str) -> np.ndarray:
        """(n, n_contents) one feature."""
        return self.features[:, :, self.names.index(name)]

    def predicted(self, predictor: Predictor) -> np.ndarray:
        """(n, n_contents, 3) mean, low and high for every content; worked out once for all who ask.

        Raises:
            CannotDo: the decisions were not described by the features the predictor knows.
        """
        if predictor.names != self.names:
            raise CannotDo(
                f"a predictor of {predictor.target} knows {len(predictor.names)} features, and the decisions are "
                f"described by {len(self.names)} or by others; describe them by what its release learnt"
            )
        if id(predictor) not in self._predicted:
            found = predictor.predict(self._rows).reshape(*self.eligible.shape, 3)
            self._predicted[id(predictor)] = predictor, found  # kept with it, so that no other can take its id
        return self._predicted[id(predictor)][1]

    def supported(self, predictor: Predictor) -> np.ndarray:
        """(n, n_contents) whether each content and its course are like those the predictor was fitted on."""
        return predictor.supported(self._rows).reshape(self.eligible.shape)

    @property
    def _rows(self) -> np.ndarray:
        """(n * n_contents, n_features)."""
        return self.features.reshape(-1, len(self.names)).astype(float, copy=False)

    def is_content(self, content_id: str) -> np.ndarray:
        """(n_contents,) which content it is."""
        return (self.tables.contents["content_id"] == content_id).to_numpy()

    def content_places(self, ids: tuple[str, ...]) -> np.ndarray:
        """The places of these contents.

        Raises:
            NotFound: one is not among the contents.
        """
        place = {content_id: place for place, content_id in enumerate(self.tables.contents["content_id"])}
        if unknown := sorted(set(ids) - set(place)):
            raise NotFound(f"unknown content {', '.join(unknown)}; expected contents of therapy {self.therapy.name}")
        return np.array([place[content_id] for content_id in ids], dtype=int)

    def where(self, keep: np.ndarray) -> "Decisions":
        """The decisions for which ``keep`` is true."""
        return replace(self, sessions=self.sessions[keep], eligible=self.eligible[keep], features=self.features[keep])


def certain(chosen: np.ndarray, n_contents: int) -> np.ndarray:
    """(n, n_contents) probability 1 for the content chosen in each decision."""
    return np.eye(n_contents)[chosen]
