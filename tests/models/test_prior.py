"""The learnt prior: the same wherever it is asked, blind to judges and to the future, and true to what made the log."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import polars as pl
import pytest

from models.belief import NOISE_SD, RANK
from models.choice import choose, score
from models.contents import ContentArrays
from models.features import EXPECTED, LEARNT, Features
from models.learnt import NOTHING_LEARNT, Learnt
from models.offpolicy import LoggedChoices
from models.policies.dpo import Dpo
from models.predictors.kinds import KINDS
from models.predictors.predictor import fit_predictor
from models.predictors.rows import Rows
from models.prior_fitting import SampledAnswers, fit_prior, loadings_of
from models.release import Release, save_release
from models.released import Released
from models.split import part_of, split
from models.targets import target_rows
from models.treating import Treating
from posology.digests import digest_of_folder
from posology.errors import CannotDo
from posology.simulators import Moment, Simulator, World, simulate, treat
from posology.tables import Tables
from posology.therapy import Therapy

OPTIONS = {"coverage": 0.9, "iterations": 20, "depth": 3, "learning_rate": 0.2, "l2_leaf_reg": 5, "seed": 7}
WHOLE = SampledAnswers(as_of=None, cut=None, share=1.0)


@pytest.fixture(scope="module")
def log(mci: Therapy) -> Tables:
    return simulate(mci, patients=230, seed=4, weeks=2).tables


@pytest.fixture(scope="module")
def learnt(mci: Therapy, log: Tables) -> Learnt:
    return Learnt(prior=fit_prior(ContentArrays(mci, log.contents), WHOLE.of(mci, log)))


@pytest.fixture(scope="module")
def features(mci: Therapy, log: Tables, learnt: Learnt) -> Features:
    return learnt.features(mci, log.contents)


@pytest.fixture(scope="module")
def release(mci: Therapy, log: Tables, learnt: Learnt, features: Features, tmp_path_factory) -> Release:
    rows = split(target_rows(mci, log, "feedback"), past_share=0.6)
    matrix = pl.DataFrame(features.of_given(log, rows["session"].to_numpy()), schema=list(features.names))
    table = rows.select("user_id", "decision_id", "content_id", "part", "target").hstack(matrix)
    fit, calibrate = (Rows.of(table, part) for part in ("fit", "calibrate"))
    options = OPTIONS | {"threads": 1}
    predictor = fit_predictor(KINDS["catboost"], "feedback", fit, calibrate, options=options, bounds=(0, 1))
    therapy = mci.model_copy(update={"objective": "feedback", "noninferiority_margin": None})
    folder = tmp_path_factory.mktemp("releases") / "learnt"
    predictors = {"feedback": predictor}
    return save_release(
        folder, therapy=therapy, contents=log.contents, predictors=predictors, envelope={}, learnt=learnt
    )


@dataclass(frozen=True)
class Both:
    """Treats by a policy, and looks each day whether its release would do the same."""

    learns: ClassVar[bool] = False
    policy: Dpo
    release: Release

    def probabilities(self, rng: np.random.Generator, simulator: Simulator, moment: Moment) -> np.ndarray:
        own = Treating(self.policy, self.release.learnt).probabilities(rng, simulator, moment)
        served = Treating(Released(self.release)).probabilities(rng, simulator, moment)
        assert own == pytest.approx(served, abs=1e-9)
        return own


def test_given_and_candidates_are_described_alike_alone_and_among_others(features, log):
    users = log.users["user_id"][:3].to_list()
    sessions = log.sessions.with_row_index().filter(pl.col("user_id").is_in(users))
    rows = sessions["index"].cast(pl.Int64).to_numpy()
    together = features.of_given(log, rows)
    places = features.contents.places(sessions["content_id"])
    asked = features.of_candidates(log, rows).features.reshape(rows.size, log.contents.height, -1)
    assert np.array_equal(asked[np.arange(rows.size), places], together, equal_nan=True)
    alone = [features.of_given(log.of_users([user]), np.arange(log.of_users([user]).sessions.height)) for user in users]
    assert np.array_equal(np.concatenate(alone), together, equal_nan=True)


def test_what_comes_later_changes_nothing(features, log):
    course = log.of_users([log.sessions["user_id"].value_counts(sort=True)["user_id"][0]])
    half = course.sessions.height // 2
    before = replace(course, sessions=course.sessions[: half + 1])
    both = [features.of_given(tables, np.array([half])) for tables in (course, before)]
    assert np.array_equal(*both, equal_nan=True)


def test_answers_move_what_is_expected(features, log):
    user = log.sessions["user_id"].value_counts(sort=True)["user_id"][0]
    course = log.of_users([user])
    last = np.array([course.sessions.height - 1])
    expected = [
        features.of_candidates(replace(course, sessions=course.sessions.with_columns(score=pl.lit(score))), last)
        .features[:, EXPECTED]
        .mean()
        for score in (0.0, 100.0)
    ]
    assert expected[1] > expected[0] + 0.1


def test_it_is_saved_and_loaded_and_the_same_log_gives_the_same_bytes(mci, log, learnt, features, tmp_path):
    learnt.save(tmp_path / "one")
    again = Learnt(prior=fit_prior(ContentArrays(mci, log.contents), WHOLE.of(mci, log)))
    again.save(tmp_path / "other")
    assert digest_of_folder(tmp_path / "one") == digest_of_folder(tmp_path / "other")
    loaded = Learnt.load(tmp_path / "one").features(mci, log.contents)
    rows = np.arange(50)
    assert np.array_equal(loaded.of_given(log, rows), features.of_given(log, rows), equal_nan=True)


def test_only_the_fitting_patients_before_the_cut_are_heard(mci, log):
    is_fit = log.sessions["user_id"].map_elements(part_of, return_dtype=pl.String) == "fit"
    changed = log.sessions.with_columns(score=pl.when(is_fit).then("score").otherwise(0.0))
    assert WHOLE.of(mci, log).equals(WHOLE.of(mci, replace(log, sessions=changed)))
    cut = log.sessions["decided_at"].median()
    heard = replace(WHOLE, cut=cut)
    late = log.sessions.with_columns(score=pl.when(pl.col("decided_at") <= cut).then("score").otherwise(0.0))
    assert heard.of(mci, log).equals(heard.of(mci, replace(log, sessions=late)))
    assert heard.of(mci, log).height < WHOLE.of(mci, log).height


def test_a_share_of_the_patients_is_drawn_whole(mci, log):
    some, every = (replace(WHOLE, share=share).of(mci, log) for share in (0.4, 1.0))
    assert 0.2 < some["user_id"].n_unique() / every["user_id"].n_unique() < 0.6
    assert every.filter(pl.col("user_id").is_in(some["user_id"].implode())).equals(some)


def test_with_few_patients_contents_are_believed_alike_as_before(mci, log):
    contents = ContentArrays(mci, log.contents)
    assert fit_prior(contents, WHOLE.of(mci, log.of_users(log.users["user_id"][:60].to_list()))) is None
    plain = NOTHING_LEARNT.features(mci, log.contents)
    assert "expected_answer" in plain.names
    assert LEARNT not in plain.names


def test_other_contents_are_refused(mci, log, learnt):
    fewer = replace(log, contents=log.contents[:-1])
    with pytest.raises(CannotDo, match="expected the contents of the release"):
        learnt.features(mci, fewer.contents).of_given(fewer, np.arange(1))


def test_loadings_and_noise_of_the_log_are_found():
    rng = np.random.default_rng(3)
    n_patients, n_contents, each = 2000, 6, 4
    truth = np.zeros((n_contents, RANK))
    truth[:, :2] = rng.normal(0, 0.2, (n_contents, 2))
    patient = np.repeat(np.arange(n_patients), n_contents * each)
    place = np.tile(np.repeat(np.arange(n_contents), each), n_patients)
    own = rng.normal(size=(n_patients, RANK))
    above = (own[patient] * truth[place]).sum(axis=1) + rng.normal(0, 0.15, patient.size)
    alike = truth / 2 + rng.normal(0, 0.01, truth.shape)
    loadings, noise = loadings_of(above, patient, place, alike)
    assert loadings @ loadings.T == pytest.approx(truth @ truth.T, abs=0.04)
    assert noise == pytest.approx(0.15**2, rel=0.03)


def test_with_few_answers_loadings_stay_in_proportion_to_the_likeness():
    rng = np.random.default_rng(3)
    patient, place = np.repeat(np.arange(10), 4), np.tile(np.arange(4), 10)
    alike = rng.normal(0, 0.2, (4, RANK))
    loadings, _ = loadings_of(rng.normal(0, NOISE_SD, 40), patient, place, alike)
    scale = (loadings * alike).sum() / (alike**2).sum()
    assert loadings == pytest.approx(scale * alike, abs=0.03)


def test_a_policy_meets_in_a_simulator_and_in_a_log_what_its_release_would(release, mci, log):
    therapy, policy = release.therapy, release.policy
    assert isinstance(policy, Dpo)
    decisions = LoggedChoices.of(therapy, log, most=60, learnt=release.learnt).decisions
    found = policy.probabilities(decisions)
    assert found == pytest.approx(Released(release).probabilities(decisions), abs=1e-5)  # described in single precision
    treat(World(therapy, patients=2, seed=2, prefix="new"), Both(policy, release), seed=2)


def test_a_policy_is_not_asked_in_other_features_than_its_predictors_know(release, log):
    plain = LoggedChoices.of(release.therapy, log, most=60).decisions
    with pytest.raises(CannotDo, match="describe them by what its release learnt"):
        release.policy.probabilities(plain)


def test_one_patient_is_answered_as_among_many(release, log, mci):
    course = log.of_users([log.sessions["user_id"].value_counts(sort=True)["user_id"][0]])
    last = course.sessions.row(-1, named=True)
    before = replace(course, sessions=course.sessions[:-1])
    context = {name: last[name] for name in mci.context}
    ranking = choose(release, before, now=last["decided_at"], context=context, seed=1).ranking
    scored = score(release, course, np.array([course.sessions.height - 1])).probability[0]
    assert {each.content_id: each.probability for each in ranking} == dict(
        zip(log.contents["content_id"], scored.tolist(), strict=True)
    )


def test_a_release_keeps_it_as_a_part_of_its_own(release):
    assert "prior" in release.digests
    assert LEARNT in release.features.names
