"""The files a home keeps beside its snapshots: a patient's rows taken out, their ids blotted, the rest searched."""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import polars as pl

from flows.erasure.patient import Patient, is_table
from flows.home import Home
from serving.keeping.settling import UNPLACED

BLOT = b"erased"
TEXTS = (".html", ".json", ".js", ".csv", ".txt", ".log")


def clean_files(home: Home, patient: Patient) -> list[Path]:
    """Take a patient out of quarantine, evidence, Data Docs, the journal and logs; gives the files that changed.

    One that cannot be written stays as it is, for the search afterwards to name it.
    """
    changed = []
    for file, clean in _ways(home):
        if patient.is_in(file):
            with suppress(OSError):
                clean(file, patient)
                changed.append(file)
    return changed


def _ways(home: Home) -> Iterator[tuple[Path, Callable[[Path, Patient], None]]]:
    """Each file that may name patients, and how it is cleaned."""
    for folder in (home.runs, home.docs, home.root / "quarantine"):
        for file in _files(folder):
            if is_table(file):
                yield file, _without_rows
            elif file.suffix in TEXTS:
                yield file, _blotted
    for file in home.journal.rglob(UNPLACED):
        yield file, _without_lines
    for file in home.root.glob("*.log"):  # a service may be writing: what is there is written over
        yield file, _written_over


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
    content = file.read_bytes()
    ends = [0, *(end for span in patient.named_in(content) for end in span), len(content)]
    others = [content[start:end] for start, end in zip(ends[::2], ends[1::2], strict=True)]
    _replace(file, lambda partial: partial.write_bytes(BLOT.join(others)))


def _written_over(file: Path, patient: Patient) -> None:
    with file.open("r+b") as log:
        for start, end in list(patient.named_in(log.read())):
            log.seek(start)
            log.write(b"x" * (end - start))


def _without_lines(file: Path, patient: Patient) -> None:
    lines = file.read_bytes().splitlines(keepends=True)
    others = [line for line in lines if not any(patient.named_in(line))]
    _replace(file, lambda partial: partial.write_bytes(b"".join(others)))


def _replace(file: Path, write: Callable[[Path], object]) -> None:
    partial = file.with_name(f".{file.name}.{uuid4().hex[:8]}.partial")
    try:
        write(partial)
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)
