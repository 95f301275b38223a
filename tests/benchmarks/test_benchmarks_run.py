"""Every benchmark runs on little data, agrees with its peer and keeps what it measured."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks import bootstrap, choice, coverage, features, ingest, retrain, simulator, size
from benchmarks.__main__ import BENCHMARKS, main
from benchmarks.pages import FOLDER, keep, page, text_of
from benchmarks.processes import Family
from benchmarks.result import Result, race
from posology.offpolicy import ESTIMATORS
from posology.offpolicy.sequential import SEQUENTIAL

SMALL: dict[str, Callable[[], Result]] = {
    "features": lambda: features.run(patients=40, rounds=1),
    "choice": lambda: choice.run(patients=60, calls=5),
    "bootstrap": lambda: bootstrap.run(patients=60, resamples=50, simulated=40),
    "ingest": lambda: ingest.run(rows=100, writers=(1, 4), on_postgres=False),
    "simulator": lambda: simulator.run(patients=20, therapies=["mci", "tinnitus"]),
}
RESULT = Result("How fast.", ("what", "seconds"), (("ours", 0.01234), ("a peer", 1234.5)), ("Faster.",))


@pytest.mark.parametrize("name", SMALL)
def test_a_benchmark_measures_each_row_in_every_column(name: str) -> None:
    result = SMALL[name]()
    numbers = [cell for row in result.rows for cell in row[1:]]
    assert len(result.rows) >= 2
    assert all(isinstance(number, float | int) and number > 0 for number in numbers)


@pytest.mark.thorough
def test_every_off_policy_estimator_has_its_coverage_measured() -> None:
    result = coverage.run(logs=3, patients=60, truth_patients=100)
    assert [row[0] for row in result.rows] == [each.name for each in (*ESTIMATORS, *SEQUENTIAL)]
    assert all(row[-1].endswith("%") for row in result.rows)


@pytest.mark.thorough
def test_the_stages_are_measured_at_size_and_make_the_same_on_dask() -> None:
    result = size.run((40, 80), on_dask=80)
    assert [row[0] for row in result.rows] == ["40", "80"]
    assert "are the same bytes" in result.says[-1]


def test_growth_is_told_without_what_is_done_once() -> None:
    (says,) = size._growth({n: 20 + 3e-5 * n**1.05 for n in (10**5, 10**6, 10**7)})
    assert "the power is 1.05" in says
    assert list(size._growth({1: 1.0, 2: 2.0})) == []


def test_the_loop_and_the_sums_find_the_same_intervals() -> None:
    log = bootstrap.logged(200, np.random.default_rng(3))
    np.testing.assert_allclose(bootstrap.by_sums(log, 500), bootstrap.by_loop(log, 500), atol=0.01)


def test_shares_of_a_retraining_are_of_all_owners() -> None:
    seconds = {"train": {"our own work": 6.0, "Prefect": 1.0}, "track": {"MLflow": 2.0, "our imports": 1.0}}
    found = retrain.Retraining(seconds, "pass", cpu_seconds=9.0, peak_bytes=10, family=Family())
    assert (found.orchestration, found.total) == (3.0, 10.0)
    *_, total, share = retrain._rows(found)
    assert total == ("total", 6.0, 1.0, 1.0, 2.0, 0, 0, 10.0)
    assert share == ("share", "60%", "10%", "10%", "20%", "0%", "0%", "100%")


def test_runners_take_turns_and_the_first_turn_does_not_count() -> None:
    turns: list[str] = []
    race({"a": lambda: turns.append("a"), "b": lambda: turns.append("b")}, rounds=2)
    assert "".join(turns) == "ababab"


def test_a_benchmark_run_alone_replaces_its_own_figures(tmp_path: Path) -> None:
    other = Result("How fast.", ("what", "seconds"), (("ours", 5.0),), ("Slower.",))
    for name, result in (("one", RESULT), ("two", RESULT), ("one", other)):
        keep(name, result, {"processor": "slow"}, load_before=0.5, folder=tmp_path)
    kept = json.loads((tmp_path / "results.json").read_text())["results"]
    assert [kept[name]["says"] for name in ("one", "two")] == [["Slower."], ["Faster."]]
    assert "| a peer | 1,234 |" in (tmp_path / "README.md").read_text()


def test_figures_of_another_machine_go(tmp_path: Path) -> None:
    keep("one", RESULT, {"processor": "slow"}, load_before=0.5, folder=tmp_path)
    keep("two", RESULT, {"processor": "quick"}, load_before=0.5, folder=tmp_path)
    assert list(json.loads((tmp_path / "results.json").read_text())["results"]) == ["two"]


@pytest.mark.parametrize(("cell", "text"), [(0.01234, "0.0123"), (7.0, "7"), (123456.7, "123,457"), ("p50", "p50")])
def test_numbers_are_written_to_be_read(cell: str | float, text: str) -> None:
    assert text_of(cell) == text


def test_a_row_that_does_not_fit_its_columns_is_refused() -> None:
    with pytest.raises(ValueError, match="expected 2 cells"):
        Result("How fast.", ("what", "seconds"), (("ours",),), ())


def test_an_unknown_benchmark_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["speed"]) == 2
    assert "there are retrain, features" in capsys.readouterr().err


def test_the_page_that_is_kept_is_the_page_of_the_results_that_are_kept() -> None:
    kept = json.loads((FOLDER / "results.json").read_text())
    assert (FOLDER / "README.md").read_text() == page(kept)
    assert set(BENCHMARKS) <= set(kept["results"]) <= {*BENCHMARKS, "peers"}  # which has a command of its own
