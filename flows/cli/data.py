"""``load``."""

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.accepted import accepted_tables
from flows.cli.here import HomeOption, JsonOption, TherapyArgument, here
from flows.cli.output import out, print_json, print_table, progress


def load(
    therapy: TherapyArgument,
    data: Annotated[Path, typer.Option("--data", exists=True, file_okay=False, help="Folder with the four tables.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put patients' history into the operational store, so that retraining learns from it and from what is served.

    The data are validated first; rows in quarantine stay out. Loading the same rows again changes nothing.
    """
    from posology.therapy_file import load_therapy
    from serving.store import Store

    known = here(home)
    checked = load_therapy(therapy)
    with progress("Loading") as step:
        step("Validate with Great Expectations")
        quarantine = known.home.root / "quarantine" / checked.name
        accepted, counts = accepted_tables(checked, data, named=therapy, quarantine=quarantine)
        step("Put the rows into the store")
        with closing(Store.open(known.settings.store_url, checked)) as store:
            store.load(accepted)
    rows = {name: count.accepted for name, count in counts.items()}
    if as_json:
        print_json({"rows": rows})
        return
    print_table("In the operational store", ["table", "rows"], [[name, f"{n:,}"] for name, n in rows.items()])
    out.print(f"Next: posology retrain {therapy}")
