"""What is compiled is compiled before anybody asks."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

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
from serving.store import Store
from serving.warming import warm

def compiled():
    return {(each.py_func.__module__, each.py_func.__name__): len(each.signatures)
            for each in gc.get_objects() if isinstance(each, Dispatcher) and each.signatures}

release, folder, now = Release.load(Path(sys.argv[1])), sys.argv[2], datetime(2026, 3, 1, 9, tzinfo=UTC)
warm(release)
before = compiled()
calls = Calls(release, Store.open(f"sqlite:///{folder}/store.db", release.therapy), now, future_is_allowed=True)
calls.users({"user_id": "ada", "enrolled_at": now.isoformat(), "consent": True}, now)
calls.measurements({"user_id": "ada", "measured_at": now.isoformat(), "instrument": "PHQ9", "score": 12}, now)
for hour in range(5):
    then = now + timedelta(hours=hour)
    decided = calls.recommend({"user_id": "ada", "context": {"sleep_hours": 7}}, then)
    calls.feedback({"decision_id": decided["decision_id"], "score": 80.0, "completed": True}, then)
assert before and before == compiled(), (before, compiled())
"""


@pytest.mark.slow
def test_nothing_is_compiled_for_a_patient(release_folder: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(release_folder), str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_release_is_warm_without_an_alarm(release: Release, sqlite_store: Store) -> None:
    warm(release)
    told = Calls(release, sqlite_store, NOW).rank(
        {"user": {}, "context": {"sleep_hours": 7}, "decided_at": NOW.isoformat(), "seed": 1}, NOW
    )
    assert PREDICTION_FAILED not in told["reasons"]
