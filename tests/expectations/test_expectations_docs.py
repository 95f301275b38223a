"""Data Docs: complete, offline, and without a patient in them."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from html import unescape

import pytest

from expectations import CODES, Thresholds, Validation
from expectations.contents import content_rules
from expectations.course import course_rules
from expectations.measurements import measurement_rules
from expectations.outcome import outcome_rules
from expectations.readings import reading_rules
from expectations.sessions import session_rules
from expectations.shape import shape_rules
from expectations.users import user_rules
from expectations.whole import Whole
from posology.therapy import Therapy

TAKEN_AT = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def telling(new_world: Callable, frames_of: Callable, validate_frames: Callable) -> Validation:
    """A world whose broken values would be recognised anywhere."""
    world = new_world()
    world["users"][3].update(age=987654.25, sex="sentinel-sex")
    world["sessions"][50].update(stars="sentinel-stars", comment="sentinel-comment", sleep_hours=-987654.25)
    world["sessions"][55].update(content_id="gone", eligible=None)
    world["measurements"][9].update(score=-987654.25, instrument="sentinel-instrument")
    return validate_frames(frames_of(world), with_docs=True)


def pages(result: Validation) -> dict[str, str]:
    folder = result.docs.parent
    return {str(file.relative_to(folder)): file.read_text(encoding="utf-8") for file in folder.rglob("*.html")}


def test_clean_data_break_no_rule(clean: Validation) -> None:
    assert clean.valid
    assert clean.failed == ()
    assert {name: (count.rows, count.accepted) for name, count in clean.counts.items()} == {
        "users": (40, 40),
        "measurements": (80, 80),
        "contents": (4, 4),
        "sessions": (200, 200),
    }
    assert "None." in clean.docs.read_text(encoding="utf-8")


def test_data_docs_list_every_expectation(clean: Validation, therapy: Therapy) -> None:
    whole, limits = Whole(TAKEN_AT, usual_lengths={"voice": 2}), Thresholds()
    suites = {
        "columns": shape_rules(),
        "users": user_rules(therapy, whole, limits),
        "contents": content_rules(therapy, whole),
        "measurements": measurement_rules(therapy, whole, limits),
        "readings": reading_rules(therapy.status, limits),
        "sessions": session_rules(therapy, whole, limits),
        "course": course_rules(therapy, limits),
        "outcome": outcome_rules(therapy, limits),
    }
    for name, rules in suites.items():
        texts = [
            unescape(page) for path, page in pages(clean).items() if path.split("/")[1:2] in ([name], [f"{name}.html"])
        ]
        assert len(texts) == 2, "a page of expectations and one of results"
        for rule in rules:
            assert all(rule.key in text for text in texts)


def test_every_page_opens_without_a_network_and_every_link_leads_somewhere(telling: Validation) -> None:
    folder = telling.docs.parent
    assert {file.suffix for file in folder.rglob("*") if file.is_file()} == {".html"}
    for path, page in pages(telling).items():
        assert not re.search(r"(?:https?:)?//\w", page), path
        for remote in ("<script", "<link", "<img", "@import", "url("):
            assert remote not in page, path
        for link in re.findall(r'href="([^"#]+)"', page):
            assert (folder / path).parent.joinpath(link).resolve().is_file(), (path, link)


def test_no_value_of_a_patient_is_repeated(telling: Validation) -> None:
    said = [*pages(telling).values(), json.dumps(telling.as_json())]
    assert telling.as_json()["quarantined"] == {"users": 1, "measurements": 3, "contents": 0, "sessions": 7}
    for text in said:
        assert "sentinel" not in text
        assert "987654" not in text


def test_the_answer_for_programs_names_code_table_column_and_rows(telling: Validation) -> None:
    answer = telling.as_json()
    assert answer["valid"] is True
    assert answer["docs"] == str(telling.docs)
    assert {
        "code": "V204",
        "table": "users",
        "column": "age",
        "rule": "is at least 40 and at most 110 years",
        "level": "row",
        "rows": 1,
        "examples": ["u03"],
    } in answer["failed"]


def test_the_index_explains_every_code(telling: Validation) -> None:
    index = unescape(telling.docs.read_text(encoding="utf-8"))
    for code in CODES.values():
        assert f"<td>{code.code}</td><td>{code.asks}</td>" in index
