"""One import from beginning to end: every source opened and checked first, then read through, written whole or not."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, nullcontext
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from flows.importing.sources import chunks_of
from flows.importing.writing import Writers
from posology.checked_file import Misplaced
from posology.errors import TableError
from posology.files import whole_folder
from posology.importing.mapping import ORIGINS
from posology.importing.mapping_file import MappingFile
from posology.importing.origin import in_words
from posology.importing.plan import Plan
from posology.importing.report import Report, TableReport
from posology.importing.rows import Chunk
from posology.tables import NAMES
from posology.therapy import Therapy


@dataclass(frozen=True)
class Taken:
    """Where a column of a table comes from: what the mapping says, the type there and here."""

    table: str
    column: str
    source: str
    origin: str
    came: str
    becomes: str


@dataclass(frozen=True)
class Imported:
    """What an import did, or in a dry run would do."""

    report: Report
    taken: tuple[Taken, ...]


def import_tables(
    mapping: MappingFile,
    therapy: Therapy,
    out: Path | None,
    *,
    start: Path | None = None,
    step: Callable[[str], None] = lambda _: None,
    detail: Callable[[str], None] = lambda _: None,
) -> Imported:
    """The tables of a mapping in a folder, with the rows that could not be mapped in ``not-mapped/``.

    Args:
        out: appears whole or not at all; None for a dry run, which reads everything and writes nothing.
        start: where relative paths of the mapping start; beside its file when None.
        step: told of each source as its turn comes.
        detail: told how far it has come.

    Raises:
        CannotDo: the mapping does not fit, or a source cannot be read to its end.
    """
    plans = mapping.plans(therapy)
    with ExitStack() as stack:
        step("Open the sources")
        opened = [_open(stack, mapping, plan, start or mapping.file.path.parent) for plan in plans]
        folder = stack.enter_context(nullcontext() if out is None else whole_folder(out))
        writers = stack.enter_context(Writers(folder, therapy))
        tables = {name: TableReport() for name in NAMES if getattr(mapping.mapping, name) is not None}
        for plan, (chunks, _) in zip(plans, opened, strict=True):
            step(f"Import {plan.table} from {plan.name}")
            for chunk in chunks:
                with _told(mapping, plan):
                    applied = plan.apply(chunk)
                writers.write(plan.table, applied)
                tables[plan.table] += applied.report
                detail(f"{tables[plan.table].rows:,} rows")
        if mapping.mapping.contents is None:
            writers.write_catalogue()
    taken = [one for plan, (_, first) in zip(plans, opened, strict=True) for one in _taken(plan, first)]
    return Imported(Report(tables), tuple(taken))


def _open(stack: ExitStack, mapping: MappingFile, plan: Plan, start: Path) -> tuple[Iterator[Chunk], Chunk]:
    """All chunks of a source, and the first, whose columns fit."""
    chunks = stack.enter_context(closing(chunks_of(plan.entry, start, plan.table)))
    try:
        first = next(chunks)
    except Misplaced as error:
        raise mapping.wrong(plan, error) from error
    with _told(mapping, plan):
        plan.try_on(first)
    return chain([first], chunks), first


@contextmanager
def _told(mapping: MappingFile, plan: Plan) -> Iterator[None]:
    """What does not fit is told with the line of the mapping that asks for it."""
    try:
        yield
    except ValueError as error:
        raise mapping.wrong(plan, error) from error
    except PolarsError as error:  # its message may show values
        raise TableError(
            f"{plan.name}: rows cannot be computed ({type(error).__name__}); look at the expressions of {plan.table}",
            table=plan.table,
        ) from error


def _taken(plan: Plan, first: Chunk) -> Iterator[Taken]:
    for column, origin in plan.entry.columns.items():
        came = "" if origin.column is None else str(first.frame.schema.get(origin.column, pl.Int64))
        kind = next(name for name in ORIGINS if name in origin.model_fields_set)
        yield Taken(plan.table, column, plan.name, origin.column or kind, came, in_words(plan.targets[column].dtype))
