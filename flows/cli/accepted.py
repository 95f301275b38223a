"""The tables of a folder as far as validation lets them through, for commands that read them."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from posology.errors import DataInvalid

if TYPE_CHECKING:
    from expectations import Count
    from posology.tables import Tables
    from posology.therapy import Therapy


def accepted_tables(
    therapy: "Therapy", data: Path, *, named: str, quarantine: Path | None = None
) -> "tuple[Tables, Mapping[str, Count]]":
    """What validation accepts, and how many rows came of each table.

    Args:
        therapy: whose tables they are.
        data: folder of the four tables.
        named: the therapy as the user named it.
        quarantine: folder for the rows that are not accepted, when they are to be kept.

    Raises:
        DataInvalid: a table rule broke.
    """
    from expectations import validate
    from posology.tables import Tables

    with TemporaryDirectory() as folder:
        result = validate(therapy, data, accepted=Path(folder, "accepted"), quarantine=quarantine)
        if result.accepted is None:
            raise DataInvalid(f"a table rule broke; see: posology validate {named} --data {data}")
        return Tables.read(result.accepted, therapy), result.counts
