"""What is compiled is compiled before anybody asks."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmarks.serving.releases import fitted
from models.release import Release
from serving.calls import Calls
from serving.ranking import PREDICTION_FAILED
from serving.store import Store
from serving.warming import warm

NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)
CODE = """
import gc, sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from numba.core.dispatcher import Dispatcher
from models.release import Release
from serving.calls import Calls
from serving.shapes import bodies_of
from serving.store import Store
from serving.warming import warm

def compiled():
    return {(each.py_func.__module__, each.py_func.__name__): len(each.signatures)
            for each in gc.get_objects() if isinstance(each, Dispatcher) and each.signatures}

release, folder, now = Release.load(Path(sys.argv[1])), sys.argv[2], datetime(2026, 11, 3, 9, tzinfo=UTC)
warm(release)
before, told = compiled(), bodies_of(release)
calls = Calls(release, Store.open(f"sqlite:///{folder}/store.db", release.therapy), now, future_is_allowed=True)
calls.users(told.users.example, now)
asked = {name: value for name, value in told.recommend.example.items() if name in {"user_id", "context"}}
calls.recommend(asked, now - timedelta(hours=12))
calls.measurements(told.measurements.example, now)
for half_day in range(5):
    then = now + timedelta(hours=12 * half_day)
    decided = calls.recommend(asked, then)
    assert decided["source"] == "model", decided
    answered = {name: value for name, value in told.feedback.example.items() if not name.endswith("_at")}
    calls.feedback({**answered, "decision_id": decided["decision_id"]}, then)
assert len(before) > 4 and before == compiled(), (before, compiled())
"""


@pytest.mark.slow
def test_nothing_is_compiled_for_a_patient(tmp_path: Path) -> None:
    release = fitted(tmp_path / "mci", contents=10, patients=100).folder
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(release), str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_release_is_warm_without_an_alarm(release: Release, sqlite_store: Store) -> None:
    warm(release)
    told = Calls(release, sqlite_store, NOW).rank(
        {"user": {}, "context": {"sleep_hours": 7}, "decided_at": NOW.isoformat(), "seed": 1}, NOW
    )
    assert PREDICTION_FAILED not in told["reasons"]
