"""Health records of others: what fits is read, everything else is reported, and nothing is lost on the way."""

import copy
import json
import random
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from posology.errors import NotFound
from posology.fhir import FhirRelease, RecordsReport, read_records, write_records
from posology.fhir import bundles as bundles_room
from posology.tables import Tables
from posology.therapy import Therapy
from posology.therapy_file import load_therapy

MCI = load_therapy("mci")
SCORE = {"value": 24, "unit": "{score}", "system": "http://unitsofmeasure.org", "code": "{score}"}
Json = dict[str, Any]


def bundle(*resources: Any, **more: Any) -> Json:
    entries = [{"fullUrl": f"urn:uuid:{resource['id']}", "resource": resource} for resource in resources]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries, **more}


def patient(**more: Any) -> Json:
    return {"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1950-06-15", **more}


def enrolment(**more: Any) -> Json:
    return {
        "resourceType": "EpisodeOfCare",
        "id": "e1",
        "status": "active",
        "type": [{"coding": [{"system": "urn:posology:therapy", "code": "mci"}]}],
        "patient": {"reference": "urn:uuid:p1"},
        "period": {"start": "2026-06-14T10:00:00+02:00"},
        **more,
    }


def score(**more: Any) -> Json:
    observation = {
        "resourceType": "Observation",
        "id": "o1",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "72106-8", "display": "Total score [MMSE]"}]},
        "subject": {"reference": "urn:uuid:p1"},
        "effectiveDateTime": "2026-06-15T08:30:00.5Z",
        "valueQuantity": SCORE,
        **more,
    }
    return {name: element for name, element in observation.items() if element is not None}


def session(**more: Any) -> Json:
    return {
        "resourceType": "Procedure",
        "id": "s1",
        "status": "completed",
        "subject": {"reference": "Patient/p1"},
        "performedDateTime": "2026-06-16T08:30:00Z",
        "instantiatesCanonical": ["urn:posology:therapy:mci:content:rest"],
        **more,
    }


def feedback(**more: Any) -> Json:
    return {
        "resourceType": "QuestionnaireResponse",
        "id": "f1",
        "questionnaire": "urn:posology:therapy:mci:feedback|1",
        "status": "completed",
        "subject": {"reference": "http://server/fhir/Patient/p1/_history/2"},
        "partOf": [{"reference": "Procedure/s1"}],
        "authored": "2026-06-16T09:00:00Z",
        "item": [{"linkId": "score", "answer": [{"valueInteger": 80}]}],
        **more,
    }


Read = Callable[..., tuple[Tables, RecordsReport]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Reads contents as files of one folder."""

    def reader(*contents: Any, therapy: Therapy = MCI, untagged: FhirRelease = FhirRelease.R4) -> Any:
        for number, content in enumerate(contents):
            text = content if isinstance(content, str) else json.dumps(content)
            (tmp_path / f"{number:03}.json").write_text(text, "utf-8")
        return read_records(tmp_path, therapy, untagged=untagged)

    return reader


def reasons(report: RecordsReport) -> list[str]:
    return [entry.reason for entry in report.not_mapped]


def test_a_record_of_another_system_becomes_rows(read: Read) -> None:
    tables, report = read(bundle(patient(), enrolment(), score(), session(), feedback()))
    assert report.complete
    (user,) = tables.users.to_dicts()
    assert user["user_id"] == "p1"
    assert user["enrolled_at"] == datetime(2026, 6, 14, 8, tzinfo=UTC)
    assert (user["sex"], user["age"]) == ("female", 75.0), "a day before the birthday"
    (measurement,) = tables.measurements.to_dicts()
    assert measurement == {
        "user_id": "p1",
        "measured_at": datetime(2026, 6, 15, 8, 30, 0, 500000, tzinfo=UTC),
        "instrument": "MMSE",
        "score": 24.0,
    }
    (given,) = tables.sessions.to_dicts()
    assert (given["decision_id"], given["content_id"], given["score"]) == ("s1", "rest", 80.0)
    assert given["probability"] is None
    assert given["eligible"] is None
    assert tables.contents.height == len(MCI.catalogue or ()), "no bundle lists contents: they are the therapy's own"


def test_a_patient_without_enrolment_is_a_row_that_says_so(read: Read) -> None:
    tables, report = read(bundle(patient()))
    assert tables.users["enrolled_at"].to_list() == [None]
    assert [entry.resource for entry in report.partly] == ["Patient/p1"]
    assert (report.mapped, report.complete) == (1, False)


def test_types_without_a_place_are_counted(read: Read) -> None:
    others = [{"resourceType": name, "id": f"x{n}"} for n, name in enumerate(["Encounter", "Claim", "Encounter"])]
    _, report = read(bundle(patient(), *others))
    assert report.no_place == {"Claim": 1, "Encounter": 2}
    assert (report.resources, report.mapped) == (4, 1)
    assert not report.complete


@pytest.mark.parametrize(
    ("resource", "reason"),
    [
        (score(code={"coding": [{"system": "http://loinc.org", "code": "8302-2"}]}), "LOINC 72106-8"),
        (score(code={"text": "MMSE"}), "another code than the instrument's"),
        (score(valueQuantity={"value": 24, "unit": "cm", "code": "cm"}), "another unit than points"),
        (score(valueQuantity={**SCORE, "comparator": "<"}), "a bound, not a number"),
        (score(valueQuantity={**SCORE, "value": 10**400}), "a number beyond any|not valid FHIR R4"),
        (score(valueQuantity=None, valueString="normal"), "no score"),
        (score(valueQuantity=None), "no score"),
        (score(effectiveDateTime="2026-06-15"), "a date without a time of day"),
        (score(effectiveDateTime=None), "effectiveDateTime is missing"),
        (score(effectiveDateTime="2016-12-31T23:59:60Z"), "not a time in the years"),
        (score(status="entered-in-error"), "its status is not final, amended or corrected"),
        (score(subject={"reference": "urn:uuid:p2"}), "a patient that did not come"),
        (score(subject={"display": "Ms Jones"}), "by no reference"),
        (score(subject=None), "by no reference"),
        (score(modifierExtension=[{"url": "urn:x:not", "valueBoolean": True}]), "may change its meaning"),
        (score(shoe="size"), "not valid FHIR R4: shoe: extra_forbidden"),
        (score(issued={}), "not valid FHIR R4"),
        (score(subject={"reference": "urn:uuid:p1", "display": {"a": None}}), "null, which FHIR does not allow"),
        (session(instantiatesCanonical=[]), "not valid FHIR R4|expected instantiatesCanonical"),
        (session(instantiatesCanonical=["urn:posology:therapy:tinnitus:content:rest"]), "another therapy"),
        (session(status="not-done"), "its status is not completed"),
        (session(subject={"reference": "Patient/p2"}), "a patient that did not come"),
        (feedback(), "a session that did not come"),
        (feedback(questionnaire="http://loinc.org/vs/1"), "not the answers to"),
        (feedback(partOf=[]), "not valid FHIR R4|not partOf one Procedure"),
        (enrolment(type=[]), "an episode of other care"),
        (enrolment(patient={"reference": "Patient/p9"}), "a patient that did not come"),
        ({"resourceType": "Questionnaire", "id": "q", "status": "active", "url": "urn:x:y"}, "not about"),
    ],
)
def test_what_cannot_be_mapped_is_named_with_its_reason(read: Read, resource: Json, reason: str) -> None:
    _, report = read(bundle(patient(), resource))
    (entry,) = report.not_mapped
    assert any(part in entry.reason for part in reason.split("|")), entry.reason
    assert (entry.source, entry.resource) == ("000.json", f"{resource['resourceType']}/{resource['id']}")
    assert (report.resources, report.mapped) == (2, 1)


@pytest.mark.parametrize("again", [score(), session(), enrolment(), patient()], ids=lambda it: it["resourceType"])
def test_the_same_resource_again_is_reported_once_it_is_read(read: Read, again: Json) -> None:
    _, report = read(bundle(patient(), enrolment(), score(), session()), bundle(again))
    if again["resourceType"] in {"Patient", "Procedure"}:  # the others point at a patient by the first bundle's URN
        assert reasons(report) == ["the same resource again"]
    assert len(report.not_mapped) == 1


def test_a_report_repeats_no_value_of_a_patient(read: Read) -> None:
    secret = "Ms Jones"
    item = [{"linkId": "score", "answer": [{"valueString": secret}]}]
    told = [
        score(valueQuantity=None, valueString=secret),
        score(id="o2", status=secret),
        score(id="o3", effectiveDateTime=secret),
        score(id="o4", valueQuantity={"value": 1, "unit": secret}),
        score(id="o5", subject={"reference": "urn:uuid:p1", "display": [secret]}),
        session(),
        feedback(item=item),
        enrolment(status=secret),
    ]
    _, report = read(bundle(patient(), *told))
    assert len(report.not_mapped) == 6
    assert secret not in json.dumps(report.as_json())


def test_a_second_answer_about_the_same_thing_is_reported(read: Read) -> None:
    second = [enrolment(id="e2"), feedback(id="f2")]
    _, report = read(bundle(patient(), enrolment(), session(), feedback(), *second))
    assert reasons(report) == ["a second enrolment of its patient", "a second feedback of its session"]


def test_feedback_of_somebody_else_is_reported(read: Read) -> None:
    other = feedback(subject={"reference": "Patient/p2"})
    _, report = read(bundle(patient(), {"resourceType": "Patient", "id": "p2"}, session(), other))
    assert reasons(report) == ["its session is another patient's"]


def test_an_answer_that_does_not_fit_leaves_its_column_empty_and_is_reported(read: Read) -> None:
    items = [
        {"linkId": "score", "answer": [{"valueString": "high"}]},
        {"linkId": "shoe", "answer": [{"valueString": "44"}]},
        {"linkId": "rating", "answer": [{"valueDecimal": 4}]},
    ]
    tables, report = read(bundle(patient(), session(), feedback(item=items)))
    assert tables.sessions["score"].to_list() == [None]
    assert tables.sessions["rating"].to_list() == [4.0]
    assert [entry.reason for entry in report.partly[:2]] == [
        "score: its answer is not of kind number",
        "an answer for a column that the therapy does not declare, or a second one",
    ]
    assert not report.complete


def test_one_file_that_cannot_be_read_does_not_keep_the_others_out(read: Read) -> None:
    good = bundle(patient(), score())
    tables, report = read(
        json.dumps(good)[:-40],
        '{"a": NaN}',
        "[1, 2]",
        '{"resourceType": "Bundle", "type": "collection", "entry": 3}',
        '{"resourceType": "Bundle", "type": "history", "entry": []}',
        "[" * 100_000,
        "\ufeff{}",
        "",
        good,
    )
    assert tables.measurements.height == 1
    assert (report.resources, report.mapped, len(report.not_mapped)) == (10, 2, 8)
    assert "not JSON, or cut off (line 1, column" in report.not_mapped[0].reason
    assert {entry.resource for entry in report.not_mapped} == {""}


def test_a_folder_without_records_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(NotFound, match=r"expected files \.json"):
        read_records(tmp_path, MCI)


def test_records_of_another_release_say_so(read: Read) -> None:
    r5 = session(occurrenceDateTime="2026-06-16T08:30:00Z")
    del r5["performedDateTime"]
    _, report = read(bundle(patient(), r5))
    assert reasons(report)[0].endswith("it is valid R5: name that release")
    _, report = read(bundle(patient(), r5), untagged=FhirRelease.R5)
    assert report.resources == report.mapped == 2
    tag = {"tag": [{"system": "urn:posology:fhir-release", "code": "DSTU2"}]}
    _, report = read(bundle(patient(), r5, meta=tag))
    assert set(reasons(report)) == {"a Bundle of a FHIR release that is neither R4 nor R5"}


def test_a_bulk_export_is_read_line_by_line(tmp_path: Path) -> None:
    lines = {
        "Patient": [patient()],
        "Observation": [score(id=f"o{n}", subject={"reference": "Patient/p1"}) for n in "12"],
    }
    for name, resources in lines.items():
        text = "\n".join(json.dumps(resource) for resource in resources)
        (tmp_path / f"{name}.ndjson").write_text(text + "\n\n{cut off\n")
    tables, report = read_records(tmp_path, MCI)
    assert tables.measurements.height == 2
    assert [entry.source for entry in report.not_mapped] == ["Observation.ndjson:4", "Patient.ndjson:3"]


def test_a_document_too_large_for_memory_is_reported(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundles_room, "LARGEST_DOCUMENT", 100)
    _, report = read(bundle(patient()), '{"resourceType": "Patient", "id": "p2"}')
    assert reasons(report) == ["larger than 512 MiB: split the Bundle, or write it as NDJSON"]
    assert report.mapped == 1


def test_many_duplicates_are_counted_one_by_one(tmp_path: Path) -> None:
    line = json.dumps({"resourceType": "Patient", "id": "p1"})
    (tmp_path / "Patient.ndjson").write_text("\n".join([line] * 3000))
    tables, report = read_records(tmp_path, MCI)
    assert tables.users.height == 1
    assert len(report.not_mapped) == 2999
    assert report.not_mapped[-1].source == "Patient.ndjson:3000"


def test_damaged_records_are_reported_and_never_a_crash(tmp_path: Path) -> None:
    rng = random.Random(5)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    tables = Tables.from_rows(
        MCI,
        users=[{"user_id": "u1", "enrolled_at": start, "consent": True, "age": 70.0, "sex": "male", "site": "a"}],
        measurements=[{"user_id": "u1", "measured_at": start, "instrument": "MMSE", "score": None}],
        contents=[{"content_id": "rest", "level": float("nan")}],
        sessions=[
            {"decision_id": "\x00", "user_id": "u1", "decided_at": None, "content_id": "rest", "eligible": ["rest"]}
            | {"feedback_at": start, "score": float("inf"), "comment": ""}
        ],
    )
    write_records(tables, MCI, tmp_path / "whole")
    whole = [json.loads(path.read_text("utf-8")) for path in sorted((tmp_path / "whole").rglob("*.json"))]
    for number in range(150):
        damaged = copy.deepcopy(whole[number % 2])
        damage(damaged, rng)
        (tmp_path / "damaged").mkdir(exist_ok=True)
        (tmp_path / "damaged" / f"{number:03}.json").write_text(json.dumps(damaged))
    _, report = read_records(tmp_path / "damaged", MCI)
    assert report.resources > 150, "the report adds up, or it would not have been built"


def damage(content: Any, rng: random.Random) -> None:
    """Spoil three places somewhere below."""
    for _ in range(3):
        place: Any = content
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            if not keys:
                break
            key = rng.choice(keys)
            if isinstance(place[key], dict | list) and rng.random() < 0.85:
                place = place[key]
                continue
            place[key] = rng.choice(
                [None, 3, "x", [], {}, [None], {"reference": 5}, [{}], True, 1e400 * 0 + 2, "Patient"]
            )
            break


def test_an_object_that_names_a_key_twice_is_not_half_read(read: Read) -> None:
    twice = json.dumps(bundle(patient()))[:-1] + ', "entry": []}'
    _, report = read(twice)
    assert not report.complete
    assert report.mapped == 0
