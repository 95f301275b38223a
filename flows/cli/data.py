"""``simulate`` and ``load``."""

from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from flows.cli.here import HomeOption, JsonOption, TherapyArgument, here
from flows.cli.output import out, print_json, print_table, progress
from posology.errors import DataInvalid


def simulate(
    therapy: TherapyArgument,
    patients: Annotated[int, typer.Option(min=1, help="How many patients.")] = 600,
    seed: Annotated[int, typer.Option(help="The same seed gives the same cohort.")] = 7,
    out_folder: Annotated[Path, typer.Option("--out", help="New folder for the four tables.")] = Path("data"),
    as_json: JsonOption = False,
) -> None:
    """Simulate a cohort whose truth is known: four tables, and the truth in OUT/truth/."""
    from posology.files import refuse_in_use
    from posology.simulators import simulate as simulate_cohort
    from posology.therapy_file import load_therapy

    refuse_in_use(out_folder)
    with progress(f"Simulating {patients} patients") as step:
        step(f"Simulate {patients} patients")
        cohort = simulate_cohort(load_therapy(therapy), patients=patients, seed=seed)
        cohort.write(out_folder)
    tables = cohort.tables
    rows = {name: getattr(tables, name).height for name in ("users", "measurements", "contents", "sessions")}
    if as_json:
        print_json({"folder": str(out_folder), "rows": rows})
        return
    print_table(f"Cohort in {out_folder}", ["table", "rows"], [[name, f"{n:,}"] for name, n in rows.items()])
    out.print(f"Next: posology retrain {therapy} --data {out_folder}")


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
    from posology.tables import Tables
    from posology.therapy_file import load_therapy
    from serving.store import Store

    known = here(home)
    checked = load_therapy(therapy)
    with progress("Loading") as step:
        step("Validate with Great Expectations")
        quarantine = known.home.root / "quarantine" / checked.name
        with TemporaryDirectory() as folder:
            result = validate_tables(checked, data, accepted=Path(folder, "accepted"), quarantine=quarantine)
            if result.accepted is None:
                raise DataInvalid(f"a table rule broke; see: posology validate {therapy} --data {data}")
            accepted = Tables.read(result.accepted, checked)
        step("Put the rows into the store")
        with closing(Store.open(known.settings.store_url, checked)) as store:
            store.load(accepted)
    rows = {name: count.accepted for name, count in result.counts.items()}
    if as_json:
        print_json({"rows": rows})
        return
    print_table("In the operational store", ["table", "rows"], [[name, f"{n:,}"] for name, n in rows.items()])
    out.print(f"Next: posology retrain {therapy}")
