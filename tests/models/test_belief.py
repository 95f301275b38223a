"""How contents are alike: the same bits whether the whole matrix is made or its columns, in little memory."""

import tracemalloc

import numpy as np
import pytest

from models.belief import OF_BOTH, OF_GROUP, OF_NUMBERS, OVERALL, OWN, PRIOR_SD, RANK, REACH, loadings


def from_the_whole_matrix(group, numbers):
    """The loadings by the (n, n) matrix of likeness."""
    counts = np.maximum((~np.isnan(numbers)).sum(axis=0), 1)
    filled = np.where(np.isnan(numbers), np.nansum(numbers, axis=0) / counts, numbers)
    span = np.ptp(filled, axis=0) if filled.size else np.ones(filled.shape[1])
    scaled = filled / np.where(span > 0, span, 1)
    apart = ((scaled[:, None] - scaled[None]) ** 2).sum(axis=-1) / max(scaled.shape[1], 1)
    near, same = np.exp(-0.5 * apart / REACH**2), group[:, None] == group[None]
    alike = OVERALL + OF_GROUP * same + OF_NUMBERS * near + OF_BOTH * near * same + OWN * np.eye(group.size)
    matrix = alike / (OVERALL + OF_GROUP + OF_NUMBERS + OF_BOTH + OWN)
    left, factor = matrix.diagonal().copy(), np.zeros((matrix.shape[0], RANK))
    for step in range(min(RANK, matrix.shape[0])):
        pivot = int(left.argmax())
        if left[pivot] < 1e-9:
            break
        explained = (factor[:, :step] * factor[pivot, :step]).sum(axis=1)
        factor[:, step] = (matrix[:, pivot] - explained) / np.sqrt(left[pivot])
        left -= factor[:, step] ** 2
    return PRIOR_SD * factor


@pytest.mark.parametrize("n_numbers", [0, 1, 2, 3, 8, 9, 17])
@pytest.mark.parametrize("n_contents", [1, 2, 15, 50, 333])
def test_the_columns_give_the_bits_of_the_whole_matrix(n_contents, n_numbers):
    rng = np.random.default_rng(n_contents * 100 + n_numbers)
    numbers = rng.normal(size=(n_contents, n_numbers)).round(int(rng.integers(0, 4)))
    numbers[rng.random(numbers.shape) < 0.1] = np.nan
    group = rng.integers(0, 5, n_contents)
    assert loadings(group, numbers).tobytes() == from_the_whole_matrix(group, numbers).tobytes()


def test_many_contents_take_memory_by_their_number_alone():
    rng = np.random.default_rng(3)
    group, numbers = rng.integers(0, 9, 10_000), rng.normal(size=(10_000, 3))
    tracemalloc.start()
    try:
        found = loadings(group, numbers)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.shape == (10_000, RANK)
    assert peak < 10 * found.nbytes  # the matrix alone would be 625 times
