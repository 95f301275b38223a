"""Decisions over HTTP, beside a bare BentoML endpoint and ``mlflow models serve``, in the same minutes."""

import json
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.result import Result
from benchmarks.serving.load import Measured, Request, closed_loop, open_loop, post
from benchmarks.serving.patients import Patients, stored
from benchmarks.serving.peers import Peer, echo, mlflow, ours, ready_bytes
from benchmarks.serving.releases import Fitted, fitted
from models.features import EXPECTED

CONTENTS, SESSIONS, USERS = 50, 200, 100
ROUNDS, REQUESTS = 5, 300
SATURATED = 0.8
EQUALLY_LONG = 4.9  # p99 over median of the time in an M/D/1 queue at SATURATED, by simulation
MANY = 8
ANSWER_BYTES = 12_000
OURS = "posology"
ECHO = "bare BentoML echo of the same requests"
MLFLOW = "`mlflow models serve`, one model"
LIMIT = "bytes that were ready: the load generator's limit"


@dataclass
class Contestant:
    """A server, what it is asked, and what came of it: by number of connections, and when requests come by chance."""

    peer: Peer
    request: Request
    found: dict[int, list[Measured]] = field(default_factory=dict)
    cpu: list[float] = field(default_factory=list)
    loaded: list[Measured] = field(default_factory=list)

    def measure(self, connections: int, requests: int) -> None:
        """One round."""
        before = self.peer.cpu_seconds
        measured = closed_loop(self.peer.port, self.request, connections=connections, requests=requests)
        self.found.setdefault(connections, []).append(measured)
        self.cpu.append(1000 * (self.peer.cpu_seconds - before) / requests)

    def forget_first(self) -> None:
        """Leave out the round that was to warm up."""
        self.found = {connections: found[1:] for connections, found in self.found.items()}
        self.cpu = self.cpu[len(self.found) :]

    def median(self, connections: int) -> float:
        """Milliseconds, the median round's."""
        return float(np.median([each.percentile(50) for each in self.found[connections]]))

    def p99(self, connections: int) -> float:
        """Milliseconds, the median round's."""
        return float(np.median([each.percentile(99) for each in self.found[connections]]))

    def per_second(self, connections: int) -> float:
        """Answers, the median round's."""
        return float(np.median([each.per_second for each in self.found[connections]]))

    def when_loaded(self, share: float) -> float:
        """Milliseconds that a share of the answers did not exceed, the median round's."""
        return float(np.median([each.percentile(share) for each in self.loaded]))

    @property
    def refused(self) -> int:
        """Answers that were none."""
        return sum(each.refused for rounds in (*self.found.values(), self.loaded) for each in rounds)


def run(rounds: int = ROUNDS, requests: int = REQUESTS, users: int = USERS, patients: int = 600) -> Result:
    """Latency and throughput of ``POST /v1/recommend``, its peers in turns with it."""
    with tempfile.TemporaryDirectory(prefix="posology-serving-") as folder, ExitStack() as stack:
        made = fitted(Path(folder, "release"), contents=CONTENTS, patients=patients)
        contestants = _contestants(Path(folder), made, users, stack)
        for _ in range(rounds + 1):
            for connections in (1, MANY):
                for each in contestants.values():
                    each.measure(connections, requests)
        for each in contestants.values():
            each.forget_first()
        for each in (contestants[OURS], contestants[ECHO]):
            at_most = SATURATED * each.per_second(MANY)
            each.loaded = [_loaded(each, at_most, requests, seed) for seed in range(rounds)]
    return _result(contestants, users)


def _contestants(folder: Path, made: Fitted, users: int, stack: ExitStack) -> dict[str, Contestant]:
    url = f"sqlite:///{folder / 'store.db'}"
    patients = Patients(made, stored(made, url, users=users, sessions=SESSIONS))
    echoed = [post("/echo", patients.body(nth)) for nth in range(7 * users)]
    served = stack.enter_context(ours(made.folder, url, folder / "bentos"))
    scored = post("/invocations", _rows(made))
    return {
        OURS: Contestant(served, lambda _: patients.recommend()),
        ECHO: Contestant(stack.enter_context(echo(folder / "echo")), _turns(echoed)),
        MLFLOW: Contestant(stack.enter_context(mlflow(_logged(made, folder))), lambda _: scored),
        LIMIT: Contestant(stack.enter_context(ready_bytes(ANSWER_BYTES)), _turns(echoed)),
    }


def _turns(requests: list[bytes]) -> Request:
    return lambda nth: requests[nth % len(requests)]


def _rows(made: Fitted) -> bytes:
    """One decision's features, as ``mlflow models serve`` takes them."""
    features = made.release.features
    matrix = np.nan_to_num(features.of_candidates(made.tables, np.arange(1)).features)
    return json.dumps({"dataframe_split": {"columns": list(features.names), "data": matrix.tolist()}}).encode()


def _logged(made: Fitted, folder: Path) -> Path:
    """A CatBoost of the same size alone, as MLflow saves it."""
    import mlflow.catboost
    import pandas as pd
    from catboost import CatBoostRegressor
    from mlflow.models import infer_signature

    features = made.release.features
    some = np.arange(0, made.tables.sessions.height, 40)
    matrix = features.of_candidates(made.tables, some).features
    model = CatBoostRegressor(iterations=300, depth=5, thread_count=1, allow_writing_files=False, verbose=False)
    model.fit(matrix, matrix[:, EXPECTED])
    named = pd.DataFrame(matrix, columns=list(features.names))
    signature = infer_signature(named, model.predict(named))  # as a registry asks for it
    mlflow.catboost.save_model(model, str(folder / "mlflow"), signature=signature, pip_requirements=[])
    return folder / "mlflow"


def _loaded(contestant: Contestant, per_second: float, requests: int, seed: int) -> Measured:
    request = contestant.request
    return open_loop(
        contestant.peer.port, request, per_second=per_second, requests=requests, connections=4 * MANY, seed=seed
    )


def _result(contestants: Mapping[str, Contestant], users: int) -> Result:
    us, bare, other, limit = (contestants[name] for name in (OURS, ECHO, MLFLOW, LIMIT))
    refused = sum(each.refused for each in contestants.values())
    median, p99 = us.when_loaded(50), us.when_loaded(99)
    own = np.median([each.own_cpu_seconds / each.milliseconds.size for each in limit.found[MANY]])
    return Result(
        asks=(
            f"`POST /v1/recommend` by the bundle as `posology serve` runs it: {CONTENTS} candidates, courses of "
            f"{SESSIONS} sessions of {users} patients, shield, both predictors with intervals, policy, the decision in "
            "SQLite and on disk before it is answered. The peers answer in turns with it on the same machine, one "
            "worker each."
        ),
        columns=(
            "what",
            "median ms, 1 connection",
            "p99 ms",
            "per second",
            f"median ms, {MANY} connections",
            "p99 ms, 8",
            "per second, 8",
            "processor ms a request",
        ),
        rows=tuple(
            (
                name,
                *(each(n) for n in (1, MANY) for each in (it.median, it.p99, it.per_second)),
                float(np.median(it.cpu)),
            )
            for name, it in contestants.items()
        ),
        says=(
            f"The median is {us.median(1) / bare.median(1):.2f} times the echo's (asked: 2 at most), the throughput "
            f"at {MANY} connections {us.per_second(MANY) / bare.per_second(MANY):.2f} of the echo's (asked: 0.5) and "
            f"{us.per_second(MANY) / other.per_second(MANY):.1f} times that of `mlflow models serve` (asked: 5).",
            f"At {SATURATED:.0%} of saturation, requests coming at random times, p99 is {p99 / median:.1f} times the "
            f"median ({p99:.1f} and {median:.1f} ms; asked: 4 at most). The echo's is "
            f"{bare.when_loaded(99) / bare.when_loaded(50):.1f} times at the same share of its own saturation, and "
            f"that of a server which takes equally long for every request {EQUALLY_LONG} times (queue M/D/1).",
            f"The load generator takes {1000 * own:.2f} ms of a processor for a request, on the same cores. "
            f"{refused} of all answers were not 200.",
        ),
    )
