"""``posology evaluate`` on a simulated log."""

import json
import sys

import numpy as np
import polars as pl
import pytest

from flows.cli.app import main
from models.offpolicy import ALL, LoggedChoices
from models.offpolicy.propensities import estimated
from models.policies import FixedSchedule, LastBest, MostPopular, Random
from posology.simulators import simulate
from posology.therapy_file import load_therapy


@pytest.fixture(scope="module")
def cohort():
    return simulate(load_therapy("mci"), patients=150, seed=1)


@pytest.fixture(scope="module")
def data(cohort, tmp_path_factory):
    folder = tmp_path_factory.mktemp("log") / "data"
    cohort.write(folder)
    return folder


@pytest.fixture(scope="module")
def choices(cohort):
    return LoggedChoices.of(load_therapy("mci"), cohort.tables)


@pytest.fixture
def run(monkeypatch, tmp_path, capsys):
    def run(*words):
        monkeypatch.setattr(sys, "argv", ["posology", *map(str, words), "--home", str(tmp_path / "home")])
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        return end.value.code or 0, said.out, said.err

    return run


def test_policies_are_valued_by_every_estimator(run, data):
    names = ["--policy", "logged", "--policy", "random", "--all-patients", "--estimator", "all", "--json"]
    status, out, _ = run("evaluate", "mci", "--data", data, *names)
    found = json.loads(out)
    assert [(each["policy"], each["estimator"]) for each in found] == [
        (policy, estimator) for policy in ("logged", "random") for estimator in ALL
    ]
    by_name = {(each["policy"], each["estimator"]): each for each in found}
    assert by_name["logged", "ips"]["verdict"] == "pass"
    assert by_name["random", "doubly_robust"]["verdict"] == "fail"
    assert by_name["random", "ips"]["propensities"] == "logged"
    assert status == 1


def test_only_patients_no_release_was_fitted_on_are_judged(run, data):
    status, out, err = run("evaluate", "mci", "--data", data, "--policy", "logged")
    assert "patients no release was fitted on" in out
    assert status == 0
    assert "Describe the decisions" in err


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (("--policy", "clever"), 2, "expected logged, random"),
        pytest.param(("--policy", "candidate"), 2, "has no candidate", marks=pytest.mark.slow),
        (("--policy", "candidate", "--all-patients"), 1, "fitted on"),
        (("--policy", "random", "--estimator", "magic"), 2, "expected ips"),
    ],
)
def test_what_is_not_there_is_refused_in_words(run, data, words, status, says):
    ended, _, err = run("evaluate", "mci", "--data", data, *words)
    assert ended == status
    assert says in " ".join(err.split())


@pytest.mark.slow
def test_estimated_propensities_are_marked(run, cohort, tmp_path):
    sessions = cohort.tables.sessions.with_columns(probability=pl.lit(None, dtype=pl.Float64))
    for name in ("users", "measurements", "contents"):
        getattr(cohort.tables, name).write_parquet(tmp_path / f"{name}.parquet")
    sessions.write_parquet(tmp_path / "sessions.parquet")
    _, out, _ = run("evaluate", "mci", "--data", tmp_path, "--policy", "random", "--all-patients")
    assert "ESTIMATED" in out


@pytest.mark.slow
def test_estimated_propensities_are_a_distribution_better_than_chance(choices):
    found = estimated(choices)
    eligible = choices.decisions.eligible
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert not found[~eligible].any()
    assert np.log(choices.given_in(found)).mean() > -np.log(eligible.sum(axis=1)).mean()


@pytest.mark.parametrize("policy", [Random(), FixedSchedule(), LastBest(), MostPopular(np.arange(34))], ids=repr)
def test_every_policy_is_a_distribution_over_the_eligible(choices, policy):
    found = policy.probabilities(choices.decisions)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert not found[~choices.decisions.eligible].any()


def test_a_fixed_schedule_goes_on_where_the_patient_is(choices):
    chosen = FixedSchedule().probabilities(choices.decisions).argmax(axis=1)
    before = choices.decisions.feature("given")[:, 0].astype(int) % choices.decisions.eligible.shape[1]
    may = choices.decisions.eligible[np.arange(len(choices)), before]
    np.testing.assert_array_equal(chosen[may], before[may])
