"""The ledger counts all time once, and to whom it belongs."""

import time
from types import FrameType

import pytest

from benchmarks.ledger import Ledger
from benchmarks.owners import IMPORTS, OWN, ROOT, owner_of_files

LIBRARIES = f"{ROOT}/.venv/lib/python3.11/site-packages"
FLOW = f"{ROOT}/flows/retrain.py"
IMPORTING = "<frozen importlib._bootstrap>"


def nap(seconds: float) -> None:
    time.sleep(seconds)


def busy(seconds: float) -> None:
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass


def by_function(frame: FrameType | None) -> str:
    while frame is not None:
        if frame.f_code.co_name in ("nap", "busy"):
            return frame.f_code.co_name
        frame = frame.f_back
    return "rest"


def test_time_goes_to_the_step_and_the_owner_it_was_spent_in() -> None:
    ledger = Ledger(by_function, "first")
    began = time.perf_counter()
    with ledger.recording():
        nap(0.3)
        ledger.begin("second")
        busy(0.2)
    passed = time.perf_counter() - began
    assert ledger.seconds["first", "nap"] == pytest.approx(0.3, abs=0.1)
    assert ledger.seconds["second", "busy"] == pytest.approx(0.2, abs=0.1)
    assert sum(ledger.seconds.values()) == pytest.approx(passed, abs=0.1)


@pytest.mark.parametrize(
    ("innermost_first", "owner"),
    [
        ([f"{LIBRARIES}/prefect/flow_engine.py", FLOW], "Prefect"),
        ([f"{LIBRARIES}/pandas/core/frame.py", f"{LIBRARIES}/mlflow/data.py", FLOW], "MLflow"),
        ([f"{LIBRARIES}/catboost/core.py", f"{ROOT}/models/predictors/catboost.py", FLOW], OWN),
        ([f"{ROOT}/models/features.py", FLOW, f"{LIBRARIES}/prefect/flow_engine.py"], OWN),
        (
            [f"{LIBRARIES}/great_expectations/render/view.py", f"{ROOT}/expectations/judge.py", FLOW],
            "Great Expectations",
        ),
        (["/usr/lib/python3.11/threading.py", f"{ROOT}/flows/server_process.py", FLOW], "Prefect"),
        (["/usr/lib/python3.11/shutil.py", f"{ROOT}/flows/versioning.py", FLOW], "DVC"),
        ([f"{LIBRARIES}/sklearn/base.py", IMPORTING, f"{ROOT}/models/predictors/ridge.py", FLOW], IMPORTS),
        ([f"{LIBRARIES}/pydantic/main.py", IMPORTING, f"{LIBRARIES}/prefect/__init__.py", IMPORTING, FLOW], "Prefect"),
        (["/usr/lib/python3.11/json/decoder.py"], OWN),
    ],
)
def test_a_moment_belongs_to_the_innermost_call_that_has_an_owner(innermost_first: list[str], owner: str) -> None:
    assert owner_of_files(innermost_first) == owner
