"""Effects of content cover the simulator's truth, where naive differences do not; too little data is said to be."""

import sys
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from models.effects import Arms, EffectsOf, Scores, effects, logs_of, sensitivities
from models.effects.outcomes import where
from models.offpolicy import propensities_of
from posology.errors import CannotDo, TooSmall
from posology.simulators import Clinician, Conditions, World, treat
from posology.tables import Tables
from tests.models.effects.conftest import true_means


def true_effects(cohort, choices, scores, arms):
    expected = true_means(cohort, choices, scores.ids)
    true, could = arms.averaged(scores, expected - expected[:, [0]]), arms.could(scores)
    return {name: true[could[:, arm], arm].mean() for arm, name in enumerate(arms.names)}


@pytest.mark.parametrize("by", ["group", "content"])
def test_intervals_cover_the_true_effects_on_f(cohort, logs, scores, by):
    choices, scored = logs["feedback"], scores["feedback"]
    arms = Arms.of(scored, choices, by)
    true, found = true_effects(cohort, choices, scored, arms), effects(scored, arms)
    assert len(found) == (3 if by == "group" else 33)
    assert all(each.low_of_all <= true[each.arm] <= each.high_of_all for each in found)
    assert by == "group" or np.mean([each.low <= true[each.arm] <= each.high for each in found]) >= 0.85
    assert all(each.low_of_all <= each.low < each.value < each.high <= each.high_of_all for each in found)


def test_econml_scores_are_the_formula(scores):
    scored, n = scores["status"], len(scores["status"])
    k = len(scored.ids)
    given = np.column_stack([scored.given == content for content in range(k)])
    corrected = scored.predicted + given * (scored.outcome[:, None] - scored.predicted) / scored.propensity[:, None]
    assert scored.difference == pytest.approx(corrected - corrected[:, [0]], abs=1e-9)
    assert scored.difference.shape == (n, k)


@pytest.fixture(scope="module")
def confounded(mci):
    """A log whose choices a coin moves that no table holds."""
    world = World(mci, patients=100, seed=42, conditions=Conditions(confounding=1), abreast=True)
    return treat(world, Clinician(), seed=42)


def log_with(mci, cohort, probability):
    """The log with the probabilities of a column of the truth, or without any."""
    told = cohort.truth.decisions.select("decision_id", told=probability)
    sessions = cohort.tables.sessions.join(told, on="decision_id", how="left", maintain_order="left")
    frames = {name: getattr(cohort.tables, name) for name in ("users", "measurements", "contents")}
    sessions = sessions.with_columns(probability="told").drop("told")
    return logs_of(mci, Tables.conform(mci, {**frames, "sessions": sessions}))["feedback"]


def test_a_confounder_does_no_harm_where_the_log_holds_the_true_propensities(mci, confounded):
    choices = log_with(mci, confounded, "probability")
    scored = Scores.of(choices, "feedback")
    arms = Arms.of(scored, choices, "content")
    true, found = true_effects(confounded, choices, scored, arms), effects(scored, arms)
    assert np.mean([each.low_of_all <= true[each.arm] <= each.high_of_all for each in found]) == 1
    demanding = [each for each in found if each.arm in {"memory_09_two_lists", "attention_09_stroop"}]
    assert all(each.naive > true[each.arm] + 0.03 for each in demanding)


@pytest.mark.thorough
def test_without_propensities_the_order_is_weak_and_with_them_by_design(mci, confounded, logs, scores):
    withheld = log_with(mci, confounded, pl.lit(None, dtype=pl.Float64))
    weak = EffectsOf.of("feedback", Scores.of(withheld, "feedback"), withheld, "group")
    firm = EffectsOf.of("feedback", scores["feedback"], logs["feedback"], "group")
    assert weak.is_estimated
    assert {each.strength for each in weak.sensitivities} == {"weak"}
    assert firm.sensitivities[-1].strength == "by design"
    assert firm.sensitivities[-1].other == "rest"


def test_more_of_a_confounder_is_needed_the_further_the_leader_leads(logs, scores):
    scored = scores["feedback"]
    arms = Arms.of(scored, logs["feedback"], "content")
    found = sensitivities(scored, arms, effects(scored, arms))
    odds = [each.odds for each in found]
    assert np.corrcoef(odds, [each.difference for each in found])[0, 1] > 0.8
    assert all(each.odds_sure <= each.odds for each in found)
    assert all(each.robustness_sure <= each.robustness < 1 for each in found)


def test_the_same_log_gives_the_same_effects(logs, scores):
    again = Scores.of(logs["status"], "status")
    assert np.array_equal(again.difference, scores["status"].difference)


def test_one_content_alone_cannot_be_compared(logs):
    choices = logs["status"]
    rest = choices.decisions.tables.contents["content_id"].to_list().index("rest")
    only_rest = where(choices, choices.given == rest)
    with pytest.raises(TooSmall, match="nothing to compare it with"):
        Scores.of(only_rest, "status")


def test_the_same_outcome_everywhere_tells_no_effect(logs):
    choices = logs["status"]
    with pytest.raises(TooSmall, match="the same in every decision"):
        Scores.of(replace(choices, reward=np.full(len(choices), 0.5)), "status")


def test_a_content_that_three_patients_were_given_is_named_and_not_compared(logs):
    choices = logs["status"]
    some = 5
    rare = (choices.given != some) | (choices.patient < 3)
    scored = Scores.of(where(choices, rare), "status")
    content_id = choices.decisions.tables.contents["content_id"][some]
    assert scored.too_few[content_id] <= 3
    assert content_id not in scored.ids


def test_without_econml_the_message_names_the_extra(logs, monkeypatch):
    monkeypatch.setitem(sys.modules, "econml.dr", None)
    with pytest.raises(CannotDo, match=r"posology\[causal\]"):
        Scores.of(logs["status"], "status", propensities_of(logs["status"]))
