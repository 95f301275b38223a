"""What one resource says: a row for a table, or a part of one, or why neither.

A row hangs on its patient, and F on its session, by "@patient" and
"@session": keys as ``Entry.resolve`` gives them.
"""

from collections.abc import Callable

import polars as pl

from posology.fhir import codes
from posology.fhir.observation import measurement
from posology.fhir.release import FhirRelease
from posology.fhir.resource import Reading
from posology.fhir.values import Json, Unmapped, decode, primitive_text, primitive_time, text_list
from posology.tables import schema_of
from posology.therapy import UTC_TIME, Therapy


def fact_of(reading: Reading) -> tuple[str, Json]:
    """The kind of fact that a resource of a type in ``KINDS`` states, and the row."""
    if "contained" in reading.resource:
        reading.partly.append("contained resources are not read")
    return KINDS[reading.resource["resourceType"]](reading)


def schema_of_kind(kind: str, therapy: Therapy) -> dict[str, pl.DataType]:
    """Columns and types of the facts of one kind."""
    text, time = pl.String(), UTC_TIME
    users, sessions = schema_of("users", therapy), schema_of("sessions", therapy)
    feedback = {name: sessions[name] for name in (therapy.feedback.columns if therapy.feedback else ())}
    of_session = ("decision_id", "decided_at", "content_id", *codes.DECISION_COLUMNS, *therapy.context)
    kinds: dict[str, dict[str, pl.DataType]] = {
        "patient": {"user_id": text, "@gender": text, "@birth_date": text},
        "enrolment": {"@patient": text, "enrolled_at": time, "site": text},
        "consent": {"@patient": text, "consent": pl.Boolean()},
        "intake": {"@patient": text, **{name: users[name] for name in therapy.user}},
        "measurement": {"@patient": text, "measured_at": time, "instrument": text, "score": pl.Float64()},
        "session": {"@patient": text, **{name: sessions[name] for name in of_session}},
        "feedback": {"@patient": text, "@session": text, "feedback_at": time, **feedback},
        "content": schema_of("contents", therapy),
        "description": {},
    }
    return {**kinds[kind], "@source": text, "@resource": text}


def _patient(reading: Reading) -> tuple[str, Json]:
    return "patient", {
        "user_id": reading.identifier(codes.USER),
        "@gender": reading.resource.get("gender"),
        "@birth_date": reading.resource.get("birthDate"),
    }


def _enrolment(reading: Reading) -> tuple[str, Json]:
    if reading.therapy.name not in reading.codes_of("type", codes.THERAPY):
        raise Unmapped(f"not of type {codes.THERAPY}|{reading.therapy.name}: an episode of other care")
    reading.require_status("active", "onhold", "finished")
    site = reading.resource.get("managingOrganization", {}).get("identifier")
    return "enrolment", {
        "@patient": reading.patient("patient"),
        "enrolled_at": primitive_time(reading.resource.get("period", {}), "start"),
        "site": None if site is None else primitive_text(site, "value"),
    }


def _consent(reading: Reading) -> tuple[str, Json]:
    if reading.therapy.name not in reading.codes_of("category", codes.THERAPY):
        raise Unmapped(f"not of category {codes.THERAPY}|{reading.therapy.name}: consent to something else")
    reading.require_status("active", "inactive")
    is_r4 = reading.entry.release is FhirRelease.R4
    decision = reading.resource.get("provision", {}).get("type") if is_r4 else reading.resource.get("decision")
    if decision not in {"permit", "deny"}:
        raise Unmapped("it neither permits nor denies")
    permits = decision == "permit" and reading.resource["status"] != "inactive"
    return "consent", {"@patient": reading.patient("patient" if is_r4 else "subject"), "consent": permits}


def _answers(reading: Reading) -> tuple[str, Json]:
    reading.require_status("completed", "amended", "in-progress")
    form = str(reading.resource.get("questionnaire", "")).partition("|")[0]
    if form == reading.names.intake:
        return "intake", {"@patient": reading.patient(), **reading.columns_by_item(reading.therapy.user)}
    if form != reading.names.feedback or reading.therapy.feedback is None:
        raise Unmapped(f"not the answers to {reading.names.intake} or {reading.names.feedback}")
    if len(reading.resource.get("partOf", ())) != 1:
        raise Unmapped("feedback that is not partOf one Procedure")
    return "feedback", {
        "@patient": reading.patient(),
        "@session": reading.entry.resolve(reading.resource["partOf"][0]),
        "feedback_at": primitive_time(reading.resource, "authored"),
        **reading.columns_by_item(reading.therapy.feedback.columns),
    }


def _session(reading: Reading) -> tuple[str, Json]:
    resource = reading.resource
    canonicals = resource.get("instantiatesCanonical", [])
    is_ours = any(identifier.get("system") == codes.DECISION for identifier in resource.get("identifier", ()))
    if len(canonicals) > 1 or not (canonicals or is_ours):
        raise Unmapped("expected instantiatesCanonical with the one content given")
    reading.require_status("completed", "in-progress", "on-hold", "stopped", "unknown")
    row = {
        "@patient": reading.patient(),
        "decision_id": reading.identifier(codes.DECISION),
        "decided_at": primitive_time(resource, reading.entry.release.procedure_time),
        "content_id": _content_id(reading, canonicals[0]) if canonicals else None,
    }
    return "session", {**row, **_decision(reading), **reading.columns_by_extension(reading.therapy.context)}


def _decision(reading: Reading) -> Json:
    prefix = f"{codes.DECISION}:"
    found: Json = {}
    for extension in reading.resource.get("extension", ()):
        name = extension["url"].removeprefix(prefix)
        if not extension["url"].startswith(prefix) or name not in codes.DECISION_COLUMNS:
            continue
        if name == "eligible":
            found[name] = text_list(extension.get("valueString", ""), of_numbers=False)
        else:
            found[name] = decode(extension, codes.DECISION_COLUMNS[name])
    return found


def _content_id(reading: Reading, canonical: str) -> str:
    content_id = reading.names.content_id(canonical)
    if content_id is None:
        raise Unmapped("a content of another therapy")
    return content_id


def _content(reading: Reading) -> tuple[str, Json]:
    canonical = primitive_text(reading.resource, "url")
    period = reading.resource.get("effectivePeriod", {})
    return "content", {
        "content_id": None if canonical is None else _content_id(reading, canonical),
        "active_from": primitive_time(period, "start") if "start" in period else None,
        "active_until": primitive_time(period, "end") if "end" in period else None,
        **reading.columns_by_extension(reading.therapy.content),
    }


def _description(reading: Reading) -> tuple[str, Json]:
    if reading.resource.get("url") not in {reading.names.plan, reading.names.intake, reading.names.feedback}:
        raise Unmapped(f"not about {reading.names.plan}")
    version = reading.resource.get("version", str(reading.therapy.version))
    if version != str(reading.therapy.version):
        reading.partly.append(f"another version of the therapy than {reading.therapy.version}")
    return "description", {}


KINDS: dict[str, Callable[[Reading], tuple[str, Json]]] = {
    "Patient": _patient,
    "EpisodeOfCare": _enrolment,
    "Consent": _consent,
    "QuestionnaireResponse": _answers,
    "Observation": measurement,
    "Procedure": _session,
    "ActivityDefinition": _content,
    "PlanDefinition": _description,
    "Questionnaire": _description,
}
