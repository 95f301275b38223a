"""``validate`` and ``load``."""

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.here import HomeOption, JsonOption, TherapyArgument, here
from flows.cli.output import out, print_json, print_table, progress
from posology.errors import DataInvalid


def validate(
    therapy: TherapyArgument,
    data: Annotated[Path, typer.Option("--data", exists=True, file_okay=False, help="Folder with the four tables.")],
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
        docs = known.home.docs / checked.name
        result = validate_tables(checked, data, docs=docs, quarantine=known.home.root / "quarantine" / checked.name)
    if as_json:
        print_json(result.as_json())
    else:
        rows = [
            [
                item.code,
                item.table,
                item.column or "",
                item.level,
                f"{item.rows:,}",
                item.rule,
                ", ".join(item.examples),
            ]
            for item in result.failed
        ]
        if rows:
            print_table("What failed", ["code", "table", "column", "level", "rows", "rule", "examples"], rows)
        counts = [
            [name, f"{count.rows:,}", f"{count.accepted:,}", f"{count.quarantined:,}"]
            for name, count in result.counts.items()
        ]
        print_table("Rows", ["table", "came", "accepted", "in quarantine"], counts)
        out.print(f"The data are {'valid' if result.valid else 'NOT valid'}. Data Docs: {result.docs}")
    if not result.valid:
        raise typer.Exit(1)


def load(
    therapy: TherapyArgument,
    data: Annotated[Path, typer.Option("--data", exists=True, file_okay=False, help="Folder with the four tables.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put patients' history into the operational store, so that retraining learns from it and from what is served.

    The data are validated first; rows in quarantine stay out. Loading the same rows again changes nothing.
    """
    from expectations import validate as validate_tables
    from posology.therapy_file import load_therapy
    from serving.store import Store

    known = here(home)
    checked = load_therapy(therapy)
    with progress("Loading") as step:
        step("Validate with Great Expectations")
        quarantine = known.home.root / "quarantine" / checked.name
        result = validate_tables(checked, data, docs=None, quarantine=quarantine)
        if result.accepted is None:
            raise DataInvalid(f"a table rule broke; see: posology validate {therapy} --data {data}")
        step("Put the rows into the store")
        with closing(Store.open(known.settings.store_url, checked)) as store:
            store.load(result.accepted)
    rows = {name: count.accepted for name, count in result.counts.items()}
    if as_json:
        print_json({"rows": rows})
        return
    print_table("In the operational store", ["table", "rows"], [[name, f"{n:,}"] for name, n in rows.items()])
    out.print(f"Next: posology retrain {therapy}")
