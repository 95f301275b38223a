"""``fhir write`` and ``fhir read``: a cohort as health records, and health records as a cohort."""

import os
import shlex
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from flows.cli.here import JsonOption, TherapyArgument
from flows.cli.output import out, print_json, print_table, progress
from posology.errors import CannotDo

if TYPE_CHECKING:
    from posology.fhir import RecordsReport
    from posology.tables import Tables

fhir_app = typer.Typer(help="Cohorts as FHIR R4 or R5 bundles, and such bundles as cohorts.", no_args_is_help=True)
REASONS_SHOWN = 20
PATIENTS_FOR_ONE = 200
ReleaseName = Literal["R4", "R5"]


@fhir_app.command()
def write(
    therapy: TherapyArgument,
    data: Annotated[Path, typer.Option("--data", exists=True, file_okay=False, help="Folder with the four tables.")],
    out_folder: Annotated[Path, typer.Option("--out", help="New folder for the bundles.")],
    release: Annotated[ReleaseName, typer.Option(help="Release of FHIR.")] = "R4",
    as_json: JsonOption = False,
) -> None:
    """Write the four tables as FHIR bundles: OUT/catalogue.json, and OUT/patients/ with one for each patient.

    Every resource is checked before it is written. Reading the folder back gives equal tables.
    """
    from posology.fhir import FhirRelease, write_records
    from posology.files import refuse_in_use
    from posology.tables import Tables
    from posology.therapy_file import load_therapy

    refuse_in_use(out_folder)
    with progress("Writing health records") as step:
        step("Read the four tables")
        checked = load_therapy(therapy)
        tables = Tables.read(data, checked)
        patients = tables.users.height
        step(f"Write FHIR {release} bundles")
        write_records(
            tables,
            checked,
            out_folder,
            release=FhirRelease(release),
            processes=_processes(patients),
            tell=lambda written: step.detail(f"{written:,} of {patients:,} patients"),
        )
    if as_json:
        print_json({"folder": str(out_folder), "release": release, "patients": patients})
        return
    out.print(f"{patients:,} patients as FHIR {release} in {out_folder}")
    out.print(f"Back again: posology fhir read {therapy} --bundles {out_folder} --out DIR")


@fhir_app.command()
def read(
    therapy: TherapyArgument,
    bundles: Annotated[Path, typer.Option("--bundles", exists=True, file_okay=False, help="Folder of .json, .ndjson.")],
    out_folder: Annotated[
        Path | None, typer.Option("--out", help="New folder for the four tables and not-mapped.json.")
    ] = None,
    release: Annotated[ReleaseName, typer.Option(help="Release of bundles that do not say theirs.")] = "R4",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing, only tell what would be mapped.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Read FHIR bundles, single resources or bulk exports into the four tables.

    What cannot be mapped is listed with its file, its id and the reason; the exit status is then 1, and the tables
    hold the rest.
    """
    from posology.fhir import FhirRelease, read_records
    from posology.files import refuse_in_use
    from posology.tables import NAMES
    from posology.therapy_file import load_therapy

    if out_folder is None and not dry_run:
        raise CannotDo("expected --out DIR, a new folder for the four tables, or --dry-run")
    if out_folder is not None:
        refuse_in_use(out_folder)
    target = None if dry_run else out_folder
    with progress("Reading health records") as step:
        step("Read FHIR bundles")
        tables, report = read_records(
            bundles,
            load_therapy(therapy),
            untagged=FhirRelease(release),
            processes=_processes(sum(1 for _ in bundles.rglob("*.json"))),
            tell=lambda done, files: step.detail(f"{done:,} of {files:,} files"),
        )
        if target is not None:
            step("Write the four tables")
            _write(target, tables, report)
    rows = {name: getattr(tables, name).height for name in NAMES}
    if as_json:
        print_json({"folder": None if target is None else str(target), "rows": rows, **report.as_json()})
    else:
        _print(rows, report)
        if target is None:
            out.print("Nothing is written: this was a dry run.")
        else:
            out.print(f"Next: posology validate {therapy} --data {shlex.quote(str(target))}")
    if not report.complete:
        raise typer.Exit(1)


def _processes(patients: int) -> int:
    """All cores, unless starting processes would take longer than the work."""
    return len(os.sched_getaffinity(0)) if patients > PATIENTS_FOR_ONE else 1


def _write(folder: Path, tables: "Tables", report: "RecordsReport") -> None:
    """The four tables and, when something was not mapped, the report: all of it or nothing."""
    import json

    from posology.files import whole_folder, write_whole

    with whole_folder(folder) as partial:
        tables.write(partial)
        if not report.complete:
            write_whole(partial / "not-mapped.json", json.dumps(report.as_json(), indent=2, ensure_ascii=False))


def _print(rows: dict[str, int], report: "RecordsReport") -> None:
    print_table("The four tables", ["table", "rows"], [[name, f"{n:,}"] for name, n in rows.items()])
    left = len(report.not_mapped) + sum(report.no_place.values())
    out.print(f"{report.resources:,} resources came: {report.mapped:,} mapped, {left:,} not.")
    if report.no_place:
        counts = [[name, f"{n:,}"] for name, n in report.no_place.items()]
        print_table("Types that no table has a place for", ["type", "resources"], counts)
    for title, entries in (("Not mapped", report.not_mapped), ("Mapped, but not all of it", report.partly)):
        reasons = Counter((entry.resource.partition("/")[0], entry.reason) for entry in entries)
        first = {(entry.resource.partition("/")[0], entry.reason): entry for entry in reversed(entries)}
        lines = [
            [kind, reason, f"{n:,}", f"{first[kind, reason].source} {first[kind, reason].resource}"]
            for (kind, reason), n in reasons.most_common(REASONS_SHOWN)
        ]
        if lines:
            print_table(title, ["type", "reason", "resources", "first"], lines)
