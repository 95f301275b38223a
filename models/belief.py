"""What a patient's answers tell of every content, also of those not given yet.

Bayesian linear regression on what contents have in common: F of content c is
what is usual there plus ``loading_c · x`` with x ~ N(0, I) the patient's own, so
that before any answer the F of two contents covary as the contents are alike
(kriging; Rasmussen & Williams 2006, chapter 2). Each answer updates x by one step
of recursive least squares. Silence says little of a content and is left out.

What stands here is believed of contents nobody has answered to yet;
``models.prior`` learns it.
"""

from dataclasses import dataclass

import numba
import numpy as np

RANK = 16  # of the likeness that is kept: one update costs RANK² multiplications
PRIOR_MEAN = 0.55  # of F that came
PRIOR_SD = 0.25  # of F between patients, for one content
NOISE_SD = 0.2  # of one answer about its mean
OVERALL, OF_GROUP, OF_NUMBERS, OF_BOTH, OWN = 1.0, 0.3, 1.0, 0.3, 0.1  # parts of the likeness, as variances
REACH = 0.35  # share of a number's range in the catalogue within which contents count as alike

# Compiled into its callers: a call would count references to every array of a state.
_woven = numba.njit(cache=True, error_model="numpy", inline="always")


def loadings(group: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """(n_contents, RANK) how each content depends on what is the patient's own.

    Two contents are alike in being contents, in their group, in their numbers, in
    both, and each is like itself. A pivoted Cholesky factor (Harbrecht, Peters &
    Schneider 2012) keeps of that what matters most, the same bits on any machine.

    Args:
        group: (n_contents,)
        numbers: (n_contents, n_numbers); what is missing takes the mean.
    """
    counts = np.maximum((~np.isnan(numbers)).sum(axis=0), 1)
    filled = np.where(np.isnan(numbers), np.nansum(numbers, axis=0) / counts, numbers)
    span = np.ptp(filled, axis=0) if filled.size else np.ones(filled.shape[1])
    scaled = filled / np.where(span > 0, span, 1)
    return PRIOR_SD * _pivoted_cholesky(_Likeness(group, scaled))


@dataclass(frozen=True)
class _Likeness:
    """How alike any two of n contents are: an (n, n) matrix of which only single columns are ever made."""

    group: np.ndarray
    scaled: np.ndarray  # (n_contents, n_numbers)

    def to(self, content: int) -> np.ndarray:
        """(n,) the column of one content."""
        itself = np.arange(self.group.size) == content
        return self._between(self.scaled - self.scaled[content], self.group == self.group[content], itself)

    def to_itself(self) -> np.ndarray:
        """(n,) the diagonal."""
        everywhere = np.full(self.group.size, fill_value=True)
        return self._between(self.scaled - self.scaled, everywhere, everywhere)

    def _between(self, apart: np.ndarray, same: np.ndarray, itself: np.ndarray) -> np.ndarray:
        near = np.exp(-0.5 * ((apart**2).sum(axis=-1) / max(apart.shape[1], 1)) / REACH**2)
        alike = OVERALL + OF_GROUP * same + OF_NUMBERS * near + OF_BOTH * near * same + OWN * itself
        return alike / (OVERALL + OF_GROUP + OF_NUMBERS + OF_BOTH + OWN)


def _pivoted_cholesky(alike: _Likeness) -> np.ndarray:
    left, factor = alike.to_itself(), np.zeros((alike.group.size, RANK))
    for step in range(min(RANK, left.size)):
        pivot = int(left.argmax())
        if left[pivot] < 1e-9:
            break
        explained = (factor[:, :step] * factor[pivot, :step]).sum(axis=1)
        factor[:, step] = (alike.to(pivot) - explained) / np.sqrt(left[pivot])
        left -= factor[:, step] ** 2
    return factor


@_woven
def forget(belief: np.ndarray) -> None:
    """The belief before any answer; ``belief`` (1 + RANK, RANK) is the mean of x, then its covariance."""
    belief[:] = 0.0
    for at in range(RANK):
        belief[1 + at, at] = 1.0


@_woven
def learn(belief: np.ndarray, loading: np.ndarray, above_usual: float, noise: float) -> None:
    """Change the belief in place by how far F came above the usual, of a content with this loading, (RANK,).

    ``noise`` is the variance of one answer about its mean.
    """
    reach = np.zeros(RANK)
    variance, expected = noise, 0.0
    for row in range(RANK):
        for at in range(RANK):
            reach[row] += belief[1 + row, at] * loading[at]
        variance += reach[row] * loading[row]
        expected += belief[0, row] * loading[row]
    for row in range(RANK):
        gain = reach[row] / variance
        belief[0, row] += gain * (above_usual - expected)
        for at in range(RANK):
            belief[1 + row, at] -= gain * reach[at]


@_woven
def expect(belief: np.ndarray, loading: np.ndarray) -> tuple[float, float]:
    """How far F will come above the usual on average, and the standard deviation of what is not known of that."""
    mean, variance = 0.0, 0.0
    for row in range(RANK):
        mean += belief[0, row] * loading[row]
        reach = 0.0
        for at in range(RANK):
            reach += belief[1 + row, at] * loading[at]
        variance += reach * loading[row]
    return mean, np.sqrt(max(variance, 0.0))
