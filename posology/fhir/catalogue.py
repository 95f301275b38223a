"""The contents, the forms and the plan of a therapy as FHIR resources."""

from collections.abc import Iterator, Sequence
from typing import Any

from posology.fhir import codes
from posology.fhir.patient_record import Row, extensions, resource_id, with_keys
from posology.fhir.release import FhirRelease
from posology.fhir.values import Json, is_code, primitive
from posology.therapy import Column, Columns, Therapy


def catalogue_resources(therapy: Therapy, release: FhirRelease, contents: Sequence[Row]) -> Iterator[Json]:
    """PlanDefinition, a Questionnaire for U and one for F, an ActivityDefinition for each content."""
    yield _plan(therapy, contents)
    if therapy.user:
        yield _form(therapy, release, "intake", therapy.user)
    if therapy.feedback:
        yield _form(therapy, release, "feedback", therapy.feedback.columns)
    for row, key in with_keys(contents, "content_id"):
        yield _content(therapy, row, resource_id("ActivityDefinition", therapy.name, *key))


def _plan(therapy: Therapy, contents: Sequence[Row]) -> Json:
    names = codes.Names(therapy.name)
    known = dict.fromkeys(names.content(row["content_id"]) for row in contents if row["content_id"] is not None)
    plan = {
        "resourceType": "PlanDefinition",
        "id": resource_id("PlanDefinition", therapy.name),
        "url": names.plan,
        "version": str(therapy.version),
        "name": therapy.name.capitalize(),
        **primitive("title", therapy.title),
        "status": "active",
        "action": [{"definitionCanonical": canonical} for canonical in known],
    }
    return {name: element for name, element in plan.items() if element}


def _form(therapy: Therapy, release: FhirRelease, form: str, columns: Columns) -> Json:
    names = codes.Names(therapy.name)
    return {
        "resourceType": "Questionnaire",
        "id": resource_id("Questionnaire", therapy.name, form),
        "url": f"{names.plan}:{form}",
        "name": f"{therapy.name}_{form}".capitalize(),
        "status": "active",
        "item": [_item(name, column, names.column(name), release) for name, column in columns.items()],
    }


def _item(name: str, column: Column, system: str, release: FhirRelease) -> Json:
    kinds = {"number": "decimal", "boolean": "boolean", "category": release.coded_item}
    item: dict[str, Any] = {"linkId": name, "text": name, "type": kinds.get(column.kind, "text")}
    if column.values is not None:
        item["answerOption"] = [
            {"valueCoding": {"system": system, **primitive("code", value, fits=is_code)}} for value in column.values
        ]
    return item


def _content(therapy: Therapy, row: Row, id_of_content: str) -> Json:
    names = codes.Names(therapy.name)
    content_id = row["content_id"]
    content = {
        "resourceType": "ActivityDefinition",
        "id": id_of_content,
        **primitive("url", None if content_id is None else names.content(content_id)),
        "extension": list(extensions(names, therapy.content, row)),
        "status": "active",
        "effectivePeriod": {
            side: row[name] for side, name in (("start", "active_from"), ("end", "active_until")) if row[name]
        },
    }
    return {name: element for name, element in content.items() if element}
