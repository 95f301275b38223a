"""Which of several fitted predictors is taken: the simplest within one standard error of the best."""

import numpy as np
import pytest

from models.predictors.selection import simplest_of_the_best

NOISE = np.random.default_rng(5).normal(size=400)
NOISE -= NOISE.mean()


@pytest.mark.parametrize(
    ("better_by", "taken"),
    [(-0.5, "ridge"), (0.0, "ridge"), (0.02, "ridge"), (0.2, "catboost")],
)
def test_the_complex_one_must_be_better_by_more_than_a_standard_error(better_by: float, taken: str) -> None:
    ridge = np.abs(NOISE)
    losses = {"catboost": ridge - better_by + 0.5 * NOISE[::-1], "ridge": ridge}  # standard error about 0.025
    assert simplest_of_the_best(losses) == taken


def test_equal_chances_are_decided_for_the_simple_one_most_of_the_time() -> None:
    rng = np.random.default_rng(8)
    taken = [simplest_of_the_best({"ridge": pair[0], "catboost": pair[1]}) for pair in rng.normal(size=(400, 2, 50))]
    assert 0.80 < taken.count("ridge") / 400 < 0.88  # beyond one standard error on one side: 16 % of the time


def test_a_kind_alone_is_taken() -> None:
    assert simplest_of_the_best({"catboost": np.ones(3)}) == "catboost"
