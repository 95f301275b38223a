"""What examples share that need a script: reading CSV files, and the command ``prepare.py RAW_FOLDER OUT_FOLDER``."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from posology.errors import CannotDo, TableError, first_few
from posology.files import refuse_in_use
from posology.tables import Tables


def read_csv(raw: Path, name: str, *, columns: Sequence[str]) -> pl.DataFrame:
    """The columns of a raw CSV file; empty cells and NA are missing.

    Raises:
        TableError: the file is absent, unreadable, or lacks a column.
    """
    path = raw / name
    if not path.is_file():
        raise TableError(f"{path}: missing; give the folder that holds the data set's {name}", table=name)
    try:
        frame = pl.read_csv(path, null_values=["", "NA"], infer_schema_length=None)
    except (PolarsError, OSError) as error:
        raise TableError(f"{path}: expected a CSV file that can be read: {error}", table=name) from error
    absent = [column for column in columns if column not in frame.columns]
    if absent:
        raise TableError(f"{path}: missing column {first_few(absent)}; is it another version of the file?", table=name)
    return frame.select(columns)


def run(prepare: Callable[[Path], Tables], about: str | None) -> None:
    """The command line of one example: raw files in, the four Parquet tables out, whole or not at all."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("raw", type=Path, metavar="RAW_FOLDER", help="where the data set's CSV files are")
    parser.add_argument("out", type=Path, metavar="OUT_FOLDER", help="where the four Parquet files go")
    folders = parser.parse_args()
    try:
        refuse_in_use(folders.out)
        tables = prepare(folders.raw)
        tables.write(folders.out)
    except CannotDo as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_status)
    except PolarsError:  # its message may show a patient's values
        sys.stderr.write(f"{folders.raw}: a column holds values not known here; is it another version of the data?\n")
        sys.exit(CannotDo.exit_status)
    sys.stdout.write(
        f"{tables.users.height} users, {tables.sessions.height} sessions, {tables.measurements.height} measurements, "
        f"{tables.contents.height} contents in {folders.out}\n"
    )
