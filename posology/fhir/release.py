"""FHIR R4 and R5: what the library checks, and where the two differ."""

from enum import StrEnum
from functools import cache
from typing import Any

from posology.fhir.values import Unmapped


class FhirRelease(StrEnum):
    """A release of FHIR. R4 is checked as R4B (4.3), which is R4 for all that is written here."""

    R4 = "R4"
    R5 = "R5"

    @property
    def procedure_time(self) -> str:
        """The element of a Procedure that says when."""
        return "performedDateTime" if self is FhirRelease.R4 else "occurrenceDateTime"

    @property
    def coded_item(self) -> str:
        """The type of a Questionnaire's item whose answer is a code."""
        return "choice" if self is FhirRelease.R4 else "coding"

    def check(self, resource: dict[str, Any]) -> None:
        """Raise Unmapped where the resource is not valid; it names places and rules, never values."""
        from pydantic import ValidationError

        model = _model(self, str(resource.get("resourceType")))
        if model is None:
            raise Unmapped(f"no resource type of FHIR {self}")
        try:
            model.model_validate(resource)
        except ValidationError as error:
            raise Unmapped(f"not valid FHIR {self}: {_first(error)}") from error
        except (ValueError, TypeError, RecursionError) as error:
            raise Unmapped(f"not valid FHIR {self}") from error


@cache
def _model(release: FhirRelease, resource_type: str) -> Any:
    if release is FhirRelease.R4:
        from fhir.resources.R4B import get_fhir_model_class
    else:
        from fhir.resources import get_fhir_model_class
    try:
        model = get_fhir_model_class(resource_type)
    except (ValueError, TypeError):
        return None
    return model if model.has_resource_base() else None


def _first(error: Any) -> str:
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['type']}"
