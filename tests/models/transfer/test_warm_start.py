"""A warm start helps where the source is alike and is refused where it is not; what is saved needs nothing else."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from models.features import PLACE
from models.learner import FOLDS
from models.predictors.kinds import KINDS
from models.predictors.predictor import Predictor, fit_mean, fit_predictor, predictor_digest
from models.predictors.rows import Rows
from models.release import Release
from models.transfer.negative import TransferVerdict, negative_transfer_test
from models.transfer.source import Source
from models.transfer.warm import WarmStart, WarmStarted
from models.tuning.held_out import Question, losses_on

NAMES = (PLACE, *(f"x{number}" for number in range(12)))
THEIRS = (*NAMES[::-1], "only_there")
BOUNDS = (0.0, 1.0)
OPTIONS = {
    "coverage": 0.9,
    "iterations": 20,
    "depth": 3,
    "learning_rate": 0.2,
    "l2_leaf_reg": 3,
    "seed": 7,
    "threads": 1,
}
each_kind = pytest.mark.parametrize("kind", KINDS)


def rows(names: tuple[str, ...], *, patients: int, seed: int, effect: float, places: tuple[int, ...] = (0, 1)) -> Rows:
    """F follows twelve features and the content; ``effect`` says how, and -1 the other way round."""
    rng = np.random.default_rng(seed)
    n = patients * 5
    x, content, only_there = rng.normal(size=(n, 12)), rng.integers(0, 2, n), rng.normal(size=n)
    weights = 0.04 * np.where(np.arange(12) % 2, 1, -1)
    target = np.clip(0.5 + effect * (x @ weights) + 0.1 * effect * content + 0.1 * rng.normal(size=n), 0, 1)
    columns = {PLACE: np.array(places)[content], "only_there": only_there} | {f"x{j}": x[:, j] for j in range(12)}
    return Rows(names, np.column_stack([columns[name] for name in names]), target, np.repeat(np.arange(patients), 5))


def source_of(kind: str) -> Source:
    """A predictor of many patients of another release, its features in another order, its contents at other places."""
    fit, calibrate = (
        rows(THEIRS, patients=patients, seed=seed, effect=1.0, places=(3, 2)) for patients, seed in ((200, 1), (30, 2))
    )
    predictor = fit_predictor(
        KINDS[kind], "feedback", fit, calibrate, options=OPTIONS | {"iterations": 80}, bounds=BOUNDS
    )
    return Source("other-0123456789ab", "ab" * 32, predictor, (3, 2))


@pytest.fixture(scope="module")
def sources() -> dict[str, Source]:
    return {kind: source_of(kind) for kind in KINDS}


@pytest.fixture(scope="module")
def warm(sources: dict[str, Source]) -> dict[str, Predictor]:
    fit, calibrate = (rows(NAMES, patients=20, seed=seed, effect=1.0) for seed in (3, 4))
    return {
        kind: fit_predictor(WarmStart(KINDS[kind], source), "feedback", fit, calibrate, options=OPTIONS, bounds=BOUNDS)
        for kind, source in sources.items()
    }


def verdict_on(kind: str, source: Source, *, patients: int) -> TransferVerdict:
    few = rows(NAMES, patients=patients, seed=3, effect=1.0)
    question = Question.of("feedback", few, bounds=BOUNDS, folds=FOLDS, seed=7)
    return negative_transfer_test(KINDS[kind], source, question, OPTIONS)


@each_kind
def test_a_source_that_is_alike_passes_and_helps_patients_nobody_saw(sources: dict[str, Source], kind: str) -> None:
    found = verdict_on(kind, sources[kind], patients=20)
    assert found.passed
    assert found.gain is not None
    assert found.gain.low > 0
    few, unseen = rows(NAMES, patients=20, seed=3, effect=1.0), rows(NAMES, patients=60, seed=5, effect=1.0)
    scratch, begun = (
        losses_on(unseen, fitter, "feedback", few, options=OPTIONS, bounds=BOUNDS).mean()
        for fitter in (KINDS[kind], WarmStart(KINDS[kind], sources[kind]))
    )
    assert begun < scratch


@each_kind
def test_a_source_that_knows_nothing_of_these_patients_is_refused(sources: dict[str, Source], kind: str) -> None:
    theirs = sources[kind].predictor
    strange = Rows(
        THEIRS,
        np.random.default_rng(9).normal(size=(200, len(THEIRS))) * (np.array(THEIRS) != PLACE),
        np.random.default_rng(10).random(200),
        np.repeat(np.arange(40), 5),
    )
    lost = fit_predictor(KINDS[kind], "feedback", strange, strange, options=OPTIONS, bounds=BOUNDS)
    source = dataclasses.replace(sources[kind], predictor=lost)
    assert theirs.names == lost.names
    found = verdict_on(kind, source, patients=20)
    assert not found.passed
    assert found.reason in ("the warm start is not sure to help", "the warm start does harm")


def test_with_few_patients_there_is_no_test_and_no_warm_start(sources: dict[str, Source]) -> None:
    found = verdict_on("ridge", sources["ridge"], patients=9)
    assert (found.passed, found.gain) == (False, None)
    assert found.reason == "9 fitting patients, at least 10 are needed to test for negative transfer"


@each_kind
def test_a_source_by_another_scale_is_recalibrated(sources: dict[str, Source], kind: str) -> None:
    """An instrument may be longer, and lower where the other is higher."""
    few, turned = rows(NAMES, patients=40, seed=3, effect=1.0), dataclasses.replace(sources[kind], direction=-1)
    plain = WarmStart(KINDS[kind], sources[kind]).fit(few, few.target, OPTIONS)
    other = WarmStart(KINDS[kind], turned).fit(few, 10 - 20 * few.target, OPTIONS)
    assert other.slope == pytest.approx(20 * plain.slope)
    assert other.intercept == pytest.approx(10 - 20 * plain.intercept)


@each_kind
def test_a_source_that_says_the_opposite_is_not_believed_upside_down(sources: dict[str, Source], kind: str) -> None:
    opposed = dataclasses.replace(sources[kind], direction=-1)
    few = rows(NAMES, patients=20, seed=3, effect=1.0)
    assert WarmStart(KINDS[kind], opposed).fit(few, few.target, OPTIONS).slope == 0
    assert not verdict_on(kind, opposed, patients=20).passed


@each_kind
def test_what_is_saved_predicts_the_same_with_the_source_gone(
    warm: dict[str, Predictor], tmp_path: Path, kind: str
) -> None:
    unseen = rows(NAMES, patients=10, seed=6, effect=1.0).features
    warm[kind].save(tmp_path / "one")
    loaded = Predictor.load(tmp_path / "one")
    assert np.array_equal(loaded.predict(unseen), warm[kind].predict(unseen))
    loaded.save(tmp_path / "two")
    assert predictor_digest(tmp_path / "two") == predictor_digest(tmp_path / "one")
    assert {path.suffix for path in (tmp_path / "one").rglob("*") if path.is_file()} <= {".json", ".cbm"}


@each_kind
def test_the_source_is_part_of_the_digest_and_named(warm: dict[str, Predictor], tmp_path: Path, kind: str) -> None:
    model = warm[kind].model
    assert isinstance(model, WarmStarted)
    assert (model.source.release, model.source.digest) == ("other-0123456789ab", "ab" * 32)
    other = dataclasses.replace(model, source=dataclasses.replace(model.source, digest="cd" * 32))
    warm[kind].save(tmp_path / "one")
    dataclasses.replace(warm[kind], model=other).save(tmp_path / "other")
    assert predictor_digest(tmp_path / "one") != predictor_digest(tmp_path / "other")


@each_kind
def test_a_row_is_predicted_alone_as_among_others_and_in_order(warm: dict[str, Predictor], kind: str) -> None:
    unseen = rows(NAMES, patients=10, seed=6, effect=1.0).features
    together = warm[kind].predict(unseen)
    alone = np.concatenate([warm[kind].predict(unseen[row : row + 1]) for row in range(len(unseen))])
    assert np.array_equal(alone, together)
    assert (together[:, 1] <= together[:, 0]).all()
    assert (together[:, 0] <= together[:, 2]).all()


@each_kind
def test_the_mean_alone_is_the_mean_of_the_whole(
    warm: dict[str, Predictor], sources: dict[str, Source], kind: str
) -> None:
    few, unseen = (rows(NAMES, patients=20, seed=seed, effect=1.0) for seed in (3, 6))
    mean = fit_mean(WarmStart(KINDS[kind], sources[kind]), "feedback", few, options=OPTIONS, bounds=BOUNDS)
    assert np.allclose(mean(unseen.features), warm[kind].predict(unseen.features)[:, 0])


@each_kind
def test_importance_sums_to_one_and_counts_what_the_source_counts(warm: dict[str, Predictor], kind: str) -> None:
    share = warm[kind].model.importance(rows(NAMES, patients=20, seed=3, effect=1.0))
    assert share.shape == (len(NAMES),)
    assert share.sum() == pytest.approx(1)
    assert (share >= 0).all()


def test_what_is_not_known_there_is_missing_to_the_source(sources: dict[str, Source]) -> None:
    """A content that is not there, one that came later, a feature with another name."""
    source = dataclasses.replace(sources["ridge"], places=(3, -1))
    features = rows(NAMES, patients=2, seed=1, effect=1.0).features[:3].copy()
    features[:, NAMES.index(PLACE)] = [0, 1, 7]
    theirs = source._translated(features, NAMES)
    assert theirs[:, THEIRS.index(PLACE)].tolist() == [3, -1, -1]
    assert np.isnan(theirs[:, THEIRS.index("only_there")]).all()
    assert np.array_equal(theirs[:, THEIRS.index("x5")], features[:, NAMES.index("x5")])
    assert np.isfinite(source.raw_mean(features, NAMES)).all()


def test_contents_are_found_by_their_id_and_a_target_that_is_not_there_gives_no_source(release: Release) -> None:
    ids = release.contents["content_id"].to_list()
    here = pl.DataFrame({"content_id": [ids[2], "new", ids[0]]})
    found = Source.of(release, "feedback", release.therapy, here)
    assert found is not None
    assert (found.places, found.release, found.digest) == ((2, -1, 0), release.name, release.digest)
    assert Source.of(dataclasses.replace(release, status=None), "status", release.therapy, here) is None


def test_an_instrument_that_runs_the_other_way_turns_the_change_of_the_status(release: Release) -> None:
    therapy = release.therapy
    assert therapy.status is not None
    lower = therapy.model_copy(update={"status": therapy.status.model_copy(update={"better": "lower"})})
    directions = []
    for target, here in (("status", therapy), ("status", lower), ("feedback", lower)):
        found = Source.of(release, target, here, release.contents)
        assert found is not None
        directions.append(found.direction)
    assert directions == [1, -1, 1]


def test_a_chain_of_warm_starts_is_saved_whole(warm: dict[str, Predictor], tmp_path: Path) -> None:
    again: Any = Source("next-0123456789ab", "ef" * 32, warm["ridge"], (0, 1))
    few = rows(NAMES, patients=20, seed=8, effect=1.0)
    third = fit_predictor(WarmStart(KINDS["catboost"], again), "feedback", few, few, options=OPTIONS, bounds=BOUNDS)
    third.save(tmp_path)
    assert np.array_equal(Predictor.load(tmp_path).predict(few.features), third.predict(few.features))
