"""A folder of FHIR bundles as the four tables."""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path

from posology.fhir.assembling import Assembly
from posology.fhir.bundles import files_of
from posology.fhir.facts import Facts
from posology.fhir.release import FhirRelease
from posology.fhir.report import RecordsReport
from posology.fhir.side_by_side import side_by_side
from posology.tables import Tables
from posology.therapy import Therapy

FILES_AT_ONCE = 50


def read_records(
    folder: Path,
    therapy: Therapy,
    *,
    untagged: FhirRelease = FhirRelease.R4,
    processes: int = 1,
    tell: Callable[[int, int], object] = lambda *_: None,
) -> tuple[Tables, RecordsReport]:
    """The four tables that a folder of bundles holds, and what became of every resource.

    Reads every ``.json`` (a Bundle or a resource) and ``.ndjson`` (one a
    line) below the folder; one document at a time is in memory beside the
    tables. What ``write_records`` wrote comes back equal. A file or resource
    that cannot be mapped is reported, the others are read.

    Args:
        untagged: the release of Bundles that do not say theirs.
        processes: how many read and check files side by side.
        tell: called with the number of files read and of all files.

    Raises:
        NotFound: no such files.
    """
    files = files_of(folder)
    facts = Facts(therapy, untagged)
    parts = [files[start : start + FILES_AT_ONCE] for start in range(0, len(files), FILES_AT_ONCE)]
    read = functools.partial(_read_files, folder=folder, therapy=therapy, untagged=untagged)
    for number, part in enumerate(side_by_side(read, parts, processes), start=1):
        facts.add(part)
        tell(min(number * FILES_AT_ONCE, len(files)), len(files))
    assembly = Assembly(facts)
    tables = assembly.tables(therapy)
    return tables, assembly.report()


def _read_files(paths: Sequence[Path], *, folder: Path, therapy: Therapy, untagged: FhirRelease) -> Facts:
    facts = Facts(therapy, untagged)
    for path in paths:
        facts.read(path, folder)
    return facts.settled()
