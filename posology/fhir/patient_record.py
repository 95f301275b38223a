"""One patient's rows as FHIR resources.

| rows | resources |
| --- | --- |
| a user | Patient, EpisodeOfCare (enrolled, site), Consent, QuestionnaireResponse (U) |
| a measurement | Observation |
| a session | Procedure (the decision and what was known), QuestionnaireResponse (F) |
"""

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

from posology.fhir import codes
from posology.fhir.release import FhirRelease
from posology.fhir.values import Json, encode, is_code, list_text, primitive
from posology.therapy import Columns, Therapy

Row = Mapping[str, Any]  # one row of a table; times as FHIR texts
NAMESPACE = UUID("6d0b1a5e-0f6c-5a41-9a6e-6f2d0c6f7a11")


def resource_id(kind: str, *key: object) -> str:
    """A UUID that the same key always gets, for ids that FHIR would not take as they are."""
    return str(uuid5(NAMESPACE, json.dumps([kind, *key])))


def with_keys(rows: Sequence[Row], *names: str) -> Iterator[tuple[Row, tuple[str | int | None, ...]]]:
    """Each row with its key, ended by how often the key came before: rows that stand twice get ids of their own."""
    times: Counter[tuple[str | None, ...]] = Counter()
    for row in rows:
        key = tuple(row[name] for name in names)
        yield row, (*key, times[key])
        times[key] += 1


@dataclass(frozen=True)
class PatientRecord:
    """What becomes of one patient's rows; ids follow the keys of the tables, so they stay when rows are added."""

    therapy: Therapy
    release: FhirRelease
    user: Row
    measurements: Sequence[Row]
    sessions: Sequence[Row]

    @property
    def patient_id(self) -> str:
        """The Patient's id, and the name of the patient's file."""
        return resource_id("Patient", self.user["user_id"])

    def resources(self) -> Iterator[Json]:
        """Patient first, then what refers to it, in the order of the tables."""
        yield self._patient()
        yield self._enrolment()
        if self.user["consent"] is not None:
            yield self._consent()
        if self.therapy.user:
            yield self._answers("intake", self.therapy.user, self.user, "enrolled_at")
        for row, key in with_keys(self.measurements, "measured_at", "instrument"):
            yield self._measurement(row, self._id("Observation", *key))
        for row, key in with_keys(self.sessions, "decision_id"):
            session_id = self._id("Procedure", *key)
            yield self._session(row, session_id)
            if any(row[name] is not None for name in ("feedback_at", *self._feedback_columns)):
                answers = self._answers("feedback", self._feedback_columns, row, "feedback_at", session_id)
                yield {**answers, "partOf": [{"reference": f"urn:uuid:{session_id}"}]}

    @property
    def _feedback_columns(self) -> Columns:
        return self.therapy.feedback.columns if self.therapy.feedback else {}

    @property
    def _names(self) -> codes.Names:
        return codes.Names(self.therapy.name)

    @property
    def _subject(self) -> Json:
        return {"reference": f"urn:uuid:{self.patient_id}"}

    @property
    def _of_therapy(self) -> Json:
        return {"coding": [{"system": codes.THERAPY, "code": self.therapy.name}]}

    def _id(self, kind: str, *key: str | int | None) -> str:
        return resource_id(kind, self.user["user_id"], *key)

    def _patient(self) -> Json:
        patient = {
            "resourceType": "Patient",
            "id": self.patient_id,
            "identifier": [{"system": codes.USER, **primitive("value", self.user["user_id"])}],
        }
        gender = self.user.get("sex", self.user.get("gender"))
        return {**patient, "gender": gender} if gender in codes.GENDERS else patient

    def _enrolment(self) -> Json:
        episode = {
            "resourceType": "EpisodeOfCare",
            "id": self._id("EpisodeOfCare"),
            "status": "active",
            "type": [self._of_therapy],
            "patient": self._subject,
            "period": primitive("start", self.user["enrolled_at"]),
        }
        if self.user["site"] is None:
            return episode
        site = {"identifier": {"system": codes.SITE, **primitive("value", self.user["site"])}}
        return {**episode, "managingOrganization": site}

    def _consent(self) -> Json:
        permits = self.user["consent"]
        consent = {
            "resourceType": "Consent",
            "id": self._id("Consent"),
            "status": "active",
            "category": [{"coding": [{"system": codes.LOINC, "code": "59284-0"}]}, self._of_therapy],
        }
        if self.release is FhirRelease.R5:
            return {**consent, "subject": self._subject, "decision": "permit" if permits else "deny"}
        scope = {"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "treatment"}
        rule = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "OPTIN" if permits else "OPTOUT"}
        return {
            **consent,
            "scope": {"coding": [scope]},
            "patient": self._subject,
            "policyRule": {"coding": [rule]},
            "provision": {"type": "permit" if permits else "deny"},
        }

    def _measurement(self, row: Row, measurement_id: str) -> Json:
        observation = {
            "resourceType": "Observation",
            "id": measurement_id,
            "status": "final",
            "category": [{"coding": [{"system": codes.OBSERVATION_CATEGORY, "code": "survey"}]}],
            "code": {"coding": _instrument(row["instrument"])},
            "subject": self._subject,
            **primitive("effectiveDateTime", row["measured_at"]),
        }
        return {**observation, **_score(row["score"])}

    def _session(self, row: Row, session_id: str) -> Json:
        procedure = {
            "resourceType": "Procedure",
            "id": session_id,
            "extension": list(self._decision(row)),
            "identifier": [{"system": codes.DECISION, **primitive("value", row["decision_id"])}],
            "status": "unknown" if row["feedback_at"] is None else "completed",
            "subject": self._subject,
            **primitive(self.release.procedure_time, row["decided_at"]),
        }
        if row["content_id"] is not None:
            procedure["instantiatesCanonical"] = [self._names.content(row["content_id"])]
        return {name: element for name, element in procedure.items() if element}

    def _decision(self, row: Row) -> Iterator[Json]:
        for name, column in codes.DECISION_COLUMNS.items():
            if row[name] is not None:
                value = {"valueString": list_text(row[name])} if name == "eligible" else encode(row[name], column, "")
                yield {"url": f"{codes.DECISION}:{name}", **value}
        yield from extensions(self._names, self.therapy.context, row)

    def _answers(self, form: str, columns: Columns, row: Row, when: str, *key: str) -> Json:
        answers = {
            "resourceType": "QuestionnaireResponse",
            "id": self._id(form, *key),
            "questionnaire": f"{self._names.plan}:{form}",
            "status": "completed",
            "subject": self._subject,
            **primitive("authored", row[when]),
            "item": [
                {"linkId": name, "answer": [encode(row[name], column, self._names.column(name))]}
                for name, column in columns.items()
                if row[name] is not None
            ],
        }
        return {name: element for name, element in answers.items() if element}


def extensions(names: codes.Names, columns: Columns, row: Row) -> Iterator[Json]:
    """One extension for each of the columns that has a value."""
    for name, column in columns.items():
        if row[name] is not None:
            yield {"url": names.column(name), **encode(row[name], column, names.column(name))}


def _instrument(instrument: str | None) -> list[Json]:
    ours = {"system": codes.INSTRUMENT, **primitive("code", instrument, fits=is_code)}
    if instrument not in codes.LOINC_TOTALS:
        return [ours]
    code, display = codes.LOINC_TOTALS[instrument]
    return [{"system": codes.LOINC, "code": code, "display": display}, ours]


def _score(score: float | None) -> Json:
    if score is not None and math.isfinite(score):
        return {"valueQuantity": {"value": score, "unit": "score", "system": codes.UCUM, "code": "{score}"}}
    reason = "unknown" if score is None else codes.NOT_FINITE[str(score)]
    return {"dataAbsentReason": {"coding": [{"system": codes.ABSENT_REASON, "code": reason}]}}
