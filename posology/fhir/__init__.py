"""The virtual health record: four tables as FHIR bundles, and bundles as four tables."""

from posology.fhir.release import FhirRelease
from posology.fhir.writing import write_records

__all__ = ["FhirRelease", "write_records"]
