"""One valid resource, and how its parts are looked up."""

from dataclasses import dataclass, field
from typing import Any, Self

from posology.fhir import codes
from posology.fhir.bundles import Entry
from posology.fhir.release import FhirRelease
from posology.fhir.values import Json, Unmapped, decode, primitive_text
from posology.therapy import Columns, Therapy


@dataclass(frozen=True)
class Reading:
    """One valid resource that a table may have a place for, and the parts of it that no table holds."""

    entry: Entry
    therapy: Therapy
    resource: Json
    partly: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, entry: Entry, therapy: Therapy) -> Self:
        """Raise Unmapped unless the resource is valid and means what it says."""
        if not isinstance(entry.resource, dict) or "resourceType" not in entry.resource:
            raise Unmapped("an entry without a resource that says its type")
        if _has_null(entry.resource):
            raise Unmapped("null, which FHIR does not allow")
        _check(entry.resource, entry.release)
        for element in ("modifierExtension", "implicitRules"):
            if element in entry.resource:
                raise Unmapped(f"it has {element}, which may change its meaning")
        return cls(entry, therapy, entry.resource)

    @property
    def names(self) -> codes.Names:
        """The names that belong to the therapy."""
        return codes.Names(self.therapy.name)

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

    def require_status(self, *accepted: str) -> None:
        """Raise Unmapped unless its status says that it counts."""
        if self.resource.get("status") not in accepted:
            raise Unmapped(f"its status is not {', '.join(accepted[:-1])} or {accepted[-1]}")

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
