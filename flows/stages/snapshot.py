"""Snapshot: the four tables and the therapy as they are now, never changed again."""

import shutil
from pathlib import Path

import polars as pl

from flows.workspace import Workspace, write_json
from posology.digests import digest_of_file
from posology.files import whole_folder
from posology.tables import NAMES, Tables, read_raw
from posology.therapy_file import find_therapy, load_therapy


def snapshot(workspace: Workspace, therapy_file: str | Path, source: Path | Tables) -> None:
    """Copy the tables of a folder, or write those of the operational store.

    The bytes of a folder's files are kept as they are; nothing is judged yet.

    Raises:
        TherapyError: the therapy does not hold.
        TableError: a table is missing or not Parquet.
    """
    therapy = load_therapy(therapy_file)
    with whole_folder(workspace.snapshot) as partial:
        if isinstance(source, Tables):
            source.write(partial / "tables")
        else:
            _copy(source, partial / "tables", read_raw(source, therapy))
        shutil.copyfile(find_therapy(therapy_file), partial / "therapy.yaml")
        write_json(partial / "manifest.json", _manifest(partial, therapy.digest))


def _copy(source: Path, target: Path, raw: dict[str, pl.DataFrame]) -> None:
    target.mkdir()
    for name in NAMES:
        file = source / f"{name}.parquet"
        if file.is_file():
            shutil.copyfile(file, target / file.name)
        else:
            raw[name].write_parquet(target / file.name)


def _manifest(folder: Path, therapy_digest: str) -> dict[str, object]:
    files = {name: folder / "tables" / f"{name}.parquet" for name in NAMES}
    return {
        "therapy_digest": therapy_digest,
        "rows": {name: pl.scan_parquet(file).select(pl.len()).collect().item() for name, file in files.items()},
        "sha256": {name: digest_of_file(file) for name, file in files.items()},
    }
