"""What was answered is on disk, whatever happens to the process the moment after."""

import subprocess
import sys
from pathlib import Path

from posology.therapy import Therapy
from serving.store import Store

ANSWER_AND_DIE = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from models.release import Release
from serving.calls import Calls
from serving.store import Store

release = Release.load(Path(sys.argv[1]))
now = datetime(2026, 1, 1, tzinfo=UTC)
calls = Calls(release, Store.open(sys.argv[2], release.therapy), now)
calls.users({"user_id": "ada", "enrolled_at": now.isoformat(), "consent": True}, now)
answer = calls.recommend({"user_id": "ada", "context": {"sleep_hours": 7}, "seed": 1}, now)
print(answer["decision_id"], answer["content_id"], flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_an_answered_decision_survives_the_death_of_its_process(
    release_folder: Path, store_url: str, therapy: Therapy
) -> None:
    command = [sys.executable, "-c", ANSWER_AND_DIE, str(release_folder), store_url]
    died = subprocess.run(command, capture_output=True, text=True, check=False)
    assert died.returncode == -9, died.stderr
    decision_id, content_id = died.stdout.split()
    store = Store.open(store_url, therapy)
    assert store.decision(decision_id).content_id == content_id
    assert store.course("ada").sessions["decision_id"].to_list() == [decision_id]
    store.close()
