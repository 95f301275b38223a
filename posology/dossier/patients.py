"""Who the patients are, column by column, without telling one of them apart."""

import polars as pl

from posology.dossier.evidence import PatientsRow
from posology.dossier.numbers import number, percent
from posology.therapy import Column, Columns

# Counts of 1 to 10 people are withheld (Centers for Medicare & Medicaid Services, cell size suppression policy).
SMALLEST_COUNT = 11


def patients_rows(columns: Columns, learned_from: pl.DataFrame, judged_on: pl.DataFrame) -> tuple[PatientsRow, ...]:
    """One row a column of U that can be summed up in numbers; the frames are users."""
    return tuple(
        PatientsRow(_name(name, column), _short(column, learned_from[name]), _short(column, judged_on[name]))
        for name, column in columns.items()
        if column.kind in {"number", "category", "boolean"}
    )


def _name(name: str, column: Column) -> str:
    return f"{name}, {column.unit}" if column.unit else name


def _short(column: Column, values: pl.Series) -> str:
    known = values.drop_nulls()
    if known.len() < SMALLEST_COUNT:
        return f"fewer than {SMALLEST_COUNT} patients"
    says = _quartiles(known) if column.kind == "number" else _shares(column, known)
    missing = values.null_count()
    return says if missing < SMALLEST_COUNT else f"{says}; missing {percent(missing / values.len())}"


def _quartiles(known: pl.Series) -> str:
    low, middle, high = (number(float(known.quantile(share, "linear") or 0.0)) for share in (0.25, 0.5, 0.75))
    return f"median {middle} ({low} to {high})"


def _shares(column: Column, known: pl.Series) -> str:
    values: list[str | bool] = [True] if column.kind == "boolean" else list(column.values or ())
    counts = {value: int((known == value).sum()) for value in values}
    return ", ".join(
        f"{'yes' if value is True else value} {_share(count, known.len())}" for value, count in counts.items()
    )


def _share(count: int, total: int) -> str:
    is_told = count == 0 or count >= SMALLEST_COUNT
    return percent(count / total) if is_told else f"under {percent(SMALLEST_COUNT / total)}"
