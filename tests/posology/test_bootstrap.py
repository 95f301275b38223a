"""Intervals by resampling patients."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posology.bootstrap import MINIMUM_PATIENTS, Interval, Resamples, mean_per_patient, ratio, sums_per_patient
from posology.errors import TooSmall


def mean_interval(patient, values, seed=0, **options):
    terms = np.stack([values, np.ones(len(values))], axis=1)
    return Resamples.of(patient, terms, np.random.default_rng(seed), **options).interval(ratio)


def test_sums_are_per_patient_whatever_the_codes_and_the_order():
    patient = np.array([7, -2, 7, 100])
    sums = sums_per_patient(patient, np.array([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0], [4.0, 40.0]]))
    np.testing.assert_array_equal(sums, [[2, 20], [4, 40], [4, 40]])
    np.testing.assert_array_equal(mean_per_patient(patient, np.array([1.0, 2.0, 3.0, 4.0])), [2, 2, 4])


def test_a_patient_of_many_sessions_counts_as_one_patient():
    rng = np.random.default_rng(1)
    effect = rng.normal(size=40)
    once = mean_interval(np.arange(40), effect)
    often = mean_interval(np.repeat(np.arange(40), 100), np.repeat(effect, 100))
    np.testing.assert_allclose([often.low, often.high], [once.low, once.high])


def test_with_many_patients_the_interval_is_the_textbook_one():
    values = np.random.default_rng(2).normal(size=2_000)
    found = mean_interval(np.arange(2_000), values, resamples=4_000)
    margin = 1.96 * values.std() / np.sqrt(2_000)
    np.testing.assert_allclose([found.low, found.high], [values.mean() - margin, values.mean() + margin], atol=0.003)


@pytest.mark.parametrize("patients", [MINIMUM_PATIENTS, 30])
def test_few_patients_still_get_intervals_that_cover(patients):
    rng = np.random.default_rng(3)
    hits = [
        mean_interval(np.arange(patients), rng.normal(size=patients), seed=run, resamples=300) for run in range(400)
    ]
    covered = np.mean([each.low <= 0 <= each.high for each in hits])
    assert covered >= 0.95 - 4 * np.sqrt(0.95 * 0.05 / 400)


def test_too_few_patients_get_no_interval():
    with pytest.raises(TooSmall, match="collect data of 1 more"):
        mean_interval(np.arange(MINIMUM_PATIENTS - 1), np.ones(MINIMUM_PATIENTS - 1))


def test_a_figure_that_most_resamples_cannot_know_has_no_interval():
    terms = np.zeros((20, 2))
    terms[0] = 1.0
    with pytest.raises(TooSmall, match="undefined"):
        Resamples.of(np.arange(20), terms, np.random.default_rng(0)).interval(ratio)


def test_many_patients_are_resampled_in_batches_with_the_same_answer(monkeypatch):
    values = np.random.default_rng(4).normal(size=50)
    at_once = mean_interval(np.arange(50), values)
    monkeypatch.setattr("posology.bootstrap._DRAWS_AT_ONCE", 300)
    in_batches = mean_interval(np.arange(50), values)
    np.testing.assert_allclose([in_batches.low, in_batches.high], [at_once.low, at_once.high])


@given(st.lists(st.floats(-10, 10), min_size=MINIMUM_PATIENTS, max_size=40), st.integers(0, 1_000))
def test_the_same_random_state_gives_the_same_interval_within_the_range_of_the_data(values, seed):
    patient, values = np.arange(len(values)), np.array(values)
    found = mean_interval(patient, values, seed, resamples=50)
    assert found == mean_interval(patient, values, seed, resamples=50)
    assert values.min() - 1e-9 <= found.low <= found.high <= values.max() + 1e-9


def test_an_interval_reads_as_text():
    assert str(Interval(0.51234, 0.4, 0.6)) == "0.5123 (0.4 to 0.6)"
