"""An hour's mixed traffic in ten minutes: memory and errors."""

import json
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import httpx
import numpy as np

from benchmarks.result import Result
from benchmarks.serving.patients import BEGUN, Patients, stored
from benchmarks.serving.peers import Peer, ours
from benchmarks.serving.releases import fitted

CONTENTS, SESSIONS, USERS = 50, 60, 150
SECONDS = 600
PARTS = 10  # the first is to warm up: caches fill


def run(seconds: float = SECONDS, users: int = USERS, patients: int = 600) -> Result:
    """Decisions, what is shown, what comes back, readings, new patients and bad requests, one after the other."""
    with tempfile.TemporaryDirectory(prefix="posology-soak-") as folder:
        made = fitted(Path(folder, "release"), contents=CONTENTS, patients=patients)
        url = f"sqlite:///{folder}/store.db"
        apps = Patients(made, stored(made, url, users=users, sessions=SESSIONS))
        with ours(made.folder, url, Path(folder, "bentos")) as peer:
            parts = list(_soaked(peer, apps, seconds))
    held = [memory for memory, _ in parts]
    statuses: Counter[int] = sum((told for _, told in parts), Counter())
    wrong = sum(count for status, count in statuses.items() if status >= 500 or status == 429)
    growth = held[-1] / held[1] - 1
    return Result(
        asks=(
            f"Mixed traffic for {seconds:.0f} s on one connection: decisions, contents shown, feedback, readings, "
            "new patients, and one request in fifty that is wrong. Memory of all the service's processes at the end "
            "of each tenth."
        ),
        columns=("tenth", "requests", "MiB"),
        rows=tuple((str(nth), sum(told.values()), memory / 2**20) for nth, (memory, told) in enumerate(parts, start=1)),
        says=(
            f"Memory grew by {growth:.1%} from the end of the second tenth to the end of the last (asked: 5% at most); "
            f"of {sum(statuses.values()):,} answers {wrong} were errors of the service (asked: none) and "
            f"{statuses[422]:,} told a wrong request so.",
        ),
    )


def _soaked(peer: Peer, apps: Patients, seconds: float) -> Iterator[tuple[int, Counter[int]]]:
    """After each part: bytes held, and how often each status came."""
    began, nth = time.monotonic(), 0
    with httpx.Client(base_url=f"http://127.0.0.1:{peer.port}", timeout=30, trust_env=False) as client:
        for part in range(1, PARTS + 1):
            told: Counter[int] = Counter()
            while time.monotonic() - began < seconds * part / PARTS:
                told.update(_day(client, apps, nth))
                nth += 1
            yield peer.held_bytes, told


def _day(client: httpx.Client, apps: Patients, nth: int) -> Iterator[int]:
    """A patient opens the app: a decision, mostly shown and answered; at times a reading, a new patient, a mistake."""
    rng, headers = np.random.default_rng([1, nth]), _sent(apps, nth)
    decided = client.post("/v1/recommend", content=apps.body(nth), headers=headers)
    yield decided.status_code
    with suppress(KeyError):
        key = {"decision_id": decided.json()["decision_id"]}
        if rng.random() < 0.9:
            yield client.post("/v1/activate", json=key, headers=headers).status_code
        if rng.random() < 0.8:
            came = {**key, "score": round(rng.uniform(0, 100), 1), "completed": True, "rating": 4}
            yield client.post("/v1/feedback", json=came, headers=headers).status_code
    if rng.random() < 0.05:
        user_id = json.loads(apps.body(nth))["user_id"]
        at = (BEGUN + timedelta(seconds=nth)).isoformat()
        reading = {"user_id": user_id, "measured_at": at, "instrument": "MMSE", "score": 24}
        yield client.post("/v1/measurements", json=reading, headers=headers).status_code
    if rng.random() < 0.02:
        new = {"user_id": f"new-{nth}", "enrolled_at": BEGUN.isoformat(), "consent": True, "age": 70}
        yield client.post("/v1/users", json=new, headers=headers).status_code
    if rng.random() < 0.02:
        wrong = {"user_id": "60-0000", "context": {"sleep_hours": 99}}
        yield client.post("/v1/recommend", json=wrong, headers=headers).status_code


def _sent(apps: Patients, nth: int) -> dict[str, str]:
    told = {name.replace("_", "-"): value for name, value in apps.headers(nth).items()}
    return {**told, "Content-Type": "application/json"}
