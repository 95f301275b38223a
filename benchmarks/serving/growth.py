"""What a decision costs as courses and catalogues grow: the call itself in one process, its store on disk."""

import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.result import Result
from benchmarks.serving.patients import BEGUN, stored
from benchmarks.serving.releases import Fitted, fitted
from models.policies.dpo import Dpo
from models.release import Release
from serving.calls import Calls
from serving.store import Store

CONTENTS, SESSIONS = 50, 200
COURSES = (10, 200, 2_000, 50_000)
CATALOGUES = (50, 200, 1_000, 10_000)
ROUNDS = 40


def run(
    courses: tuple[int, ...] = COURSES,
    catalogues: tuple[int, ...] = CATALOGUES,
    rounds: int = ROUNDS,
    patients: int = 600,
) -> Result:
    """Milliseconds of ``Calls.recommend`` by the length of the course, and by the number of contents."""
    with tempfile.TemporaryDirectory(prefix="posology-growth-") as folder:
        made = fitted(Path(folder, "release"), contents=CONTENTS, patients=patients)
        by_course = [_Decides(made, made.release, f"sqlite:///{folder}/{n}.db", n) for n in courses]
        by_contents = [
            _Decides(made, with_contents(made.release, n), f"sqlite:///{folder}/c{n}.db", SESSIONS) for n in catalogues
        ]
        for each in (*by_course, *by_contents):
            each.once()
        for _ in range(rounds):
            for each in (*by_course, *by_contents):
                each.once()
    rows = [
        *((f"{CONTENTS} candidates, {each.sessions:,} sessions", each.first, each.median) for each in by_course),
        *((f"{each.contents:,} candidates, {SESSIONS} sessions", each.first, each.median) for each in by_contents),
    ]
    return Result(
        asks=(
            "One decision, from the body to the decision on disk, without HTTP, in turns. The first time a patient is "
            "asked for, the whole course is read from the store; from then on what changed."
        ),
        columns=("what", "the first time, ms", "median ms"),
        rows=tuple(rows),
        says=tuple(_told(by_course, by_contents)),
    )


def _told(by_course: "list[_Decides]", by_contents: "list[_Decides]") -> Iterator[str]:
    by_length = {each.sessions: each.median for each in by_course}
    if {10, 2_000} <= by_length.keys():
        times = by_length[2_000] / by_length[10]
        yield f"From 10 to 2,000 sessions a decision takes {times:.2f} times as long (asked: below 2)."
    _, few, *_, most = by_contents
    yield (
        f"From {few.contents:,} to {most.contents:,} candidates, {most.contents / few.contents:.0f} times as many, it "
        f"takes {most.median / few.median:.0f} times as long."
    )


def with_contents(release: Release, number: int) -> Release:
    """The release with so many contents, the later ones like its own; contents are told apart by F alone."""
    table = release.contents
    place = np.arange(number) % table.height
    ids = table["content_id"].to_list()
    names = [ids[nth] if nth < len(ids) else f"{ids[nth % len(ids)]}+{nth // len(ids)}" for nth in range(number)]
    named = table[place].with_columns(content_id=pl.Series(names), place=place)
    wider, like = named.sort("content_id").drop("place"), named.sort("content_id")["place"].to_numpy()
    few_floors = release.therapy.exploration.model_copy(update={"floor": 0.1 / number})
    therapy = release.therapy.model_copy(update={"exploration": few_floors, "catalogue": None})
    prior = release.learnt.prior
    if prior is not None:
        prior = replace(prior, content_ids=tuple(wider["content_id"]), loadings=prior.loadings[like])
    learnt = replace(release.learnt, prior=prior)
    return replace(release, therapy=therapy, contents=wider, policy=Dpo(therapy, release.feedback), learnt=learnt)


class _Decides:
    def __init__(self, made: Fitted, release: Release, url: str, sessions: int) -> None:
        self.sessions, self.contents = sessions, release.contents.height
        (self._user,) = stored(made, url, users=1, sessions=sessions)
        self._calls = Calls(release, Store.open(url, release.therapy), BEGUN, future_is_allowed=True)
        self._body = {"user_id": self._user, "context": {"sleep_hours": 7.0, "hour_of_day": 10.0}}
        self._taken: list[float] = []

    def once(self) -> None:
        now, began = BEGUN + len(self._taken) * timedelta(hours=12), time.perf_counter()
        answered = self._calls.recommend(self._body, now)
        self._taken.append(1000 * (time.perf_counter() - began))
        if answered["source"] == "safe_default" and "PREDICTION_FAILED" in answered["reasons"]:
            raise RuntimeError("the release could not predict")

    @property
    def first(self) -> float:
        return self._taken[0]

    @property
    def median(self) -> float:
        return float(np.median(self._taken[1:]))
