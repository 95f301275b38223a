"""Vectors of hundreds of dimensions as a few numbers, by a fixed linear map."""

from dataclasses import dataclass
from typing import Self

import numpy as np

COMPONENTS = 4  # without a target
DIRECTIONS = 2  # with one; a third brought nothing on simulated cohorts
LEAST_VECTORS = 20  # below which no direction is worth learning
LEAST_DIFFERENT = 3
DIGITS = 6  # the last bits of a product depend on the processor


@dataclass(frozen=True)
class Projection:
    """A fixed linear map.

    Attributes:
        centre: (n_dimensions,)
        directions: (n_dimensions, n_numbers)
    """

    centre: np.ndarray
    directions: np.ndarray

    @classmethod
    def fit(cls, vectors: np.ndarray, target: np.ndarray | None = None) -> Self:
        """The directions in which the vectors vary most or, with a target, vary most together with it.

        Principal components (Hotelling 1933), or partial least squares (Wold, Sjöström & Eriksson 2001). Each number
        has standard deviation 1 in these rows.

        Args:
            vectors: (n, n_dimensions), none missing, ``LEAST_DIFFERENT`` different ones or more.
            target: (n,), not constant.
        """
        rank = min(different(vectors) - 1, vectors.shape[1])
        directions = _components(vectors, rank) if target is None else _toward(vectors, target, rank)
        centre = vectors.mean(axis=0)
        spread = ((vectors - centre) @ directions).std(axis=0)
        return cls(centre.round(DIGITS), (directions / np.where(spread > 0, spread, 1.0)).round(DIGITS))

    @property
    def n_numbers(self) -> int:
        """How many numbers it gives."""
        return int(self.directions.shape[1])

    def apply(self, vectors: np.ndarray) -> np.ndarray:
        """(n, n_numbers); NaN for a vector with NaN. A row's numbers do not depend on the other rows."""
        centred = vectors - self.centre
        numbers = np.column_stack([(centred * direction).sum(axis=1) for direction in self.directions.T])
        return np.asarray(numbers.round(DIGITS) + 0.0)  # no negative zero


def different(vectors: np.ndarray) -> int:
    """How many of the rows differ."""
    return len({vector.tobytes() for vector in vectors})


def _components(vectors: np.ndarray, rank: int) -> np.ndarray:
    from sklearn.decomposition import PCA

    components: np.ndarray = PCA(min(COMPONENTS, rank), svd_solver="covariance_eigh").fit(vectors).components_
    return components.T


def _toward(vectors: np.ndarray, target: np.ndarray, rank: int) -> np.ndarray:
    from sklearn.cross_decomposition import PLSRegression

    rotations: np.ndarray = PLSRegression(min(DIRECTIONS, rank), scale=False).fit(vectors, target).x_rotations_
    rises = (target - target.mean()) @ (vectors - vectors.mean(axis=0)) @ rotations >= 0
    return np.where(rises, rotations, -rotations)  # a larger number goes with a larger target
