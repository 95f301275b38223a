"""What one resource says: a row for a table, or a part of one, or why neither.

A row hangs on its patient, and F on its session, by "@patient" and
"@session": keys as ``Entry.resolve`` gives them.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Self

import polars as pl

from posology.fhir import codes
from posology.fhir.bundles import Entry
from posology.fhir.release import FhirRelease
from posology.fhir.values import Json, Unmapped, decode, primitive_text, primitive_time, text_list
from posology.tables import schema_of
from posology.therapy import UTC_TIME, Columns, Therapy

RETRACTED = frozenset({"entered-in-error", "cancelled", "registered", "preliminary", "unknown"})
NOT_DONE = frozenset({"entered-in-error", "not-done", "preparation"})
POINTS = frozenset({"", "1", "score", "scores", "point", "points"})


@dataclass(frozen=True)
class Reading:
    """One valid resource that a table may have a place for, and the parts of it that no table holds."""

    entry: Entry
    therapy: Therapy
    resource: Json
    partly: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, entry: Entry, therapy: Therapy) -> Self:
        """Raise Unmapped unless the resource is valid."""
        if not isinstance(entry.resource, dict) or "resourceType" not in entry.resource:
            raise Unmapped("an entry without a resource that says its type")
        if _has_null(entry.resource):
            raise Unmapped("null, which FHIR does not allow")
        _check(entry.resource, entry.release)
        return cls(entry, therapy, entry.resource)

    @property
    def names(self) -> codes.Names:
        """The names that belong to the therapy."""
        return codes.Names(self.therapy.name)

    def fact(self) -> tuple[str, Json]:
        """The kind of fact, and the row."""
        for element in ("modifierExtension", "implicitRules"):
            if element in self.resource:
                raise Unmapped(f"it has a {element}, which may change its meaning")
        if "contained" in self.resource:
            self.partly.append("contained resources are not read")
        return KINDS[self.resource["resourceType"]](self)

    def patient(self, element: str = "subject") -> str:
        """The key of the patient that it is about."""
        return self.entry.resolve(self.resource.get(element))

    def identifier(self, system: str) -> str | None:
        """The value of its identifier in a system of ours, else its own id."""
        for identifier in self.resource.get("identifier", ()):
            if identifier.get("system") == system:
                return primitive_text(identifier, "value")
        if "id" in self.resource:
            return str(self.resource["id"])
        raise Unmapped("it has neither an identifier of ours nor an id")

    def codes_of(self, element: str, system: str) -> list[str | None]:
        """Codes of a system among the codings of one or many CodeableConcepts."""
        concepts = self.resource.get(element, [])
        codings = [
            coding
            for concept in (concepts if isinstance(concepts, list) else [concepts])
            for coding in concept.get("coding", ())
        ]
        return [primitive_text(coding, "code") for coding in codings if coding.get("system") == system]

    def refuse_status(self, refused: Iterable[str]) -> None:
        """Raise Unmapped where its status says that it does not count."""
        if self.resource["status"] in refused:
            raise Unmapped(f"its status is {self.resource['status']}")

    def columns_by_extension(self, columns: Columns) -> Json:
        """Columns from extensions of ours."""
        url_to_name = {self.names.column(name): name for name in columns}
        found = {}
        for extension in self.resource.get("extension", ()):
            if extension["url"] in url_to_name:
                name = url_to_name[extension["url"]]
                found[name] = self._decoded(extension, name, columns)
            elif extension["url"].startswith(self.names.column("")):
                self.partly.append("an extension for a column that the therapy does not declare")
        return found

    def columns_by_item(self, columns: Columns) -> Json:
        """Columns from the items of a QuestionnaireResponse."""
        found = {}
        for item in self.resource.get("item", ()):
            name, answers = item["linkId"], item.get("answer", [])
            if name not in columns or name in found:
                self.partly.append("an answer for a column that the therapy does not declare, or a second one")
            elif len(answers) > 1:
                self.partly.append(f"{name}: more than one answer")
            elif answers:
                found[name] = self._decoded(answers[0], name, columns)
        return found

    def _decoded(self, element: Json, name: str, columns: Columns) -> Any:
        try:
            return decode(element, columns[name])
        except Unmapped as reason:
            self.partly.append(f"{name}: {reason}")
            return None


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
    resource = reading.resource
    user_id = reading.identifier(codes.USER)
    return "patient", {
        "user_id": user_id,
        "@gender": resource.get("gender"),
        "@birth_date": resource.get("birthDate"),
    }


def _enrolment(reading: Reading) -> tuple[str, Json]:
    if reading.therapy.name not in reading.codes_of("type", codes.THERAPY):
        raise Unmapped(f"not of type {codes.THERAPY}|{reading.therapy.name}: an episode of other care")
    reading.refuse_status(RETRACTED)
    site = reading.resource.get("managingOrganization", {}).get("identifier")
    return "enrolment", {
        "@patient": reading.patient("patient"),
        "enrolled_at": primitive_time(reading.resource.get("period", {}), "start"),
        "site": None if site is None else primitive_text(site, "value"),
    }


def _consent(reading: Reading) -> tuple[str, Json]:
    if reading.therapy.name not in reading.codes_of("category", codes.THERAPY):
        raise Unmapped(f"not of category {codes.THERAPY}|{reading.therapy.name}: consent to something else")
    reading.refuse_status({"draft", "proposed", "rejected", "not-done", "entered-in-error", "unknown"})
    is_r4 = reading.entry.release is FhirRelease.R4
    decision = reading.resource.get("provision", {}).get("type") if is_r4 else reading.resource.get("decision")
    if decision not in {"permit", "deny"}:
        raise Unmapped("it neither permits nor denies")
    permits = decision == "permit" and reading.resource["status"] != "inactive"
    return "consent", {"@patient": reading.patient("patient" if is_r4 else "subject"), "consent": permits}


def _answers(reading: Reading) -> tuple[str, Json]:
    reading.refuse_status({"entered-in-error", "stopped"})
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


def _measurement(reading: Reading) -> tuple[str, Json]:
    instrument = _instrument(reading)
    reading.refuse_status(RETRACTED)
    return "measurement", {
        "@patient": reading.patient(),
        "instrument": instrument,
        "measured_at": primitive_time(reading.resource, _present(reading, "effectiveDateTime", "effectiveInstant")),
        "score": _score(reading),
    }


def _instrument(reading: Reading) -> str | None:
    ours = reading.codes_of("code", codes.INSTRUMENT)
    if ours:
        return ours[0]
    status = reading.therapy.status
    loinc = codes.LOINC_TOTALS.get(status.instrument) if status else None
    if status and loinc and loinc[0] in reading.codes_of("code", codes.LOINC):
        return status.instrument
    expected = f"LOINC {loinc[0]}" if loinc else f"{codes.INSTRUMENT}|{status.instrument}" if status else "none"
    raise Unmapped(f"another code than the instrument's ({expected})")


def _score(reading: Reading) -> float | None:
    resource = reading.resource
    if "valueInteger" in resource:
        return float(resource["valueInteger"])
    if "value" in resource.get("valueQuantity", {}):
        return _points(resource["valueQuantity"])
    for code in reading.codes_of("dataAbsentReason", codes.ABSENT_REASON):
        return {absent: float(text) for text, absent in codes.NOT_FINITE.items()}.get(str(code))
    raise Unmapped("it has no score: expected valueQuantity or valueInteger")


def _points(quantity: Json) -> float:
    if "comparator" in quantity:
        raise Unmapped("its score is a bound, not a number")
    units = {str(quantity.get(name, "")).strip("{}[] ").lower() for name in ("code", "unit")}
    if not units <= POINTS:
        raise Unmapped("another unit than points of the instrument ({score})")
    return float(quantity["value"])


def _session(reading: Reading) -> tuple[str, Json]:
    resource = reading.resource
    canonicals = resource.get("instantiatesCanonical", [])
    is_ours = any(identifier.get("system") == codes.DECISION for identifier in resource.get("identifier", ()))
    if len(canonicals) > 1 or not (canonicals or is_ours):
        raise Unmapped("expected instantiatesCanonical with the one content given")
    reading.refuse_status(NOT_DONE)
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


def _present(reading: Reading, *elements: str) -> str:
    """The first of the elements that is there, else the first."""
    return next((name for name in elements if name in reading.resource), elements[0])


def _has_null(element: Any) -> bool:
    """Whether a property is null somewhere; FHIR allows that in lists alone."""
    if isinstance(element, dict):
        return any(value is None or _has_null(value) for value in element.values())
    return isinstance(element, list) and any(_has_null(item) for item in element)


def _check(resource: Json, release: FhirRelease) -> None:
    try:
        release.check(resource)
    except Unmapped as reason:
        other = FhirRelease.R5 if release is FhirRelease.R4 else FhirRelease.R4
        try:
            other.check(resource)
        except Unmapped:
            raise reason from None
        raise Unmapped(f"{reason}; it is valid {other}: name that release") from None


KINDS: dict[str, Callable[[Reading], tuple[str, Json]]] = {
    "Patient": _patient,
    "EpisodeOfCare": _enrolment,
    "Consent": _consent,
    "QuestionnaireResponse": _answers,
    "Observation": _measurement,
    "Procedure": _session,
    "ActivityDefinition": _content,
    "PlanDefinition": _description,
    "Questionnaire": _description,
}
