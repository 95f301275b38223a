"""How the rows of one source become rows of one table; each row ends in the table or is kept with its reasons."""

from dataclasses import dataclass

import polars as pl

from posology.checked_file import Misplaced
from posology.importing.checked_expression import CheckedExpression
from posology.importing.conversion import Converted
from posology.importing.mapping import Csv, Entry
from posology.importing.origin import Target, check_origin, values_of
from posology.importing.report import TableReport
from posology.importing.rows import Chunk, any_of, rejected_rows, rows_at_fault
from posology.tables import OPTIONAL, schema_of
from posology.therapy import Column, Therapy


@dataclass(frozen=True)
class Applied:
    """What became of some rows of a source."""

    mapped: pl.DataFrame  # with the columns and types of the table
    not_mapped: pl.DataFrame  # with those of NOT_MAPPED
    report: TableReport


@dataclass(frozen=True)
class Plan:
    """One source of one table.

    Attributes:
        place: which of the table's sources, from 0.
        name: the source as reports call it.
        targets: every column of the table.
    """

    table: str
    place: int
    entry: Entry
    name: str
    targets: dict[str, Target]

    @classmethod
    def of(cls, table: str, place: int, entry: Entry, *, name: str, therapy: Therapy) -> "Plan":
        """The plan of one entry of a mapping."""
        declared = _declared(table, therapy)
        targets = {
            column: Target(kind, declared[column].unit if column in declared else None)
            for column, kind in schema_of(table, therapy).items()
        }
        return cls(table, place, entry, name, targets)

    def check(self) -> None:
        """Raise ValueError unless the entry fits the table."""
        columns = self.entry.columns
        for name, origin in columns.items():
            if name not in self.targets:
                raise Misplaced(f"is no column of {self.table}; expected {', '.join(self.targets)}", "columns", name)
            try:
                check_origin(origin, self.targets[name])
            except ValueError as error:
                raise _at(error, "columns", name) from error
        absent = [name for name in self.targets if name not in columns and name not in OPTIONAL]
        if absent:
            raise Misplaced(f"says nothing of {', '.join(absent)}; {{constant: null}} when it is not known", "columns")

    def try_on(self, chunk: Chunk) -> None:
        """Raise ValueError unless the source's columns fit; a row without values shows it, so no value is told."""
        self.apply(Chunk(chunk.frame.clear(1), pl.Series([1])))

    def apply(self, chunk: Chunk) -> Applied:
        """What becomes of these rows.

        Raises:
            ValueError: the source lacks a column, or has one of a type that does not fit.
        """
        frame = chunk.numbered()
        chosen = self._chosen(frame)
        wanted = frame.filter(chosen.values.fill_null(value=False))
        converted = {name: self._converted(name, wanted) for name in self.targets}
        faults = {(name, why): mask for name, column in converted.items() for why, mask in column.faults.items()}
        values = pl.DataFrame([column.values.alias(name) for name, column in converted.items()])
        mapped = values.filter(~any_of(faults.values(), wanted.height))
        unclear = {("where", why): mask for why, mask in chosen.faults.items()}
        not_mapped = pl.concat(
            [
                rejected_rows(chunk.rejected, self.name),
                rows_at_fault(frame, unclear, self.name),
                rows_at_fault(wanted, faults, self.name),
            ]
        ).sort("row", maintain_order=True)
        left_out = frame.height - wanted.height - int(any_of(unclear.values(), frame.height).sum())
        report = TableReport.of(rows=chunk.rows, mapped=mapped.height, not_mapped=not_mapped, left_out=left_out)
        return Applied(mapped, not_mapped, report)

    def _chosen(self, frame: pl.DataFrame) -> Converted:
        """Which rows the entry wants."""
        if self.entry.where is None:
            return Converted(pl.repeat(value=True, n=frame.height, eager=True))
        try:
            chosen = CheckedExpression.read(self.entry.where, frame.columns).of(frame)
        except ValueError as error:
            raise _at(error, "where") from error
        if chosen.values.dtype not in (pl.Boolean, pl.Null):
            raise Misplaced(f"gives {chosen.values.dtype}, expected a condition (true or false)", "where")
        return chosen

    def _converted(self, name: str, frame: pl.DataFrame) -> Converted:
        target, origin = self.targets[name], self.entry.columns.get(name)
        if origin is None:
            return Converted(pl.repeat(None, frame.height, dtype=target.dtype, eager=True))
        source = self.entry.source
        try:
            return values_of(origin, target, frame, decimal=source.decimal if isinstance(source, Csv) else ".")
        except ValueError as error:
            raise _at(error, "columns", name) from error


def _declared(table: str, therapy: Therapy) -> dict[str, Column]:
    feedback = therapy.feedback.columns if therapy.feedback else {}
    return {
        "users": therapy.user,
        "measurements": {},
        "contents": therapy.content,
        "sessions": {**therapy.context, **feedback},
    }[table]


def _at(error: ValueError, *place: str) -> Misplaced:
    deeper = error.place if isinstance(error, Misplaced) else ()
    return Misplaced(str(error), *place, *deeper)
