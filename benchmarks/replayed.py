"""Every logged decision made again from the store, against making the same choices on courses in memory."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from itertools import islice
from pathlib import Path

import psutil

from benchmarks.result import Result, Row
from benchmarks.serving.courses import BETWEEN_SESSIONS
from benchmarks.serving.patients import BEGUN, Patients, stored
from benchmarks.serving.releases import Fitted, fitted
from models.choice import choose
from models.one_course import OneCourse
from models.release import Release
from serving.calls import Calls
from serving.json_body import read_json
from serving.replay import replay
from serving.replay_all import replay_all
from serving.store import Store

CONTENTS, USERS, SESSIONS, DECISIONS = 50, 50, 100, 5_000
ALONE = 200  # decisions replayed one by one
MILLION = 1_000_000
FEEDBACK = {"score": 70.0, "completed": True, "rating": 4.0}


def run(users: int = USERS, sessions: int = SESSIONS, decisions: int = DECISIONS, patients: int = 600) -> Result:
    """Decisions per processor second: replayed all, replayed one by one, and chosen without store and comparison."""
    with tempfile.TemporaryDirectory(prefix="posology-replay-") as folder:
        made = fitted(Path(folder, "release"), contents=CONTENTS, patients=patients)
        with closing(_decided(made, f"sqlite:///{folder}/store.db", users, sessions, decisions)) as store:
            before = psutil.Process().memory_info().rss
            rows = [_timed("replayed, all", _all(made.release, store))]
            grown = psutil.Process().memory_info().rss - before
            rows.append(_timed("replayed, one by one", islice(_one_by_one(made.release, store), ALONE)))
            rows.append(_timed("choose() alone, courses in memory", _chosen(made.release, store)))
    (_, _, ours), _, (_, _, limit) = rows
    hours = MILLION / float(ours) / 3600
    return Result(
        asks=(
            f"{decisions:,} decisions among {CONTENTS} contents, with feedback, by {users} patients who had {sessions} "
            "sessions before: each made again on the course as it was known then, and compared with the log bit for "
            "bit. The limit is what the choices take when each patient's course is in memory as it is at the end."
        ),
        columns=("what", "decisions", "decisions per processor second"),
        rows=tuple(rows),
        says=(
            f"A million decisions take {hours:.1f} hours of one processor; of that the choices are "
            f"{float(ours) / float(limit):.0%}. Memory grew by {grown / 1e6:.0f} MB meanwhile.",
        ),
    )


def _decided(made: Fitted, url: str, users: int, sessions: int, decisions: int) -> Store:
    """A store whose patients came in turns, and gave feedback three times of four."""
    ids = stored(made, url, users=users, sessions=sessions)
    store, asking = Store.open(url, made.release.therapy), Patients(made, ids)
    calls = Calls(made.release, store, BEGUN, future_is_allowed=True)
    for nth in range(decisions):
        now = BEGUN + nth // len(ids) * BETWEEN_SESSIONS
        decision_id = calls.recommend(read_json(asking.body(nth)), now)["decision_id"]
        if nth % 4:
            calls.feedback({"decision_id": decision_id, **FEEDBACK}, now + timedelta(minutes=30))
    return store


def _timed(what: str, work: Iterator[object]) -> Row:
    """Processor time, which other work on the machine does not lengthen; without the first decision, which compiles."""
    next(work)
    began = time.process_time()
    count = sum(1 for _ in work)
    return what, float(count), count / (time.process_time() - began)


def _all(release: Release, store: Store) -> Iterator[object]:
    for replayed in replay_all(release, store):
        if not replayed.equal:
            raise RuntimeError(f"{replayed.decision_id} differs: {', '.join(replayed.differences)}")
        yield replayed


def _one_by_one(release: Release, store: Store) -> Iterator[object]:
    for decision_id in store.snapshot().sessions.filter(release=release.name)["decision_id"]:
        yield replay(release, store, store.decision(decision_id))


def _chosen(release: Release, store: Store) -> Iterator[object]:
    made = store.snapshot().sessions.filter(release=release.name).sort("user_id", "decided_at")
    for (user_id,), own in made.group_by("user_id", maintain_order=True):
        course = OneCourse.of(release.therapy, store.course(str(user_id)))
        for row in own.iter_rows(named=True):
            context = {name: row[name] for name in release.therapy.context}
            yield choose(release, course, now=row["decided_at"] - timedelta(microseconds=1), context=context, seed=7)
