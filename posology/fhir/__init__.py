"""The virtual health record: four tables as FHIR bundles, and bundles as four tables."""

from posology.fhir.reading import read_records
from posology.fhir.release import FhirRelease
from posology.fhir.report import NotMapped, RecordsReport
from posology.fhir.writing import write_records

__all__ = ["FhirRelease", "NotMapped", "RecordsReport", "read_records", "write_records"]
