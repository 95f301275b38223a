"""The negative-transfer test on simulated populations: one like the source's, one that is not."""

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from models.contents import ContentArrays
from models.features import Features
from models.learner import FOLDS
from models.predictors.predictor import Fitter, fit_predictor
from models.predictors.ridge import Ridge
from models.predictors.rows import Rows
from models.split import split
from models.targets import target_rows
from models.transfer.negative import TransferVerdict, negative_transfer_test
from models.transfer.source import Source
from models.transfer.warm import WarmStart
from models.tuning.held_out import Question, losses_on
from posology.simulators import simulate
from posology.simulators.conditions import NOTHING_WRONG, Conditions
from posology.therapy import Therapy

BOUNDS = (0.0, 1.0)
OPTIONS = {"coverage": 0.9, "seed": 7}


def feedback_table(
    therapy: Therapy, *, patients: int, seed: int, conditions: Conditions, site: str | None = None
) -> pl.DataFrame:
    """Of all patients, or of those of a site."""
    tables = simulate(therapy, patients=patients, seed=seed, conditions=conditions).tables
    if site:
        tables = tables.of_users(tables.users.filter(site=site)["user_id"])
    features = Features(therapy, ContentArrays(therapy, tables.contents))
    rows = split(target_rows(therapy, tables, "feedback"), past_share=0.6)
    matrix = features.of_given(tables, rows["session"].to_numpy())
    described = pl.DataFrame(matrix, schema=list(features.names), orient="row")
    return rows.select("user_id", "decision_id", "content_id", "part", "target").hstack(described)


def source_of(table: pl.DataFrame, mci: Therapy) -> Source:
    fit, calibrate = Rows.of(table, "fit"), Rows.of(table, "calibrate")
    predictor = fit_predictor(Ridge, "feedback", fit, calibrate, options=OPTIONS, bounds=BOUNDS)
    return Source("mci-0123456789ab", "ab" * 32, predictor, tuple(range(len(mci.catalogue or ()))))


@pytest.fixture(scope="module")
def source(mci: Therapy) -> Source:
    return source_of(feedback_table(mci, patients=250, seed=101, conditions=NOTHING_WRONG), mci)


@pytest.fixture(scope="module")
def few(mci: Therapy) -> Callable[[Conditions], pl.DataFrame]:
    """Sixty patients of a population."""
    return lambda conditions: feedback_table(mci, patients=60, seed=102, conditions=conditions)


def losses_of(table: pl.DataFrame, fitter: Fitter) -> np.ndarray:
    """(n_patients,) squared errors on the patients who judge."""
    fit, judge = Rows.of(table, "fit"), Rows.of(table, "judge")
    return losses_on(judge, fitter, "feedback", fit, options=OPTIONS, bounds=BOUNDS)


def verdict_on(table: pl.DataFrame, source: Source) -> TransferVerdict:
    question = Question.of("feedback", Rows.of(table, "fit"), bounds=BOUNDS, folds=FOLDS, seed=7)
    return negative_transfer_test(Ridge, source, question, OPTIONS)


def test_sixty_patients_like_those_of_the_source_are_predicted_better(
    source: Source, few: Callable[[Conditions], pl.DataFrame]
) -> None:
    table = few(NOTHING_WRONG)
    assert verdict_on(table, source).passed
    scratch, warm = (losses_of(table, fitter).mean() for fitter in (Ridge, WarmStart(Ridge, source)))
    assert warm < scratch


def test_another_population_whom_other_contents_please_is_refused(
    source: Source, few: Callable[[Conditions], pl.DataFrame]
) -> None:
    assert not verdict_on(few(Conditions(transfer=1.0, misleading=1.0)), source).passed


def test_a_small_site_gains_by_what_a_large_one_knows_and_a_site_whom_other_contents_please_refuses_it(
    mci: Therapy,
) -> None:
    alike, unlike = Conditions(sites=0.2), Conditions(sites=1.0, misleading=1.0)
    north = source_of(feedback_table(mci, patients=450, seed=103, conditions=alike, site="north"), mci)
    south = feedback_table(mci, patients=100, seed=104, conditions=alike, site="south")
    scratch, warm = (losses_of(south, fitter).mean() for fitter in (Ridge, WarmStart(Ridge, north)))
    assert warm < scratch
    elsewhere = feedback_table(mci, patients=200, seed=104, conditions=unlike, site="south")
    assert not verdict_on(elsewhere, north).passed
