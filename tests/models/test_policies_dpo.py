"""DPO: probabilities sum to one, stay above the floor where eligible, and follow the objective."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from models.policy import content_probabilities

from posology.therapy import Therapy

OBJECTIVES = ["feedback", "status", "constrained"]


def therapy_with(drill: Therapy, objective: str, *, better: str = "higher", **exploration: float) -> Therapy:
    return drill.model_copy(
        update={
            "objective": objective,
            "status": drill.status.model_copy(update={"better": better}),
            "exploration": drill.exploration.model_copy(update=exploration),
        }
    )


@st.composite
def decisions(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Predicted F, predicted Mf and what is eligible, at least one content each."""
    n, m = draw(st.integers(1, 5)), draw(st.integers(1, 8))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    eligible = rng.random((n, m)) < draw(st.floats(0, 1))
    eligible[:, 0] = True
    return rng.random((n, m)).round(2), rng.uniform(0, 30, (n, m)).round(1), eligible


@pytest.mark.parametrize("objective", OBJECTIVES)
@given(
    decision=decisions(), floor=st.sampled_from([0.0, 0.01, 0.12, 0.5]), temperature=st.sampled_from([1e-6, 0.1, 50])
)
def test_probabilities_sum_to_one_and_keep_the_floor_where_eligible(drill, objective, decision, floor, temperature):
    therapy = therapy_with(drill, objective, floor=floor, temperature=temperature)
    feedback, status, eligible = decision
    probability = content_probabilities(therapy, feedback, status, eligible)
    assert probability.sum(axis=1) == pytest.approx(1)
    assert (probability[~eligible] == 0).all()
    least = np.minimum(floor, 1 / eligible.sum(axis=1, keepdims=True))
    assert (probability >= np.where(eligible, least - 1e-12, 0)).all()


@pytest.mark.parametrize("objective", OBJECTIVES)
@given(decision=decisions())
def test_one_decision_is_weighed_as_among_many(drill, objective, decision):
    therapy = therapy_with(drill, objective)
    together = content_probabilities(therapy, *decision)
    for place in range(together.shape[0]):
        alone = content_probabilities(therapy, *(part[[place]] for part in decision))
        assert np.array_equal(alone[0], together[place])


@given(decision=decisions())
def test_for_feedback_the_content_with_the_best_f_is_the_most_probable(drill, decision):
    feedback, _, eligible = decision
    probability = content_probabilities(therapy_with(drill, "feedback"), feedback, None, eligible)
    best = np.where(eligible, feedback, -1).max(axis=1)
    most = np.where(eligible, probability, -1).max(axis=1)
    for row in range(best.size):
        winners = eligible[row] & (feedback[row] == best[row])
        assert (probability[row][winners] == most[row]).all()


@pytest.mark.parametrize(("better", "best"), [("higher", 2), ("lower", 0)])
def test_for_the_status_the_content_with_the_best_mf_is_the_most_probable(drill, better, best):
    status = np.array([[10.0, 20.0, 25.0, 30.0]])
    eligible = np.array([[True, True, True, False]])
    probability = content_probabilities(therapy_with(drill, "status", better=better), None, status, eligible)
    assert probability.argmax() == best


def test_the_status_is_weighed_in_smallest_important_changes(drill):
    therapy = therapy_with(drill, "status", floor=0.0, temperature=1.0)
    change = drill.status.smallest_important_change
    probability = content_probabilities(therapy, None, np.array([[20.0, 20.0 + change]]), np.ones((1, 2), dtype=bool))
    assert probability[0, 1] / probability[0, 0] == pytest.approx(np.e)


@pytest.mark.parametrize("better", ["higher", "lower"])
def test_constrained_keeps_what_is_inferior_at_the_floor(drill, better):
    therapy = therapy_with(drill, "constrained", better=better, floor=0.02)
    sign = 1 if better == "higher" else -1
    status = 15 + sign * np.array([[0.0, -0.5, -0.51, 9.0]])  # the margin is 0.5; the last is not eligible
    feedback = np.array([[0.2, 0.5, 0.99, 0.99]])
    eligible = np.array([[True, True, True, False]])
    probability = content_probabilities(therapy, feedback, status, eligible)[0]
    assert probability[2] == pytest.approx(0.02)
    assert probability.argmax() == 1
    assert probability[0] > 0.02
    assert probability[3] == 0


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_colder_the_surer(drill, objective):
    rng = np.random.default_rng(1)
    feedback, status = rng.random((20, 6)), 15 + 0.3 * rng.random((20, 6))
    eligible = np.ones((20, 6), dtype=bool)
    most = [
        content_probabilities(
            therapy_with(drill, objective, floor=0.01, temperature=temperature), feedback, status, eligible
        ).max(axis=1)
        for temperature in (100.0, 1.0, 0.3, 0.1, 0.03, 1e-9)
    ]
    assert (np.diff(most, axis=0) >= -1e-12).all()
    assert most[0] == pytest.approx(np.full(20, 1 / 6), abs=0.01)
    assert most[-1] == pytest.approx(np.full(20, 0.95))


def test_a_floor_too_high_for_so_many_contents_makes_them_equal(drill):
    therapy = therapy_with(drill, "feedback", floor=0.5)
    probability = content_probabilities(therapy, np.array([[0.1, 0.5, 0.9]]), None, np.ones((1, 3), dtype=bool))
    assert probability[0] == pytest.approx([1 / 3] * 3)


@pytest.mark.parametrize(("objective", "missing"), [("feedback", "F"), ("status", "Mf"), ("constrained", "Mf")])
def test_an_objective_without_its_predictions_is_refused(drill, objective, missing):
    with pytest.raises(ValueError, match=f"objective {objective} needs predictions of {missing}"):
        content_probabilities(therapy_with(drill, objective), None, None, np.ones((1, 2), dtype=bool))
