"""Intervals cover in every slice, strange pairs are recognised, and the lost are stood for."""

import dataclasses

import numpy as np
import polars as pl
import pytest

from models.contents import ContentArrays
from models.features import PLACE, Features
from models.predictors.kinds import KINDS
from models.predictors.predictor import Predictor, fit_mean, fit_predictor
from models.predictors.remaining import WEIGHT, weighted
from models.predictors.rows import Rows
from models.predictors.slices import LEAST_PATIENTS, calibrated, slices_of
from models.predictors.support import FALSE_ALARMS, fit_support
from models.targets import target_rows
from posology.simulators import Conditions, simulate

NAMES = (PLACE, "age", "feedbacks", "sex=male")
OPTIONS = {
    "coverage": 0.9,
    "iterations": 20,
    "depth": 3,
    "learning_rate": 0.2,
    "l2_leaf_reg": 5,
    "seed": 7,
    "threads": 1,
}


def rows(patients: int, seed: int, *, spread_of_men: float = 3.0, male: float = 0.3) -> Rows:
    """Content 3 is never given, content 2 not above 80 years; what comes of men varies more."""
    rng = np.random.default_rng(seed)
    patient = np.repeat(np.arange(patients), 10)
    age, is_male = rng.uniform(50, 95, patients)[patient], (rng.random(patients) < male)[patient]
    place = np.where(age > 80, rng.integers(0, 2, patient.size), rng.integers(0, 3, patient.size))
    features = np.column_stack([place, age, np.tile(np.arange(10), patients), is_male]).astype(float)
    target = 10 + place + rng.normal(size=patient.size) * np.where(is_male, spread_of_men, 1.0)
    return Rows(NAMES, features, target, patient)


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return fit_predictor(
        KINDS["ridge"], "feedback", rows(300, 1), rows(200, 2), options=OPTIONS, bounds=(-100.0, 100.0)
    )


def covered(predictor: Predictor, judge: Rows) -> np.ndarray:
    _, low, high = predictor.predict(judge.features).T
    return (judge.target >= low) & (judge.target <= high)


def test_intervals_cover_in_each_slice_though_the_model_thinks_all_alike(predictor):
    judge = rows(400, 3)
    inside, is_male = covered(predictor, judge), judge.column("sex=male") == 1
    assert 0.88 < inside.mean() < 0.92
    for part in (is_male, ~is_male, judge.column("feedbacks") < 3):
        assert 0.86 < inside[part].mean() < 0.94
    everyone = dataclasses.replace(predictor, slices=())
    assert covered(everyone, judge)[is_male].mean() < 0.86


@pytest.mark.parametrize("men", [0, 3])
def test_a_slice_of_three_patients_has_everyone_s_margin_and_says_how_many_it_is(men):
    calibrate = rows(60, 2, male=0.0)
    features = calibrate.features.copy()
    features[calibrate.patient < men, NAMES.index("sex=male")] = 1.0
    calibrate = dataclasses.replace(calibrate, features=features)
    score = np.abs(calibrate.target)
    _, slices = calibrated(slices_of(rows(60, 1)), calibrate, score, coverage=0.9)
    of_men = next(each for each in slices if each.feature == "sex=male")
    assert (of_men.margin, of_men.patients) == (0.0, men)
    assert men < LEAST_PATIENTS


def test_pairs_like_those_seen_are_supported_and_others_are_not(predictor):
    judge = rows(300, 4)
    alarms = 1 - predictor.supported(judge.features).mean()
    assert alarms < FALSE_ALARMS + 0.01
    never, forbidden = judge.features.copy(), judge.features[judge.column("age") > 83].copy()
    never[:, 0], forbidden[:, 0] = 3, 2
    assert not predictor.supported(never).any()
    assert predictor.supported(forbidden).mean() < 0.05


def test_what_is_supported_stays_so_when_saved(predictor, tmp_path):
    predictor.save(tmp_path)
    features = np.vstack([rows(50, 5).features, rows(50, 5).features[:, [0, 1, 2, 3]] + [1, 0, 0, 0]])
    loaded = Predictor.load(tmp_path)
    assert np.array_equal(loaded.supported(features), predictor.supported(features))
    assert (loaded.slices, loaded.support) == (predictor.slices, predictor.support)
    assert loaded.supported(features[:0]).shape == (0,)


@pytest.mark.parametrize("patients", [3, 60])
def test_one_content_only_supports_itself(patients):
    fit, calibrate = (rows(patients, seed) for seed in (1, 2))
    for each in (fit, calibrate):
        each.features[:, 0] = 1
    support = fit_support(fit, calibrate, seed=7)
    assert support.holds(fit.features, NAMES).all()
    other = fit.features.copy()
    other[:, 0] = 2
    assert not support.holds(other, NAMES).any()


@pytest.fixture(scope="module")
def courses(mci):
    """The status table of a cohort with its lost patients, and what only the simulator knows."""
    cohort = simulate(mci, patients=500, seed=5)
    found = target_rows(mci, cohort.tables, "status", unfinished=True)
    features = Features(mci, ContentArrays(mci, cohort.tables.contents))
    matrix = features.of_given(cohort.tables, found["session"].to_numpy())
    table = found.select("user_id", "decision_id", "content_id", "target").with_columns(part=pl.lit("fit"))
    return table.hstack(pl.DataFrame(matrix, schema=list(features.names), orient="row")), cohort.truth.patients


def test_weights_make_up_for_those_who_were_lost_before_they_were_measured(courses):
    table, truth = courses
    change = truth.select("user_id", change=pl.col("status_at_end_of_all") - pl.col("status_at_start"))
    everyone = table.unique("user_id").join(change, on="user_id")["change"].mean()
    measured = weighted(table).unique("user_id", maintain_order=True).join(change, on="user_id", maintain_order="left")
    as_if_nobody_was_lost = measured["change"].mean()
    with_weights = np.average(measured["change"], weights=measured[WEIGHT])
    assert as_if_nobody_was_lost - everyone > 0.1
    assert abs(with_weights - everyone) < 0.25 * (as_if_nobody_was_lost - everyone)


def bias_under_drop_out(therapy, seed):
    """Mean prediction of Mf minus the truth, over all patients: of a model without weights, and with them.

    Both learn the true status of those who were measured: what the instrument adds is not to be told from bias.
    """
    cohort = simulate(therapy, patients=400, seed=seed, conditions=Conditions(dropout=1.0))
    truth = cohort.truth.patients.select("user_id", truth="status_at_end_of_all")
    rows = target_rows(therapy, cohort.tables, "status", unfinished=True)
    rows = rows.join(truth, on="user_id", how="left", maintain_order="left")
    features = Features(therapy, ContentArrays(therapy, cohort.tables.contents))
    matrix = pl.DataFrame(features.of_given(cohort.tables, rows["session"].to_numpy()), list(features.names))
    true_if_measured = pl.when(pl.col("target").is_not_null()).then("truth")
    table = rows.select("user_id", "decision_id", target=true_if_measured, part=pl.lit("fit")).hstack(matrix)
    measured, everyone = Rows.of(weighted(table), "fit"), Rows.of(table.with_columns(target=rows["truth"]), "fit")
    found = []
    for learnt in (dataclasses.replace(measured, stands_for=None), measured):
        mean = fit_mean(KINDS["ridge"], "status", learnt, options=OPTIONS, bounds=(-100.0, 200.0))
        found.append(np.average(mean(everyone.features) - everyone.target, weights=everyone.weight))
    return found


@pytest.mark.slow
def test_weights_take_away_most_of_the_bias_of_a_strong_drop_out(mci):
    without, with_weights = np.mean([bias_under_drop_out(mci, seed) for seed in (21, 22, 23, 24)], axis=0)
    assert without > 0.1  # points of the MMSE: those who were lost did worse
    assert abs(with_weights) < 0.4 * without


def test_where_nobody_who_stopped_was_measured_those_who_went_on_stand_for_them(courses):
    table, _ = courses
    last = table.group_by("user_id").agg(pl.col("days_enrolled").max(), pl.col("target").first())
    stopped = last.filter(pl.col("days_enrolled") < 50)["user_id"]
    unmeasured = table.with_columns(
        target=pl.when(pl.col("user_id").is_in(stopped.implode())).then(None).otherwise("target")
    )
    found = weighted(unmeasured)
    assert found[WEIGHT].is_between(1, 12).all()
    assert found[WEIGHT].max() > 1.2


def test_weights_are_moderate_the_same_every_time_and_leave_out_nobody_who_was_measured(courses):
    table, _ = courses
    found = weighted(table)
    assert found.drop(WEIGHT).equals(table.drop_nulls("target"))
    assert found[WEIGHT].is_between(0.3, 12).all()
    assert weighted(table).equals(found)
    rows = Rows.of(found, "fit")
    assert WEIGHT not in rows.names
    assert np.bincount(rows.patient, rows.weight).std() > 0


def test_where_nobody_was_lost_all_weigh_one(courses):
    found = weighted(courses[0].drop_nulls("target"))
    assert (found[WEIGHT] == 1).all()


def test_the_lost_are_those_whose_time_to_be_measured_is_over(mci):
    tables = simulate(mci, patients=60, seed=3).tables
    finished, all_of_them = (target_rows(mci, tables, "status", unfinished=unfinished) for unfinished in (False, True))
    assert all_of_them.drop_nulls("target").equals(finished)
    lost = all_of_them.filter(pl.col("target").is_null())
    assert lost.height > 0
    assert not set(lost["user_id"]) & set(finished["user_id"])
    assert (lost["decided_at"] < lost["known_at"]).all()
    assert lost["known_at"].max() <= tables.as_of
    early = target_rows(mci, tables, "status", unfinished=True, as_of=lost["known_at"].min())
    assert early.filter(pl.col("target").is_null())["user_id"].n_unique() < lost["user_id"].n_unique() or (
        lost["user_id"].n_unique() == 1
    )
