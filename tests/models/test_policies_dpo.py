"""DPO: probabilities sum to one, stay above the floor where eligible, and follow the objective."""

from dataclasses import dataclass, replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.policies import Decisions, Dpo
from models.policies.kinds import load_policy, save_policy
from models.policies.leaving import FEEDBACK, Leaving
from models.policies.status_effects import StatusEffects
from posology.tables import Tables
from posology.therapy import Therapy

UNLIKE = 0.987  # predicted for a pair of course and content that nobody has seen
OBJECTIVES = ["feedback", "status", "constrained"]


@dataclass(frozen=True)
class Foretold:
    """Stands in for a predictor of F: what it predicts is the first feature."""

    names: tuple[str, ...] = ("foretold",)

    def predict(self, features: np.ndarray) -> np.ndarray:
        return np.repeat(features[:, :1], 3, axis=1)

    def supported(self, features: np.ndarray) -> np.ndarray:
        return features[:, 0] != UNLIKE


def therapy_with(drill: Therapy, objective: str, **exploration: float) -> Therapy:
    return drill.model_copy(
        update={"objective": objective, "exploration": drill.exploration.model_copy(update=exploration)}
    )


def decisions_of(feedback: np.ndarray, eligible: np.ndarray) -> Decisions:
    n = feedback.shape[1]
    contents = pl.DataFrame({"content_id": [f"content-{place}" for place in range(n)]})
    tables = Tables(pl.DataFrame(), pl.DataFrame(), contents, pl.DataFrame())
    return Decisions(None, tables, np.arange(len(feedback)), eligible, feedback[:, :, None], ("foretold",))  # type: ignore[arg-type]


def effects_of(content: np.ndarray, *, slope: float = 0.0, error: float = 0.0, decisions: float = 1.0) -> StatusEffects:
    n = content.size
    return StatusEffects(content, slope, np.full(n, 0.5), np.diag(np.append(np.full(n, error**2), 0.0)), decisions)


def probabilities(
    therapy: Therapy, feedback: np.ndarray, eligible: np.ndarray, effects: StatusEffects | None = None
) -> np.ndarray:
    return Dpo(therapy, Foretold(), effects).probabilities(decisions_of(feedback, eligible))  # type: ignore[arg-type]


@st.composite
def situations(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, StatusEffects]:
    """Predicted F, what is eligible, at least one content each, and effects on Mf."""
    n, m = draw(st.integers(1, 5)), draw(st.integers(1, 8))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    eligible = rng.random((n, m)) < draw(st.floats(0, 1))
    eligible[:, 0] = True
    spread = rng.normal(size=(m + 1, m + 1)) / 10
    effects = StatusEffects(rng.normal(size=m), rng.normal(), rng.random(m), spread @ spread.T, 1 + 40 * rng.random())
    return rng.random((n, m)).round(2), eligible, effects


@pytest.mark.parametrize("objective", OBJECTIVES)
@given(
    situation=situations(), floor=st.sampled_from([0.0, 0.01, 0.12, 0.5]), temperature=st.sampled_from([1e-6, 0.1, 50])
)
def test_probabilities_sum_to_one_and_keep_the_floor_where_eligible(drill, objective, situation, floor, temperature):
    feedback, eligible, effects = situation
    found = probabilities(
        therapy_with(drill, objective, floor=floor, temperature=temperature), feedback, eligible, effects
    )
    assert found.sum(axis=1) == pytest.approx(1)
    assert (found[~eligible] == 0).all()
    least = np.minimum(floor, 1 / eligible.sum(axis=1, keepdims=True))
    assert (found >= np.where(eligible, least - 1e-12, 0)).all()


@pytest.mark.parametrize("objective", OBJECTIVES)
@given(situation=situations())
def test_one_decision_is_weighed_as_among_many_and_again_the_same(drill, objective, situation):
    feedback, eligible, effects = situation
    therapy = therapy_with(drill, objective)
    together = probabilities(therapy, feedback, eligible, effects)
    assert np.array_equal(together, probabilities(therapy, feedback, eligible, effects))
    for place in range(len(together)):
        alone = probabilities(therapy, feedback[[place]], eligible[[place]], effects)
        assert np.array_equal(alone[0], together[place])


@given(situation=situations())
def test_for_feedback_more_f_is_never_less_probable(drill, situation):
    feedback, eligible, _ = situation
    found = probabilities(therapy_with(drill, "feedback"), feedback, eligible)
    for row, may in enumerate(eligible):
        order = feedback[row][may].argsort(kind="stable")
        assert (np.diff(found[row][may][order]) >= -1e-12).all()


def test_the_status_is_weighed_by_what_a_course_would_do_in_smallest_important_changes(drill):
    therapy = therapy_with(drill, "status", floor=0.0, temperature=1.0)
    effects = effects_of(np.array([0.0, drill.status.smallest_important_change / 40]), decisions=40.0)
    found = probabilities(therapy, np.zeros((1, 2)), np.ones((1, 2), dtype=bool), effects)
    assert found[0, 1] / found[0, 0] == pytest.approx(np.e)


def test_constrained_keeps_what_is_inferior_at_the_floor(drill):
    effects = effects_of(np.array([0.0, -0.5, -0.51, 9.0]))  # the margin is 0.5; the last is not eligible
    feedback, eligible = np.array([[0.2, 0.5, 0.99, 0.99]]), np.array([[True, True, True, False]])
    found = probabilities(therapy_with(drill, "constrained", floor=0.02), feedback, eligible, effects)[0]
    assert found[2] == pytest.approx(0.02)
    assert found.argmax() == 1
    assert found[0] > 0.02
    assert found[3] == 0


def test_the_margin_is_shared_out_over_the_decisions_of_a_course(drill):
    feedback, eligible = np.array([[0.2, 0.9]]), np.ones((1, 2), dtype=bool)
    for decisions, best in ((1.0, 1), (40.0, 0)):
        effects = effects_of(np.array([0.0, -0.1]), decisions=decisions)
        assert probabilities(therapy_with(drill, "constrained"), feedback, eligible, effects).argmax() == best


def test_what_is_not_surely_worse_than_the_best_competes(drill):
    feedback, eligible = np.array([[0.2, 0.9]]), np.ones((1, 2), dtype=bool)
    for error, best in ((0.1, 0), (1.0, 1)):
        effects = effects_of(np.array([0.0, -1.0]), error=error)
        assert probabilities(therapy_with(drill, "constrained"), feedback, eligible, effects).argmax() == best


def test_the_more_f_a_content_promises_this_patient_the_more_it_does_for_mf(drill):
    effects = effects_of(np.array([0.0, 0.1]), slope=1.0)
    feedback, eligible = np.array([[0.5, 0.5], [0.9, 0.5]]), np.ones((2, 2), dtype=bool)
    found = probabilities(therapy_with(drill, "status"), feedback, eligible, effects)
    assert found.argmax(axis=1).tolist() == [1, 0]


def test_what_is_unknown_of_all_contents_alike_leaves_none_out(drill):
    shared = StatusEffects(np.array([0.0, -1.0]), 0.0, np.full(2, 0.5), np.pad(np.full((2, 2), 9.0), (0, 1)), 1.0)
    loss = shared.loss(np.full((1, 2), 0.5), np.ones((1, 2), dtype=bool))
    assert loss.mean.tolist() == [[0.0, 1.0]]
    assert loss.error.tolist() == [[0.0, 0.0]]


def test_where_effects_are_not_known_none_is_known_to_be_inferior(drill):
    feedback, eligible = np.array([[0.2, 0.9]]), np.ones((1, 2), dtype=bool)
    assert probabilities(therapy_with(drill, "constrained"), feedback, eligible).argmax() == 1


def test_a_pair_of_course_and_content_unlike_those_seen_keeps_the_floor(drill):
    eligible, therapy = np.ones((1, 3), dtype=bool), therapy_with(drill, "feedback", floor=0.01)
    found = probabilities(therapy, np.array([[0.2, 0.5, UNLIKE]]), eligible)[0]
    assert found.argmax() == 1
    assert found[2] == pytest.approx(0.01)
    assert probabilities(therapy, np.full((1, 3), UNLIKE), eligible)[0] == pytest.approx([1 / 3] * 3)


def test_monotony_is_taken_off_by_the_share_of_the_last_nine(drill):
    features = np.array([[[0.5, 9.0], [0.45, 0.0]]])  # F, and how many of the last nine were of the kind
    decisions = replace(
        decisions_of(features[:, :, 0], np.ones((1, 2), dtype=bool)),
        features=features,
        names=("foretold", "group_of_last_9"),
    )
    for cost, best in ((0.0, 0), (0.1, 1)):
        therapy = therapy_with(drill, "feedback").model_copy(update={"monotony": cost})
        assert Dpo(therapy, Foretold(("foretold", "group_of_last_9"))).probabilities(decisions).argmax() == best  # type: ignore[arg-type]


def test_drop_out_is_taken_off_by_the_chance_that_the_patient_leaves(drill):
    features = np.array([[[0.5, 20.0], [0.45, 10.0], [0.3, 10.0]]])  # F, and minutes; long contents make patients leave
    names, eligible = ("foretold", "minutes"), np.ones((1, 3), dtype=bool)
    decisions = replace(decisions_of(features[:, :, 0], eligible), features=features, names=names)
    leaving = Leaving(("minutes", FEEDBACK), np.array([15.0, 0.5]), np.ones(2), np.array([0.4, 0.0]), np.zeros(3), -4.0)
    chance = leaving.chance(np.stack([features[:, :, 1], features[:, :, 0]], axis=-1))
    for cost, best in ((0.0, 0), (1.0, 1)):
        therapy = therapy_with(drill, "feedback", floor=0.0).model_copy(update={"dropout": cost})
        found = Dpo(therapy, Foretold(names), leaving=leaving).probabilities(decisions)  # type: ignore[arg-type]
        score = (features[:, :, 0] - cost * chance) / therapy.exploration.temperature
        assert found == pytest.approx(np.exp(score) / np.exp(score).sum())
        assert found.argmax() == best
        unlearnt = Dpo(therapy, Foretold(names)).probabilities(decisions)  # type: ignore[arg-type]
        assert unlearnt.argmax() == 0


def test_who_leaves_is_kept_with_the_policy_and_only_where_it_was_learnt(drill, tmp_path):
    leaving = Leaving((FEEDBACK,), np.array([0.5]), np.ones(1), np.array([-0.3]), np.array([0.1, 0.2]), -4.0)
    for policy in (Dpo(drill, None), Dpo(drill, None, leaving=leaving)):
        save_policy(tmp_path / "policy.json", policy)
        found = load_policy(tmp_path / "policy.json", drill, {})
        assert found.parameters == policy.parameters
        assert ("leaving" in found.parameters) == (policy.leaving is not None)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_colder_the_surer(drill, objective):
    rng = np.random.default_rng(1)
    feedback, effects = rng.random((20, 6)), effects_of(rng.random(6), slope=1.0, error=2.0)
    most = [
        probabilities(
            therapy_with(drill, objective, floor=0.01, temperature=temperature),
            feedback,
            np.ones((20, 6), dtype=bool),
            effects,
        ).max(axis=1)
        for temperature in (100.0, 1.0, 0.3, 0.1, 0.03, 1e-9)
    ]
    assert (np.diff(most, axis=0) >= -1e-12).all()
    assert most[0] == pytest.approx(np.full(20, 1 / 6), abs=0.01)
    assert most[-1] == pytest.approx(np.full(20, 0.95))


def test_a_floor_too_high_for_so_many_contents_makes_them_equal(drill):
    found = probabilities(
        therapy_with(drill, "feedback", floor=0.5), np.array([[0.1, 0.5, 0.9]]), np.ones((1, 3), dtype=bool)
    )
    assert found[0] == pytest.approx([1 / 3] * 3)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_only_content_is_certain_and_equal_predictions_are_equally_likely(drill, objective):
    effects = effects_of(np.zeros(3))
    therapy = therapy_with(drill, objective)
    found = probabilities(therapy, np.full((1, 3), 0.4), np.ones((1, 3), dtype=bool), effects)
    assert found[0] == pytest.approx([1 / 3] * 3)
    assert probabilities(therapy, np.array([[0.4]]), np.ones((1, 1), dtype=bool), effects_of(np.zeros(1))) == 1


@pytest.mark.parametrize(
    ("objective", "missing"),
    [("feedback", "predictions of F"), ("status", "what contents do to Mf"), ("constrained", "predictions of F")],
)
def test_an_objective_without_what_it_needs_is_refused(drill, objective, missing):
    with pytest.raises(ValueError, match=f"objective {objective} needs .*{missing}"):
        Dpo(therapy_with(drill, objective), None).probabilities(
            decisions_of(np.zeros((1, 2)), np.ones((1, 2), dtype=bool))
        )
