"""The files a home keeps beside its snapshots: a patient's rows taken out, their ids blotted, the rest searched."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import polars as pl

from flows.erasure.patient import Patient
from flows.home import Home
from serving.keeping.settling import UNPLACED

BLOT = b"erased"
TEXTS = (".html", ".json", ".js", ".csv", ".txt", ".log")


def clean_files(home: Home, patient: Patient) -> list[Path]:
    """Take a patient out of quarantine, evidence, Data Docs and the journal; gives the files that changed."""
    changed = []
    for folder in (home.runs, home.docs):
        for file in _files(folder):
            if file.suffix in (".parquet", *TEXTS) and patient.is_in(file):
                _without_rows(file, patient) if file.suffix == ".parquet" else _blotted(file, patient)
                changed.append(file)
    for file in home.journal.rglob(UNPLACED):
        if patient.is_in(file):
            _without_lines(file, patient)
            changed.append(file)
    for file in home.root.glob("*.log"):  # a service may be writing: what is there is written over
        if patient.is_in(file):
            _written_over(file, patient)
            changed.append(file)
    return changed


def files_naming(home: Home, patient: Patient) -> list[Path]:
    """The files of a home that still name a patient: none, once they are erased."""
    return [file for file in _files(home.root) if patient.is_in(file)]


def _files(folder: Path) -> Iterator[Path]:
    for place, _, names in os.walk(folder):
        yield from (file for name in sorted(names) if (file := Path(place, name)).is_file() and not file.is_symlink())


def _without_rows(file: Path, patient: Patient) -> None:
    table = pl.read_parquet(file)
    mine = patient.rows(table.columns)
    if mine is not None:
        _replace(file, lambda partial: table.filter(~mine).write_parquet(partial))


def _blotted(file: Path, patient: Patient) -> None:
    content = patient.pattern.sub(BLOT, file.read_bytes())
    _replace(file, lambda partial: partial.write_bytes(content))


def _written_over(file: Path, patient: Patient) -> None:
    with file.open("r+b") as log:
        for found in patient.pattern.finditer(log.read()):
            log.seek(found.start())
            log.write(b"x" * len(found.group()))


def _without_lines(file: Path, patient: Patient) -> None:
    lines = file.read_bytes().splitlines(keepends=True)
    _replace(file, lambda partial: partial.write_bytes(b"".join(x for x in lines if not patient.pattern.search(x))))


def _replace(file: Path, write: Callable[[Path], object]) -> None:
    partial = file.with_name(f".{file.name}.{uuid4().hex[:8]}.partial")
    try:
        write(partial)
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)
