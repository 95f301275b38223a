"""The Oralytics pilot in the four tables gives the figures that its files give."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from examples.oralytics_pilot.prepare import THERAPY, prepare
from posology.tables import Tables
from posology.therapy_file import load_therapy


@pytest.fixture(scope="module")
def tables(raw_folder: Callable[[str], Path]) -> Tables:
    return prepare(raw_folder("oralytics_pilot"))


def test_nine_people_made_707_decisions(tables: Tables) -> None:
    assert tables.users.height == 9
    assert tables.sessions.height == tables.sessions["decision_id"].n_unique() == 707


def test_brushing_is_ninety_seconds_on_average_and_often_absent(tables: Tables) -> None:
    assert tables.sessions["quality"].mean() == pytest.approx(90.6, abs=0.05)
    assert (tables.sessions["quality"] == 0).mean() == pytest.approx(0.393, abs=0.0005)


def test_weighting_by_the_logged_probability_gives_messages_six_seconds(tables: Tables) -> None:
    sent = (tables.sessions["content_id"] == "message").to_numpy()
    weighted = tables.sessions["quality"].to_numpy() / tables.sessions["probability"].to_numpy()
    assert np.mean(weighted * sent) - np.mean(weighted * ~sent) == pytest.approx(6.1, abs=0.05)


def test_feedback_is_quality_as_a_share_of_three_minutes(tables: Tables) -> None:
    therapy = load_therapy(THERAPY)
    assert therapy.feedback is not None
    value = tables.sessions.select(value=therapy.feedback.expression)["value"]
    quality = tables.sessions["quality"]
    assert value.to_list() == pytest.approx((quality.clip(0, 180) / 180).to_list())
    assert (quality > 180).sum() == 10


def test_there_is_no_instrument_and_nothing_is_measured(tables: Tables) -> None:
    assert load_therapy(THERAPY).status is None
    assert tables.measurements.is_empty()


def test_everyone_is_enrolled_before_the_first_decision(tables: Tables) -> None:
    both = tables.sessions.join(tables.users, on="user_id")
    assert (both["enrolled_at"] < both["decided_at"]).all()
