"""Names of things in FHIR: code systems, LOINC codes, our own URNs.

LOINC has a total score for MMSE (72106-8) and PHQ-9 (44261-6). For the
Tinnitus Handicap Inventory it has the panel of questions (62998-0, PhenX
protocol 201001) but no total score, so a THI total, as that of any other
instrument, is coded in ``INSTRUMENT`` alone. Our own names are URNs: they
name, they promise no page.
"""

from dataclasses import dataclass
from urllib.parse import quote, unquote

from posology.therapy import Column

LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
LOINC_TOTALS = {
    "MMSE": ("72106-8", "Total score [MMSE]"),
    "PHQ-9": ("44261-6", "Patient Health Questionnaire 9 item (PHQ-9) total score [Reported]"),
}
ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
ABSENT_REASON = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
THERAPY = "urn:posology:therapy"  # marks the EpisodeOfCare and the Consent that are about a therapy
USER = "urn:posology:user"
SITE = "urn:posology:site"
DECISION = "urn:posology:decision"
INSTRUMENT = "urn:posology:instrument"
VALUE = "urn:posology:value"  # extension of a primitive that FHIR cannot hold: an attachment with its JSON
RELEASE = "urn:posology:fhir-release"  # tag of a Bundle: R4 or R5
GENDERS = frozenset({"male", "female", "other", "unknown"})
NOT_FINITE = {"nan": "not-a-number", "inf": "positive-infinity", "-inf": "negative-infinity"}
OBSERVATION_CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
DECISION_COLUMNS = {  # of a session, beside the context: what FHIR has no place for
    "eligible": Column(kind="embedding"),
    "probability": Column(kind="number"),
    "release": Column(kind="text"),
}


@dataclass(frozen=True)
class Names:
    """The names that belong to one therapy."""

    therapy: str

    @property
    def plan(self) -> str:
        """Canonical of the therapy's PlanDefinition; every other name of the therapy begins with it."""
        return f"{THERAPY}:{self.therapy}"

    @property
    def intake(self) -> str:
        """Canonical of the Questionnaire of U."""
        return f"{self.plan}:intake"

    @property
    def feedback(self) -> str:
        """Canonical of the Questionnaire of F."""
        return f"{self.plan}:feedback"

    def column(self, name: str) -> str:
        """Extension, and code system, of a column."""
        return f"{self.plan}:column:{name}"

    def content(self, content_id: str) -> str:
        """Canonical of a content; any id can be read back from it."""
        return f"{self.plan}:content:{quote(content_id, safe='')}"

    def content_id(self, canonical: str) -> str | None:
        """The id a canonical stands for: ours is decoded, a foreign one is its own id, another therapy's is None."""
        canonical = canonical.partition("|")[0]  # without the version
        if not canonical.startswith(f"{THERAPY}:"):
            return canonical
        prefix = self.content("")
        return unquote(canonical.removeprefix(prefix)) if canonical.startswith(prefix) else None
