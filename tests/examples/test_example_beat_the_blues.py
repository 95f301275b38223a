"""The Beat the Blues trial in the four tables gives the figures that its files give."""

from pathlib import Path

import polars as pl
import pytest

from posology.tables import Tables
from posology.therapy_file import load_therapy

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "beat_the_blues"
THERAPY = EXAMPLE / "therapy.yaml"


@pytest.fixture(scope="module")
def tables(beat_the_blues: Tables) -> Tables:
    return beat_the_blues


def test_a_hundred_people_were_randomised_once(tables: Tables) -> None:
    assert tables.users.height == tables.sessions["user_id"].n_unique() == tables.sessions.height == 100
    assert tables.sessions["probability"].unique().to_list() == [0.5]


def test_readings_are_those_of_the_file_and_drop_out_shows(tables: Tables) -> None:
    days = tables.measurements.join(tables.users, on="user_id").select(
        days=(pl.col("measured_at") - pl.col("enrolled_at")).dt.total_days()
    )
    assert days["days"].value_counts().sort("days")["count"].to_list() == [100, 97, 73, 58, 52]


def test_the_first_reading_comes_before_the_decision(tables: Tables) -> None:
    first = tables.measurements.group_by("user_id").agg(pl.col("measured_at").min())
    assert (
        (first.join(tables.sessions, on="user_id").select(pl.col("measured_at") < pl.col("decided_at")))
        .to_series()
        .all()
    )


def test_the_important_change_is_the_published_share_of_the_first_score(tables: Tables) -> None:
    before = tables.measurements.group_by("user_id").agg(pl.col("score").sort_by("measured_at").first())
    assert load_therapy(THERAPY).status.smallest_important_change == pytest.approx(  # type: ignore[union-attr]
        0.175 * before["score"].mean(), abs=0.05
    )


def test_a_random_intercept_model_finds_the_published_effect(tables: Tables) -> None:
    statsmodels = pytest.importorskip("statsmodels.formula.api", reason="statsmodels is not installed")
    readings = tables.measurements.join(tables.users, on="user_id").with_columns(
        months=((pl.col("measured_at") - pl.col("enrolled_at")).dt.total_days() / 30.4375).round()
    )
    before = readings.filter(months=0).select("user_id", before="score")
    after = readings.filter(pl.col("months") > 0).join(before, on="user_id").join(tables.sessions, on="user_id")
    frame = after.select(
        "score",
        "before",
        "months",
        "user_id",
        treated=pl.col("content_id").eq("btheb").cast(int),
        drug=pl.col("drug").cast(int),
        long=pl.col("length").eq("over_6_months").cast(int),
    ).to_pandas()
    model = statsmodels.mixedlm("score ~ before + months + treated + drug + long", frame, groups="user_id")
    fit = model.fit(reml=False)
    assert fit.params["treated"] == pytest.approx(-2.329, abs=0.005)
    assert fit.bse["treated"] == pytest.approx(1.670, abs=0.02)
    assert fit.params["before"] == pytest.approx(0.640, abs=0.001)
