"""``validate``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.here import HomeOption, JsonOption, TherapyArgument, here
from flows.cli.output import out, print_json, print_table, progress

if TYPE_CHECKING:
    from expectations import Failure, Validation

LEVELS = {"row": "quarantine", "table": "stops the flow", "note": "noted"}


def validate(
    therapy: TherapyArgument,
    data: Annotated[Path, typer.Option("--data", exists=True, file_okay=False, help="Folder with the four tables.")],
    against: Annotated[
        Path | None,
        typer.Option(
            "--against",
            exists=True,
            file_okay=False,
            help="Folder with the four tables last accepted: what is gone, rewritten or unlike them is found too.",
        ),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hold data to the therapy and the table contract: what failed, which rows went to quarantine, where the docs are.

    Exit status 1 when a table rule broke; rows in quarantine alone do not make data invalid.
    """
    from expectations import validate as validate_tables
    from posology.therapy_file import load_therapy

    known = here(home)
    checked = load_therapy(therapy)
    with progress("Validating") as step:
        step("Validate with Great Expectations")
        result = validate_tables(
            checked,
            data,
            docs=known.home.docs / checked.name,
            quarantine=known.home.root / "quarantine" / checked.name,
            against=against,
            tell=lambda rows: step.detail(f"{rows:,} sessions judged"),
        )
    if as_json:
        print_json(result.as_json())
    else:
        _show(result)
    if not result.valid:
        raise typer.Exit(1)


def _show(result: "Validation") -> None:
    if result.failed:
        columns = ["code", "table", "column", "then", "rows", "rule", "examples"]
        print_table("What failed", columns, [_cells(failure) for failure in result.failed])
    counts = [
        [name, f"{count.rows:,}", f"{count.accepted:,}", f"{count.quarantined:,}"]
        for name, count in result.counts.items()
    ]
    print_table("Rows", ["table", "came", "accepted", "in quarantine"], counts)
    if any(count.quarantined for count in result.counts.values()):
        out.print(f"Rows in quarantine, with their reasons: {result.quarantined}")
    out.print(f"The data are {'valid' if result.valid else 'NOT valid'}. Data Docs: {result.docs}")


def _cells(failure: "Failure") -> list[str]:
    return [
        failure.code,
        failure.table,
        failure.column or "",
        LEVELS[failure.level],
        f"{failure.rows:,}" if failure.rows else "",
        failure.rule,
        ", ".join(failure.examples),
    ]
