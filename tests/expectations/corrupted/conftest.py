"""A simulated cohort that a test corrupts, and the check that what it did is found: where, which rows, which code."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from expectations import CODES, Thresholds, Validation, validate
from expectations.files import tables_in
from posology.simulators import simulate
from posology.tables import KEYS, NAMES, Tables
from posology.therapy import Therapy
from posology.therapy_file import load_therapy

TAKEN_AT = datetime(2026, 1, 1, tzinfo=UTC)
# Of so small a cohort more may be in quarantine, and a day with ten sessions is busy.
LIMITS = Thresholds(quarantined_share=0.4, busy_day=10)
Rows = set[tuple[Any, ...]]


@dataclass
class Cohort:
    """Frames that a corruption may change; each change gives the keys of the rows it was done to."""

    therapy: Therapy
    folder: Path
    frames: dict[str, pl.DataFrame]
    last: dict[str, pl.DataFrame] | None = None

    def put(self, table: str, rows: int = 3, where: pl.Expr | None = None, **values: Any) -> Rows:
        """Set cells of the first rows (of those where a condition holds) to a value or an expression."""
        frame = self.frames[table].with_row_index("place")
        found = frame.filter(where if where is not None else pl.lit(value=True)).head(rows)["place"]
        is_one = pl.col("place").is_in(found.implode())
        changed = frame.with_columns(
            pl.when(is_one)
            .then(value if isinstance(value, pl.Expr) else self._literal(table, name, value))
            .otherwise(pl.col(name))
            .alias(name)
            for name, value in values.items()
        )
        self.frames[table] = changed.drop("place")
        return self.keys(table, changed.filter(is_one))

    def again(self, table: str, rows: int = 3, where: pl.Expr | None = None, **values: Any) -> Rows:
        """Add copies of the first rows (of those where a condition holds), with some cells other."""
        found = self.frames[table].filter(where if where is not None else pl.lit(value=True)).head(rows)
        copies = found.with_columns(
            (value if isinstance(value, pl.Expr) else self._literal(table, name, value)).alias(name)
            for name, value in values.items()
        )
        self.frames[table] = pl.concat([self.frames[table], copies])
        return self.keys(table, copies)

    def drop(self, table: str, where: pl.Expr) -> None:
        """Take the rows out where a condition holds."""
        self.frames[table] = self.frames[table].filter(~where)

    def cast(self, table: str, *columns: pl.Expr) -> None:
        """Change whole columns."""
        self.frames[table] = self.frames[table].with_columns(*columns)

    def keys(self, table: str, rows: pl.DataFrame) -> Rows:
        """What tells rows of a table apart."""
        return set(rows.select(KEYS[table]).rows())

    def of(self, user: int) -> pl.Expr:
        """The condition that a row is of the nth user with sessions."""
        return pl.col("user_id") == self.treated[user]

    @cached_property
    def treated(self) -> list[str]:
        """Users with at least two readings and ten sessions."""
        readings = self.frames["measurements"].group_by("user_id").len().filter(pl.col("len") > 2)
        sessions = self.frames["sessions"].group_by("user_id").len().filter(pl.col("len") > 10)
        return sorted(set(readings["user_id"]) & set(sessions["user_id"]))

    def validated(self) -> Validation:
        """What validation finds."""
        for name, frame in self.frames.items():
            frame.write_parquet(self.folder / f"{name}.parquet")
        if self.last is not None:
            Tables.conform(self.therapy, self.last).write(self.folder / "last")
        return validate(
            self.therapy,
            self.folder,
            accepted=self.folder / "accepted",
            quarantine=self.folder / "quarantine",
            against=self.folder / "last" if self.last else None,
            thresholds=LIMITS,
            taken_at=TAKEN_AT,
            patients_per_block=30,
        )

    def _literal(self, table: str, column: str, value: Any) -> pl.Expr:
        if value is None or isinstance(value, list):
            return pl.lit(pl.Series([value], dtype=self.frames[table].schema[column])).first()
        if isinstance(value, datetime):
            return pl.lit(value, dtype=self.frames[table].schema[column])
        return pl.col(column) + value if isinstance(value, timedelta) else pl.lit(value)


@pytest.fixture(scope="session")
def simulated() -> tuple[Therapy, Tables]:
    """Eighty patients who enrol within a week."""
    therapy = load_therapy("mci")
    return therapy, simulate(therapy, patients=80, seed=11, weeks=1).tables


@pytest.fixture
def cohort(simulated: tuple[Therapy, Tables], tmp_path: Path) -> Cohort:
    """The cohort as it was simulated."""
    therapy, tables = simulated
    return Cohort(therapy, tmp_path, {name: getattr(tables, name) for name in NAMES})


@pytest.fixture
def check(cohort: Cohort) -> Callable[..., None]:
    """Corrupt the cohort and require that it is found with its code, at its place, in exactly its rows."""

    def run(code: str, table: str, column: str | None, spoil: Callable[[Cohort], Any]) -> None:
        rows = spoil(cohort)
        came = {name: frame.height for name, frame in cohort.frames.items()}
        result = cohort.validated()
        found = [
            failure
            for failure in result.failed
            if (failure.code, failure.table, failure.column) == (code, table, column)
        ]
        assert len(found) == 1, [(failure.code, failure.table, failure.column) for failure in result.failed]
        assert found[0].level == CODES[code].level
        assert table in CODES[code].tables
        assert result.valid == all(failure.level != "table" for failure in result.failed)
        gone = tables_in(result.quarantined) if result.counts else {}
        if isinstance(rows, set):
            assert found[0].rows >= len(rows)
        if isinstance(rows, set) and CODES[code].level == "row":
            broken = gone[table].filter(pl.col("reasons").list.contains(code))
            assert cohort.keys(table, broken) == rows
            assert found[0].rows == broken.height
        if isinstance(rows, int):
            assert found[0].rows == rows
        if result.counts:
            assert {name: count.rows for name, count in result.counts.items()} == came
            assert {name: count.quarantined for name, count in result.counts.items()} == {
                n: f.height for n, f in gone.items()
            }
        if result.valid:
            kept = tables_in(result.accepted)
            assert {name: kept[name].height + gone[name].height for name in NAMES} == came

    return run
