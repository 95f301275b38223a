"""Simulators are fitted to the public data sets, whatever they hold, and the report says how little that means."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from examples.nback_training import prepare as nback
from examples.oralytics_pilot import prepare as oralytics
from models.simulators import Fitted, FittedWorld, fidelity
from models.simulators.fidelity import Verdict
from posology.simulators import Clinician, treat
from posology.tables import Tables
from posology.therapy import Therapy
from posology.therapy_file import load_therapy

CHECKOUT = Path(__file__).resolve().parents[2]
Raw = Callable[[str], Path]


def simulated(therapy: Therapy, tables: Tables, patients: int) -> Tables:
    world = FittedWorld(Fitted.fit(therapy, tables), patients=patients, seed=1)
    return treat(world, Clinician(trying=0.0), seed=1).tables


def test_nine_people_are_too_few_to_trust_anything(raw_folder: Raw) -> None:
    therapy, tables = load_therapy(oralytics.THERAPY), oralytics.prepare(raw_folder("oralytics_pilot"))
    report = fidelity(therapy, tables)
    assert {figure.verdict for figure in report.figures} == {Verdict.INSUFFICIENT}
    assert report.fitted_patients + report.held_out_patients == 9


def test_two_brushing_windows_a_day_stay_two(raw_folder: Raw) -> None:
    therapy, tables = load_therapy(oralytics.THERAPY), oralytics.prepare(raw_folder("oralytics_pilot"))
    lived = simulated(therapy, tables, patients=15)
    per_person = lived.sessions.height / lived.users.height
    assert per_person == pytest.approx(tables.sessions.height / tables.users.height, rel=0.1)
    assert lived.sessions["quality"].mean() == pytest.approx(tables.sessions["quality"].mean(), rel=0.2)
    day = lived.sessions["decided_at"].dt.date()
    assert lived.sessions.group_by("user_id", day).len()["len"].max() == 2


def test_a_trial_without_feedback_is_learned_by_its_status_alone(beat_the_blues: Tables) -> None:
    therapy, tables = load_therapy(CHECKOUT / "examples" / "beat_the_blues" / "therapy.yaml"), beat_the_blues
    lived = simulated(therapy, tables, patients=60)
    assert lived.sessions.height == lived.users.height
    first = lived.measurements.group_by("user_id").first()["score"]
    assert first.mean() == pytest.approx(tables.measurements.group_by("user_id").first()["score"].mean(), abs=3)
    report = fidelity(therapy, tables)
    assert {figure.question.code for figure in report.figures} == {"F104", "F105", "F106", "F107", "F108"}
    assert Verdict.DO_NOT_TRUST not in {figure.verdict for figure in report.figures}


@pytest.mark.thorough
def test_twenty_blocks_of_a_training_session_follow_one_another(raw_folder: Raw) -> None:
    therapy, tables = load_therapy(nback.THERAPY), nback.prepare(raw_folder("nback_training"))
    fitted = Fitted.fit(therapy, tables)
    lived = treat(FittedWorld(fitted, patients=3, seed=1), Clinician(trying=0.0), seed=1).tables
    first_day = lived.sessions.filter(lived.sessions["user_id"] == lived.users["user_id"][0])["block"][:20].to_numpy()
    assert first_day[0] == 1
    assert np.abs(first_day - np.arange(1, 21)).mean() < 1.5
