"""``load``."""

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.accepted import accepted_tables
from flows.cli.here import HomeOption, JsonOption, TherapyArgument, here
from flows.cli.output import out, print_json, print_table, progress

COUNTED = ("accepted", "quarantined")


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
    if as_json:
        stored, left_out = ({name: getattr(count, which) for name, count in counts.items()} for which in COUNTED)
        print_json({"rows": stored, "quarantined": left_out})
        return
    rows = [[name, *(f"{getattr(count, which):,}" for which in COUNTED)] for name, count in counts.items()]
    print_table("In the operational store", ["table", "rows", "left in quarantine"], rows)
    if any(count.quarantined for count in counts.values()):
        out.print(f"What was left out, with reasons: {quarantine}", markup=False)
    out.print(f"Next: posology retrain {therapy}")
