"""An environment in which no library calls home, nor talks when nobody asked.

The libraries read it when they are imported: apply it first, once, where the
program starts.
"""

import os
from collections.abc import MutableMapping
from pathlib import Path

NO_CALL_LEAVES = {
    "DO_NOT_TRACK": "true",  # MLflow knows only this spelling; Prefect takes it too
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",  # a server nobody started loses task runs when it ends
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "GX_ANALYTICS_ENABLED": "false",
    "DVC_NO_ANALYTICS": "1",
    "BENTOML_DO_NOT_TRACK": "True",
}

UNLESS_TOLD_OTHERWISE = {
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",  # Prefect's pages have the log; here errors are said once
    "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
    "PREFECT_CLI_PROMPT": "false",
    "PREFECT_API_REQUEST_TIMEOUT": "20",  # seconds; a call that hangs is tried again, and a minute is long to wait
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # ten processes and a gigabyte for jobs we do not have
    "AWS_EC2_METADATA_DISABLED": "true",  # set it to false where the machine's role gives the credentials
    "AWS_MAX_ATTEMPTS": "3",  # for one call; s3fs tries again on top
    "GIT_PYTHON_REFRESH": "quiet",
    "OMP_NUM_THREADS": "2",
}

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def be_quiet(environment: MutableMapping[str, str] = os.environ) -> None:
    """Turn every library's analytics off, lower their voices and keep loopback calls off any proxy."""
    environment.update(NO_CALL_LEAVES)
    for name, value in UNLESS_TOLD_OTHERWISE.items():
        environment.setdefault(name, value)
    for name in ("NO_PROXY", "no_proxy"):
        known = [host for host in environment.get(name, "").split(",") if host]
        environment[name] = ",".join(known + [host for host in LOOPBACK if host not in known])


def prefect_environment(prefect_home: Path, api_url: str | None) -> dict[str, str]:
    """What makes Prefect live in a home and speak with one server; without an address it knows none."""
    return {"PREFECT_HOME": str(prefect_home)} | ({"PREFECT_API_URL": api_url} if api_url else {})


def quiet_environment() -> dict[str, str]:
    """A copy of this process's environment, made quiet, for a process started from here."""
    environment = dict(os.environ)
    be_quiet(environment)
    return environment
