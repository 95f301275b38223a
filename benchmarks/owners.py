"""Who owns a moment of a retraining: one of the libraries that orchestrate it, or our own work."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parent.parent
OWN, IMPORTS = "our own work", "our imports"
ORCHESTRATION = ("Prefect", "MLflow", "DVC", "Great Expectations")

_PACKAGES = {
    "prefect": "Prefect",
    "mlflow": "MLflow",
    "dvc": "DVC",
    "dvc_data": "DVC",
    "dvc_objects": "DVC",
    "scmrepo": "DVC",
    "great_expectations": "Great Expectations",
}
# Our code that exists only to speak with one of them counts as theirs.
_SERVES = {
    "flows/orchestration.py": "Prefect",
    "flows/servers.py": "Prefect",
    "flows/server_process.py": "Prefect",
    "flows/tasks.py": "Prefect",
    "flows/tracking.py": "MLflow",
    "flows/registry.py": "MLflow",
    "flows/killed_runs.py": "MLflow",
    "flows/pyfunc_model.py": "MLflow",
    "flows/pyfunc_signature.py": "MLflow",
    "flows/versioning.py": "DVC",
    "expectations": "Great Expectations",
}


def owner_of(frame: FrameType) -> str:
    """The owner of the moment in which this frame runs."""
    return owner_of_files(list(_files(frame)))


def owner_of_files(files: Sequence[str]) -> str:
    """The owner of the innermost call that has one: what MLflow asks of pandas is MLflow's time.

    What is imported by a library is that library's time; other imports are
    kept apart from our own work.

    Args:
        files: of the calls on the stack, the innermost first.
    """
    owner = next((owner for file in files if (owner := _owner(file))), OWN)
    is_importing = any(file.startswith("<frozen importlib") for file in files)
    return IMPORTS if owner == OWN and is_importing else owner


def _files(frame: FrameType | None) -> Iterator[str]:
    while frame is not None:
        yield frame.f_code.co_filename
        frame = frame.f_back


def _owner(file: str) -> str | None:
    _, installed, path = file.rpartition("/site-packages/")
    if installed:
        return _PACKAGES.get(path.partition("/")[0])
    if not file.startswith(f"{ROOT}/"):
        return None  # the standard library: whoever called it
    path = file.removeprefix(f"{ROOT}/")
    return _SERVES.get(path) or _SERVES.get(path.partition("/")[0]) or OWN
