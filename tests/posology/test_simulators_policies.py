"""Who chooses in a simulation: every policy's probabilities are known, checked, and how often contents are given."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl
import pytest

from posology.errors import CannotDo
from posology.simulators import (
    Clinician,
    Cohort,
    EpsilonGreedy,
    Moment,
    Oracle,
    Policy,
    Simulator,
    World,
    treat,
    value_of,
)
from posology.simulators.truth import counted_feedback
from posology.tables import Tables
from posology.therapy import Therapy
from posology.therapy_file import load_therapy

CHANCE = Clinician(trying=1.0)
POLICIES: dict[str, Policy] = {
    "chance": CHANCE,
    "clinician": Clinician(),
    "epsilon-greedy": EpsilonGreedy(),
    "oracle": Oracle(),
}


@pytest.fixture(scope="module")
def therapy() -> Therapy:
    mci = load_therapy("mci")
    assert mci.status
    short = mci.status.model_copy(update={"final_after_days": 21.0, "final_window_days": 7.0})
    return mci.model_copy(update={"status": short})


def treated(therapy: Therapy, policy: Policy, patients: int = 150) -> Cohort:
    return treat(World(therapy, patients=patients, seed=4), policy, seed=4)


@pytest.fixture(scope="module", params=POLICIES)
def cohort(request: pytest.FixtureRequest, therapy: Therapy) -> Cohort:
    return treated(therapy, POLICIES[request.param])


def chances(cohort: Cohort) -> tuple[np.ndarray, np.ndarray]:
    """Logged and eligible count of every session."""
    return cohort.tables.sessions["probability"].to_numpy(), cohort.tables.sessions["eligible"].list.len().to_numpy()


def test_logged_probabilities_are_in_reach_and_of_eligible_contents(cohort: Cohort) -> None:
    probability, _ = chances(cohort)
    assert ((probability > 0) & (probability <= 1)).all()
    assert cohort.tables.sessions.select(pl.col("content_id").is_in(pl.col("eligible"))).to_series().all()


def test_logged_and_true_propensities_agree_where_nothing_confounds(cohort: Cohort) -> None:
    truth = cohort.truth.decisions.join(
        cohort.tables.sessions.select("decision_id", logged="probability"), on="decision_id"
    )
    assert truth["logged"].equals(truth["probability"], check_names=False)
    assert truth["logged"].equals(truth["probability_recorded"], check_names=False)


def test_the_inverse_of_the_propensity_has_the_mean_it_must(therapy: Therapy) -> None:
    for policy in (CHANCE, Clinician(), EpsilonGreedy(0.5)):
        probability, count = chances(treated(therapy, policy, patients=300))
        weight = 1 / probability / count
        assert abs(weight.mean() - 1) < 4 * max(weight.std(), 1e-9) / len(weight) ** 0.5 + 1e-9


def test_epsilon_greedy_comes_to_give_what_brings_most(therapy: Therapy) -> None:
    learned = treated(therapy, EpsilonGreedy(0.2), patients=300)
    chance = treated(therapy, CHANCE, patients=300)
    late = learned.tables.sessions.sort("decided_at").tail(learned.tables.sessions.height // 2)
    early = chance.tables.sessions.sort("decided_at").tail(chance.tables.sessions.height // 2)
    gain = counted_feedback(therapy, late).mean() - counted_feedback(therapy, early).mean()  # type: ignore[operator]
    assert gain > 0.05


@pytest.mark.parametrize("epsilon", [-0.1, 1.5])
def test_an_epsilon_that_is_no_probability_is_refused(epsilon: float) -> None:
    with pytest.raises(CannotDo, match="expected a probability"):
        EpsilonGreedy(epsilon)


def test_no_policy_beats_the_oracle_on_the_next_feedback(cohort: Cohort) -> None:
    decisions = cohort.truth.decisions
    expected = np.array(decisions["expected_feedback"].to_list())
    ids = cohort.tables.contents["content_id"]
    given = decisions.select("decision_id").join(cohort.tables.sessions, on="decision_id", maintain_order="left")
    places = given["content_id"].replace_strict(ids, np.arange(len(ids)), return_dtype=pl.Int64).to_numpy()
    oracle = decisions["oracle_feedback"].to_numpy()
    assert (expected[np.arange(len(expected)), places] == decisions["given_feedback"].to_numpy()).all()
    assert (decisions["given_feedback"].to_numpy() <= oracle).all()
    best = (
        decisions["oracle"].cast(pl.String).replace_strict(ids, np.arange(len(ids)), return_dtype=pl.Int64).to_numpy()
    )
    assert (expected[np.arange(len(expected)), best] == oracle).all()
    assert given.select(pl.lit(decisions["oracle"].cast(pl.String)).is_in(pl.col("eligible"))).to_series().all()


def test_the_value_of_probabilities_is_the_mean_of_what_they_would_bring(therapy: Therapy) -> None:
    truth = treated(therapy, CHANCE, patients=10).truth
    expected = np.array(truth.decisions["expected_feedback"].to_list())
    first = np.eye(expected.shape[1])[np.zeros(len(expected), dtype=int)]
    assert value_of(truth, first) == pytest.approx(expected[:, 0].mean())
    with pytest.raises(CannotDo, match="expected probabilities of shape"):
        value_of(truth, first[:, :2])


def test_the_summary_ranks_chance_what_was_given_and_the_oracle(therapy: Therapy) -> None:
    truth = treated(therapy, Clinician()).truth
    feedback, status = truth.summary()["feedback"], truth.summary()["status"]
    assert feedback["uniform"] < feedback["given"] < feedback["oracle"]  # type: ignore[operator]
    assert status["end"] > status["start"]  # type: ignore[operator]
    assert truth.summary()["noise"] == {"feedback": truth.noise.feedback, "status": truth.noise.status}


def test_the_noise_floor_is_what_the_instrument_and_the_answers_scatter(therapy: Therapy) -> None:
    cohort = treated(therapy, Clinician(), patients=600)
    floor = cohort.truth.noise
    assert floor.status == pytest.approx(1.0**2 + 1 / 12, rel=0.25)  # error of measurement and rounding
    assert floor.feedback is not None
    value = counted_feedback(therapy, cohort.tables.sessions).to_numpy()
    assert 0.02 < floor.feedback < value.var()


def test_withheld_propensities_are_known_to_the_truth_alone(therapy: Therapy) -> None:
    open_log, withheld = (
        treat(World(therapy, patients=10, seed=4), Clinician(), seed=4, withhold_propensities=withhold)
        for withhold in (False, True)
    )
    assert withheld.tables.sessions["probability"].is_null().all()
    assert withheld.truth.decisions.equals(open_log.truth.decisions)
    assert withheld.tables.sessions.drop("probability").equals(open_log.tables.sessions.drop("probability"))


@dataclass(frozen=True)
class Wrong:
    """A policy that gives the same row of numbers, whatever may be given."""

    learns: ClassVar[bool] = False
    shift: float
    ineligible: bool = False

    def probabilities(self, rng: np.random.Generator, simulator: Simulator, moment: Moment) -> np.ndarray:
        assert simulator.contents.height == moment.eligible.shape[1] > rng.random()
        found = moment.eligible / moment.eligible.sum(axis=1, keepdims=True) + self.shift
        return np.roll(found, 1, axis=1) if self.ineligible else found


@pytest.mark.parametrize(
    ("policy", "message"),
    [(Wrong(0.1), "not a distribution"), (Wrong(np.nan), "not a distribution"), (Wrong(0.0, True), "not eligible")],
)
def test_a_policy_whose_numbers_are_no_distribution_over_the_eligible_is_refused(
    policy: Policy, message: str, therapy: Therapy
) -> None:
    with pytest.raises(CannotDo, match=message):
        treated(therapy, policy, patients=30)


@dataclass
class Looking:
    """Gives anything, and keeps what it was shown."""

    learns: ClassVar[bool] = False
    seen: list[tuple[Moment, Tables]]

    def probabilities(self, rng: np.random.Generator, simulator: Simulator, moment: Moment) -> np.ndarray:
        self.seen.append((moment, moment.known()))
        return CHANCE.probabilities(rng, simulator, moment)


@pytest.fixture(scope="module")
def looked(therapy: Therapy) -> tuple[Cohort, list[tuple[Moment, Tables]]]:
    policy = Looking([])
    return treated(therapy, policy, patients=25), policy.seen


def test_a_policy_sees_what_is_recorded_of_its_patients_so_far(
    looked: tuple[Cohort, list[tuple[Moment, Tables]]],
) -> None:
    cohort, seen = looked
    for moment, known in seen:
        now = moment.situations["decided_at"].min()
        users = moment.situations["user_id"]
        assert set(known.users["user_id"]) == set(users)
        of_them = cohort.tables.of_users(users)
        assert known.sessions.equals(of_them.sessions.filter(pl.col("decided_at") < now))
        today = moment.situations["decided_at"].dt.date().max()
        measured = of_them.measurements.filter(pl.col("measured_at").dt.date() <= today)
        assert known.measurements.height == measured.height
