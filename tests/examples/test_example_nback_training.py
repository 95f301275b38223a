"""Adaptive n-back training in the four tables gives the figures that its files give."""

import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from examples.nback_training.prepare import THERAPY, prepare
from posology.errors import TableError
from posology.tables import Tables
from posology.therapy_file import load_therapy


@pytest.fixture(scope="module")
def tables(raw_folder: Callable[[str], Path]) -> Tables:
    return prepare(raw_folder("nback_training"))


def test_23_people_trained_18_sessions_of_20_blocks(tables: Tables) -> None:
    assert tables.users.height == 23
    assert tables.sessions.group_by("user_id", "training_session").len()["len"].to_list() == [20] * 23 * 18


@pytest.mark.parametrize(("session", "mean_level"), [(1, 2.06), (18, 3.30)])
def test_the_level_rises_with_training(tables: Tables, session: int, mean_level: float) -> None:
    chosen = tables.sessions.filter(training_session=session).join(tables.contents, on="content_id")
    assert chosen["level"].mean() == pytest.approx(mean_level, abs=0.005)


def test_feedback_says_whether_the_next_level_rises_stays_or_falls(tables: Tables) -> None:
    expression = load_therapy(THERAPY).feedback.expression  # type: ignore[union-attr]
    feedback = tables.sessions.select("block", "feedback_at", value=expression)
    assert set(feedback["value"].drop_nulls()) == {0.0, 0.5, 1.0}
    assert feedback.filter(block=20)["value"].null_count() == 23 * 18
    assert feedback.filter(pl.col("value").is_null() != pl.col("feedback_at").is_null()).is_empty()


def test_the_staircase_is_deterministic_and_chose_among_neighbours(tables: Tables) -> None:
    assert tables.sessions["probability"].unique().to_list() == [1.0]
    assert tables.sessions.select(pl.col("content_id").is_in("eligible").all()).item()
    assert tables.sessions.select(pl.lit("level_1").is_in("eligible").all()).item()
    assert tables.sessions["eligible"].list.len().max() <= 5
    assert tables.sessions.filter(block=1)["eligible"].list.len().unique().to_list() == [1]


def test_every_trained_person_was_scanned_four_times(tables: Tables) -> None:
    assert tables.measurements.group_by("user_id").len()["len"].to_list() == [4] * 23
    means = tables.measurements.group_by("user_id").agg(
        first=pl.col("score").sort_by("measured_at").first(), last=pl.col("score").sort_by("measured_at").last()
    )
    assert means["first"].mean() == pytest.approx(2.10, abs=0.005)
    assert means["last"].mean() == pytest.approx(3.55, abs=0.005)


def test_blocks_follow_each_other_and_scans_lie_around_the_training(tables: Tables) -> None:
    gaps = tables.sessions.select(pl.col("decided_at").diff().over("user_id")).drop_nulls()
    assert (gaps["decided_at"].dt.total_seconds() > 0).all()
    spans = tables.measurements.group_by("user_id").agg(
        first=pl.col("measured_at").min(), last=pl.col("measured_at").max()
    )
    both = tables.sessions.join(spans, on="user_id")
    assert both.select(pl.col("decided_at").is_between("first", "last").all()).item()


def test_people_are_not_matched_by_files_that_disagree(raw_folder: Callable[[str], Path], tmp_path: Path) -> None:
    raw = shutil.copytree(raw_folder("nback_training"), tmp_path / "raw")
    summary = pl.read_csv(raw / "LB_training_summary.csv")
    summary.with_columns(pl.col("sub").reverse()).write_csv(raw / "LB_training_summary.csv")
    with pytest.raises(TableError, match="are the three files of one version"):
        prepare(raw)
