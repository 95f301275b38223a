"""What an Observation says: a reading of an instrument."""

from posology.fhir import codes
from posology.fhir.resource import Reading
from posology.fhir.values import Json, Unmapped, as_float, primitive_time

POINTS = frozenset({"", "1", "score", "scores", "point", "points"})


def measurement(reading: Reading) -> tuple[str, Json]:
    """A reading of the therapy's instrument, by its LOINC code, or of any by our own code; a score in points."""
    instrument = _instrument(reading)
    reading.require_status("final", "amended", "corrected")
    when = "effectiveInstant" if "effectiveInstant" in reading.resource else "effectiveDateTime"
    return "measurement", {
        "@patient": reading.patient(),
        "instrument": instrument,
        "measured_at": primitive_time(reading.resource, when),
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
        return as_float(resource["valueInteger"])
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
    return as_float(quantity["value"])
