"""``import`` and ``export``."""

import shlex
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import typer

from flows.cli.here import HomeOption, JsonOption, TherapyArgument, here
from flows.cli.output import out, print_json, print_table, progress
from posology.errors import CannotDo

SHOWN = 10  # complaints of a table


def import_data(
    therapy: TherapyArgument,
    mapping: Annotated[Path, typer.Option("--mapping", exists=True, dir_okay=False, help="The mapping file (YAML).")],
    out_folder: Annotated[Path | None, typer.Option("--out", help="New folder for the four tables.")] = None,
    start: Annotated[
        Path | None,
        typer.Option("--from", exists=True, file_okay=False, help="Where relative paths start; else beside FILE."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read all, say what would be, write nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Make the four tables of CSV, Parquet, DuckDB, SQLite or PostgreSQL, as a mapping file says.

    \b
    users:
      csv: {file: patients.csv, delimiter: ";", encoding: latin-1, decimal: ","}
      columns:
        user_id: PatNr
        enrolled_at: {column: Aufnahme, format: "%d.%m.%Y %H:%M", time_zone: Europe/Berlin}
        consent: {constant: true}
        sex: {column: Geschlecht, map: {W: female, M: male}}
        age: {column: AlterMonate, unit: months}
    measurements:
      - parquet: baseline.parquet
        where: mmse IS NOT NULL
        columns: {user_id: id, measured_at: day0, instrument: {constant: MMSE}, score: mmse}
    sessions:
      sql: {url: "postgresql://reader:${PGPASSWORD}@db/clinic", query: "SELECT * FROM given"}
      columns:
        decision_id: {row_id: \\[patient, given_at]}
        score: {expression: "CAST(points AS DOUBLE) / max_points * 100"}

    All keys are in docs/import.md. Begin with --dry-run. A row with a value that cannot be mapped is reported and kept
    in OUT/not-mapped/, so that no row is lost. Exit status: 0 every row is mapped, 1 some are not (the tables are
    written all the same), 2 it could not be done (nothing is written). Then: posology validate.
    """
    from flows.importing.run import import_tables
    from posology.files import refuse_in_use
    from posology.importing.mapping_file import MappingFile
    from posology.therapy_file import load_therapy

    if out_folder is None and not dry_run:
        raise CannotDo("expected --out DIR, a new folder for the four tables, or --dry-run")
    if out_folder is not None:
        refuse_in_use(out_folder)
    target = None if dry_run else out_folder
    with progress("Importing") as step:
        done = import_tables(
            MappingFile.read(mapping), load_therapy(therapy), target, start=start, step=step, detail=step.detail
        )
    if as_json:
        print_json({"folder": None if target is None else str(target), **done.report.as_json()})
    else:
        _show(done, dry_run=dry_run)
        if target is None:
            out.print("Nothing is written: this was a dry run.")
        else:
            out.print(f"Next: posology validate {therapy} --data {shlex.quote(str(target))}")
    if not done.report.complete:
        raise typer.Exit(1)


def export(
    therapy: TherapyArgument,
    out_folder: Annotated[Path, typer.Option("--out", help="New folder for the four tables.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write what the operational store knows now as the four tables."""
    from posology.files import refuse_in_use
    from posology.tables import NAMES, catalogue_of
    from posology.therapy_file import load_therapy
    from serving.store import Store

    refuse_in_use(out_folder)
    known, checked = here(home), load_therapy(therapy)
    with progress("Exporting") as step:
        step("Read the operational store")
        with closing(Store.open(known.settings.store_url, checked)) as store:
            tables = store.snapshot(catalogue_of(checked) if checked.catalogue is not None else None)
        step("Write the tables")
        tables.write(out_folder)
    rows = {name: getattr(tables, name).height for name in NAMES}
    if as_json:
        print_json({"folder": str(out_folder), "rows": rows})
        return
    print_table(f"Tables in {out_folder}", ["table", "rows"], [[name, f"{n:,}"] for name, n in rows.items()])
    out.print(f"Next: posology validate {therapy} --data {shlex.quote(str(out_folder))}")


def _show(done: Any, *, dry_run: bool) -> None:
    if dry_run:
        columns = [[x.table, x.column, x.origin, x.source, x.came, x.becomes] for x in done.taken]
        print_table("Where columns come from", ["table", "column", "from", "in", "type there", "type here"], columns)
    rows = [
        [name, *(f"{n:,}" for n in (table.rows, table.mapped, table.left_out, table.not_mapped))]
        for name, table in done.report.tables.items()
    ]
    print_table("Rows", ["table", "came", "mapped", "left out (where)", "not mapped"], rows)
    complaints = [
        [name, one.source, one.column, one.reason, f"{one.rows:,}", ", ".join(map(str, one.first))]
        for name, table in done.report.tables.items()
        for one in table.complaints[:SHOWN]
    ]
    if complaints:
        print_table("What could not be mapped", ["table", "source", "column", "why", "rows", "first rows"], complaints)
    hidden = sum(len(table.complaints) for table in done.report.tables.values()) - len(complaints)
    if hidden:
        out.print(f"and {hidden} more reasons; --json tells all")
