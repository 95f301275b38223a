"""Words tell what numbers do not: patients who say what they are weak in are predicted better by it."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from models.contents import ContentArrays
from models.encoders import NO_ENCODERS, Encoders
from models.encoders.fitting import SampledValues, fit_encoders
from models.features import Features
from models.predictors.kinds import KINDS
from models.predictors.predictor import fit_predictor
from models.predictors.rows import Rows
from models.split import split_at
from models.targets import target_rows
from posology.blocks import planned_blocks
from posology.simulators.mci import MECHANISM
from posology.tables import Tables
from posology.therapy import Therapy

START = datetime(2026, 1, 1, tzinfo=UTC)
PATIENTS, SESSIONS = 400, 5
SPOKEN_SHARE = 0.6
OPTIONS = {
    "coverage": 0.9,
    "iterations": 60,
    "depth": 3,
    "learning_rate": 0.1,
    "l2_leaf_reg": 5,
    "seed": 7,
    "threads": 1,
}
NEUTRAL = ("Done", "So so", "OK", "Got through it")


@pytest.fixture(scope="module")
def talkative(drill: Therapy) -> Therapy:
    raw = drill.model_dump(mode="json")
    raw["feedback"]["columns"]["comment"] = {"kind": "text", "encode": True}
    return Therapy.model_validate(raw)


def weak_in_one_domain(therapy: Therapy, *, tells: bool) -> Tables:
    """Patients weak in memory or in attention, which lowers F there; some comments say which, in the simulator's words.

    Args:
        tells: whether the words have to do with the patient who says them.
    """
    rng, domain_of = np.random.default_rng(11), {"maze": 1, "names": 0, "pairs": 0}
    users, sessions = [], []
    for n in range(PATIENTS):
        weak, user_id = int(rng.integers(2)), f"u{n:03d}"
        users.append({"user_id": user_id, "enrolled_at": START, "consent": True})
        for day in range(SESSIONS):
            content_id = str(rng.choice(["maze", "names", "pairs"]))
            told = weak if tells else int(rng.integers(2))
            phrases = MECHANISM.complaints[told] if rng.random() < SPOKEN_SHARE else NEUTRAL
            decided_at = START + timedelta(days=day)
            score = 70 - 40 * (domain_of[content_id] == weak) + rng.normal(0, 20)
            sessions.append(
                {
                    "decision_id": f"{user_id}-{day}",
                    "user_id": user_id,
                    "decided_at": decided_at,
                    "content_id": content_id,
                    "feedback_at": decided_at + timedelta(hours=1),
                    "score": float(np.clip(score, 0, 100)),
                    "comment": str(rng.choice(phrases)),
                }
            )
    return Tables.from_rows(therapy, users=users, sessions=sessions, contents=therapy.catalogue)


def losses(therapy: Therapy, tables: Tables, encoders: Encoders) -> np.ndarray:
    """(n_judge_patients,) squared error of predicted F."""
    rows = split_at(target_rows(therapy, tables, "feedback"), None)
    features = Features(therapy, ContentArrays(therapy, tables.contents), encoders)
    matrix = pl.DataFrame(features.of_given(tables, rows["session"].to_numpy()), schema=list(features.names))
    table = rows.select("user_id", "decision_id", "content_id", "part", "target").hstack(matrix)
    fit, calibrate, judge = (Rows.of(table, part) for part in ("fit", "calibrate", "judge"))
    predictor = fit_predictor(KINDS["catboost"], "feedback", fit, calibrate, options=OPTIONS, bounds=(0, 1))
    error = predictor.predict(judge.features)[:, 0] - judge.target
    return np.bincount(judge.patient, weights=error**2) / np.bincount(judge.patient)


@pytest.mark.parametrize(("tells", "helps"), [(True, True), (False, False)])
def test_words_help_beyond_chance_when_they_tell_something_and_only_then(talkative, tmp_path, tells, helps):
    tables = weak_in_one_domain(talkative, tells=tells)
    tables.write(tmp_path)
    with planned_blocks(tmp_path, talkative, patients_per_block=PATIENTS) as blocks:
        encoders = fit_encoders(talkative, [SampledValues(tables.as_of, "feedback", None)(blocks[0])], None)
    gain = losses(talkative, tables, NO_ENCODERS) - losses(talkative, tables, encoders)
    standard_errors = gain.mean() / (gain.std() / np.sqrt(gain.size))
    assert (standard_errors > 3) == helps, standard_errors
