"""A small therapy, and a release trained on a small simulated cohort."""

from pathlib import Path

import polars as pl
import pytest

from models.contents import ContentArrays
from models.features import Features
from models.predictors.kinds import KINDS
from models.predictors.predictor import Predictor, fit_predictor
from models.predictors.rows import Rows
from models.release import Release, save_release
from models.split import split
from models.targets import Target, target_rows, targets_of
from posology.simulators import simulate
from posology.tables import Tables
from posology.therapy import Therapy
from posology.therapy_file import load_therapy

OPTIONS = {
    "coverage": 0.9,
    "iterations": 25,
    "depth": 3,
    "learning_rate": 0.2,
    "l2_leaf_reg": 5,
    "seed": 7,
    "threads": 1,
}


@pytest.fixture(scope="session")
def drill() -> Therapy:
    return Therapy.model_validate(
        {
            "name": "drill",
            "title": "Drills",
            "version": 1,
            "status": {
                "instrument": "MMSE",
                "minimum": 0,
                "maximum": 30,
                "better": "higher",
                "smallest_important_change": 1.4,
                "final_after_days": 84,
                "final_window_days": 21,
            },
            "user": {
                "age": {"kind": "number"},
                "sex": {"kind": "category", "values": ["female", "male"]},
                "alone": {"kind": "boolean"},
                "story": {"kind": "text"},
            },
            "context": {"sleep": {"kind": "number"}},
            "content": {
                "kind": {"kind": "category", "values": ["first", "second"]},
                "domain": {"kind": "category", "values": ["memory", "attention", "none"]},
                "level": {"kind": "number"},
                "minutes": {"kind": "number"},
            },
            "feedback": {
                "columns": {"score": {"kind": "number"}},
                "value": "score / 100",
                "due_hours": 24,
                "missing": 0.25,
            },
            "safety": {
                "safe_default": "rest",
                "caps": {
                    "same_content_in_a_row": 2,
                    "minutes_per_day": 45,
                    "feature": "domain",
                    "feature_share_of_last_10": 0.6,
                },
            },
            "objective": "constrained",
            "noninferiority_margin": 0.5,
            "exploration": {"floor": 0.02, "temperature": 0.1},
            "catalogue": [
                {"content_id": "maze", "kind": "first", "domain": "attention", "level": 4, "minutes": 15},
                {"content_id": "names", "kind": "second", "domain": "memory", "level": 6, "minutes": 20},
                {"content_id": "pairs", "kind": "first", "domain": "memory", "level": 2, "minutes": 10},
                {"content_id": "rest", "kind": "first", "domain": "none", "level": 0, "minutes": 0},
            ],
        }
    )


@pytest.fixture(scope="session")
def mci() -> Therapy:
    return load_therapy("mci")


@pytest.fixture(scope="session")
def cohort(mci: Therapy) -> Tables:
    return simulate(mci, patients=40, seed=1).tables


@pytest.fixture(scope="session")
def feature_tables(mci: Therapy, cohort: Tables) -> dict[Target, pl.DataFrame]:
    features = Features(mci, ContentArrays(mci, cohort.contents))
    found = {}
    for target in targets_of(mci):
        rows = split(target_rows(mci, cohort, target), past_share=0.6)
        matrix = features.of_given(cohort, rows["session"].to_numpy())
        described = pl.DataFrame(matrix, schema=list(features.names), orient="row")
        found[target] = rows.select("user_id", "decision_id", "content_id", "part", "target").hstack(described)
    return found


@pytest.fixture(scope="session")
def predictors(feature_tables: dict[Target, pl.DataFrame]) -> dict[Target, Predictor]:
    bounds: dict[Target, tuple[float, float]] = {"feedback": (0.0, 1.0), "status": (0.0, 30.0)}
    return {
        target: fit_predictor(
            KINDS["catboost"],
            target,
            Rows.of(table, "fit"),
            Rows.of(table, "calibrate"),
            options=OPTIONS,
            bounds=bounds[target],
        )
        for target, table in feature_tables.items()
    }


@pytest.fixture(scope="session")
def release_folder(
    tmp_path_factory: pytest.TempPathFactory, mci: Therapy, cohort: Tables, predictors: dict[Target, Predictor]
) -> Path:
    folder = tmp_path_factory.mktemp("releases") / "mci"
    save_release(folder, therapy=mci, contents=cohort.contents, predictors=predictors, envelope={"may": ["retrain"]})
    return folder


@pytest.fixture(scope="session")
def release(release_folder: Path) -> Release:
    return Release.load(release_folder)
