"""A folder of FHIR bundles as the four tables."""

from collections.abc import Callable
from pathlib import Path

from posology.fhir.assembling import Assembly
from posology.fhir.bundles import files_of
from posology.fhir.facts import Facts
from posology.fhir.release import FhirRelease
from posology.fhir.report import RecordsReport
from posology.tables import Tables
from posology.therapy import Therapy


def read_records(
    folder: Path,
    therapy: Therapy,
    *,
    untagged: FhirRelease = FhirRelease.R4,
    tell: Callable[[int, int], object] = lambda *_: None,
) -> tuple[Tables, RecordsReport]:
    """The four tables that a folder of bundles holds, and what became of every resource.

    Reads every ``.json`` (a Bundle or a resource) and ``.ndjson`` (one a
    line) below the folder; one document at a time is in memory beside the
    tables. What ``write_records`` wrote comes back equal. A file or resource
    that cannot be mapped is reported, the others are read.

    Args:
        untagged: the release of Bundles that do not say theirs.
        tell: called with the number of files read and of all files.

    Raises:
        NotFound: no such files.
    """
    files = files_of(folder)
    facts = Facts(therapy, untagged)
    for done, path in enumerate(files, start=1):
        facts.read(path, folder)
        tell(done, len(files))
    assembly = Assembly(facts)
    tables = assembly.tables(therapy)
    return tables, assembly.report()
