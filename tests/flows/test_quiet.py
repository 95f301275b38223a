"""No library calls home, whatever the environment says, and loopback calls go past any proxy."""

import os
from pathlib import Path

import pytest

from flows.quiet import be_quiet, prefect_environment, quiet_environment


def test_analytics_are_off_even_when_somebody_turned_them_on() -> None:
    environment = {"DO_NOT_TRACK": "0", "GX_ANALYTICS_ENABLED": "true", "MLFLOW_DISABLE_TELEMETRY": "false"}
    be_quiet(environment)
    assert environment["DO_NOT_TRACK"] == "true"
    assert environment["GX_ANALYTICS_ENABLED"] == "false"
    assert environment["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert environment["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"
    assert environment["DVC_NO_ANALYTICS"] == "1"
    assert environment["BENTOML_DO_NOT_TRACK"] == "True"


def test_how_much_is_logged_may_be_chosen() -> None:
    environment = {"PREFECT_LOGGING_LEVEL": "DEBUG"}
    be_quiet(environment)
    assert environment["PREFECT_LOGGING_LEVEL"] == "DEBUG"
    assert environment["MLFLOW_LOGGING_LEVEL"] in ("WARNING", "ERROR")


def test_hosts_that_need_no_proxy_are_added_once() -> None:
    environment = {"NO_PROXY": "intranet,127.0.0.1"}
    be_quiet(environment)
    be_quiet(environment)
    assert environment["NO_PROXY"] == "intranet,127.0.0.1,localhost,::1"
    assert environment["no_proxy"] == "127.0.0.1,localhost,::1"


def test_a_process_started_from_here_is_quiet_without_touching_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DO_NOT_TRACK", raising=False)
    assert quiet_environment()["DO_NOT_TRACK"] == "true"
    assert "DO_NOT_TRACK" not in os.environ


def test_prefect_lives_in_the_home(tmp_path: Path) -> None:
    assert prefect_environment(tmp_path, None) == {"PREFECT_HOME": str(tmp_path)}
    assert prefect_environment(tmp_path, "http://x/api")["PREFECT_API_URL"] == "http://x/api"
