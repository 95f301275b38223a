"""One patient's choice, against what its two predictors alone take."""

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np

from benchmarks.cohorts import mci, tables
from benchmarks.result import Result
from flows.evaluation.candidate import Candidate
from flows.params import read_params
from flows.stages.featurize import featurize
from flows.stages.snapshot import snapshot
from flows.stages.train import train_feedback, train_status
from flows.stages.train_policy import train_policy
from flows.workspace import Workspace
from models.choice import choose
from models.release import Release
from posology.files import whole_folder
from posology.tables import Tables

PATIENTS = 300
CALLS = 400
WARM_UP = 20
SHARES = (50, 95, 99)


def run(patients: int = PATIENTS, calls: int = CALLS) -> Result:
    """Milliseconds for ``models.choice.choose``, the core of ``/v1/recommend``."""
    made = tables(patients)
    with tempfile.TemporaryDirectory() as folder:
        release = trained_release(Path(folder), made)
    users = made.users["user_id"].to_list()
    courses = [made.of_users([users[call % len(users)]]) for call in range(calls)]
    features = release.features.of_candidates(made, np.arange(1)).features
    now = cast(datetime, made.as_of) + timedelta(hours=12)
    context: dict[str, Any] = {"sleep_hours": 7.0, "hour_of_day": 10.0}
    times = _milliseconds(
        {
            "choose": [
                partial(choose, release, course, now=now, context=context, seed=n) for n, course in enumerate(courses)
            ],
            "both predictors on features made before": [partial(_predict, release, features)] * calls,
        }
    )
    lengths = [course.sessions.height for course in courses]
    whole, models = (np.percentile(spent, 50) for spent in times.values())
    return Result(
        asks=(
            f"`models.choice.choose` for one patient among {release.contents.height} contents, courses of "
            f"{min(lengths)} to {max(lengths)} sessions, one thread: fold, shield, both predictors with intervals, "
            "policy, draw. The physical limit is what the two models take alone."
        ),
        columns=("what", *(f"p{share} ms" for share in SHARES)),
        rows=tuple((name, *(float(np.percentile(spent, share)) for share in SHARES)) for name, spent in times.items()),
        says=(f"Half of the choices are made within {whole:.1f} ms; {models / whole:.0%} of that are the models.",),
    )


def trained_release(folder: Path, made: Tables) -> Release:
    """A release fitted on the tables, by the stages themselves (without validation: simulated data are valid)."""
    workspace, params = Workspace(folder / "work"), read_params()
    made.write(folder / "data")
    snapshot(workspace, mci().name, folder / "data")
    with whole_folder(workspace.validation) as partial_folder:
        made.write(partial_folder / "accepted")
    for stage in (featurize, train_feedback, train_status, train_policy):
        stage(workspace, params)
    return Candidate.of(workspace, params).release


def _predict(release: Release, features: np.ndarray) -> None:
    for predictor in (release.feedback, release.status):
        if predictor is not None:
            predictor.predict(features)


def _milliseconds(runners: Mapping[str, Sequence[Callable[[], object]]]) -> dict[str, np.ndarray]:
    """What each call took; the runners take turns, and the first calls are made once more to warm up."""
    spent: dict[str, list[float]] = {name: [] for name in runners}
    turns = list(zip(*runners.values(), strict=True))
    for turn in [*turns[:WARM_UP], *turns]:
        for name, call in zip(runners, turn, strict=True):
            began = time.perf_counter()
            call()
            spent[name].append(1000 * (time.perf_counter() - began))
    return {name: np.array(each[-len(turns) :]) for name, each in spent.items()}
