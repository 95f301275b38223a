"""A mapping file is held to its therapy; every complaint names the file and the line."""

from pathlib import Path

import pytest

from posology.errors import MappingError
from posology.importing.mapping_file import MappingFile
from posology.importing.units import FACTORS, factor
from posology.therapy import Therapy

GOOD = """\
users: []
measurements:
  csv: visits.csv
  columns:
    user_id: patient
    measured_at: {column: day, format: "%d.%m.%Y", time_zone: Europe/Berlin}
    instrument: {constant: PHQ9}
    score: total
sessions:
  - parquet: given.parquet
    columns: &given
      decision_id: id
      user_id: patient
      decided_at: at
      content_id: {column: what, map: {R: rest, 2: walk}}
      sleep: {column: slept, unit: minutes}
      score: points
      done: {constant: yes}
      comment: {constant: null}
  - sql: {database: clinic.duckdb, query: SELECT * FROM given}
    columns: *given
"""


def read(tmp_path: Path, clinic: Therapy, text: str = GOOD) -> MappingFile:
    path = tmp_path / "mapping.yaml"
    path.write_text(text)
    mapping = MappingFile.read(path)
    mapping.plans(clinic)
    return mapping


def test_a_mapping_plans_every_source_of_every_table(tmp_path: Path, clinic: Therapy) -> None:
    plans = read(tmp_path, clinic).plans(clinic)
    assert [(plan.table, plan.name) for plan in plans] == [
        ("measurements", "visits.csv"),
        ("sessions", "given.parquet (sessions 1)"),
        ("sessions", "query of clinic.duckdb (sessions 2)"),
    ]


CHANGES = {
    "an unknown table": ("users:", "patients: []\nusers:", r"line 1: unknown key patients; see docs/import\.md"),
    "a table left out": ("users: []\n", "", r"line 1: expected users: its sources, or \[\]"),
    "a table without source": ("csv: visits.csv\n", "where: total > 3\n", "line 3: .*expected csv, parquet or sql"),
    "two sources": ("csv: visits.csv", "csv: visits.csv\n  parquet: x", "line 3: .*expected csv, parquet or sql"),
    "no columns": ("columns: *given", "columns: {}", r"line 21: sessions\.1\.columns"),
    "an unknown column": ("score: total", "points: total", "line 8: .*points: is no column of measurements"),
    "a column left out": ("    score: total\n", "", "line 4: .*says nothing of score"),
    "two origins": ("{constant: PHQ9}", "{constant: PHQ9, column: x}", "line 7: .*got column and constant"),
    "no origin": ("{constant: PHQ9}", "{}", "line 7: .*got none"),
    "a constant that changes": ("{constant: PHQ9}", "{constant: PHQ9, map: {a: b}}", "line 7: .*stands alone"),
    "a constant of another kind": ("done: {constant: yes}", "done: {constant: often}", "line 18: .*is not true, false"),
    "a wrong zone": ("Europe/Berlin", "Europe/Berlim", "line 6: .*'Europe/Berlim' is no time zone"),
    "a wrong format": ('"%d.%m.%Y"', '"dd.mm.yyyy"', "line 6: .*is no format of a day or a time"),
    "a format of hours": ('"%d.%m.%Y"', '"%H:%M"', "line 6: .*is no format of a day or a time"),
    "a format and an epoch": ("format:", "epoch: seconds, format:", "line 6: .*epoch counts in UTC"),
    "a wrong span": ("format:", "plus: 2 months, format:", "line 6: .*expected a number of weeks, days"),
    "a span of no end": ("format:", "plus: 99999999999 weeks, format:", "line 6: .*is longer than"),
    "a span of millions of years": ("format:", "plus: 100000000 weeks, format:", "line 6: .*is longer than"),
    "a unit of another dimension": ("unit: minutes", "unit: kg", "line 16: .*kg cannot be converted to hours"),
    "a unit that is none": ("unit: minutes", "unit: sleeps", "line 16: .*sleeps cannot be converted to hours"),
    "a unit the therapy has not": ("score: points", "score: {column: p, unit: percent}", "line 17: .*declares no unit"),
    "a zone of a number": ("score: points", "score: {column: p, time_zone: UTC}", "line 17: .*holds number"),
    "a separator of text": ("score: points", "score: {column: p, separator: ;}", "line 17: .*holds number"),
    "an id of a number": ("score: points", "score: {row_id: [p]}", "line 17: .*holds number"),
    "a word that YAML takes for a truth": ("map: {R: rest", "map: {No: rest", "line 15: .*YAML reads a key as False"),
    "a meaning of another kind": (
        "sleep: {column: slept,",
        "sleep: {column: slept, map: {a: long},",
        "line 16: .*number",
    ),
    "an expression of a file": ("score: total", "score: {expression: \"read_csv('x')\"}", "line 8: .*unknown function"),
    "a condition that is a query": ("csv: visits.csv", "csv: visits.csv\n  where: SELECT 1", "line 4: .*where"),
    "a wrong encoding": ("csv: visits.csv", "csv: {file: v.csv, encoding: latin-99}", "line 3: .*is no encoding"),
    "a long delimiter": ("csv: visits.csv", "csv: {file: v.csv, delimiter: ab}", "line 3: .*delimiter"),
    "a delimiter of two bytes": ("csv: visits.csv", "csv: {file: v.csv, delimiter: §}", "line 3: .*delimiter"),
    "a quote of three bytes": ("csv: visits.csv", "csv: {file: v.csv, quote: “}", "line 3: .*quote"),
    "a codec that is no encoding": (
        "csv: visits.csv",
        "csv: {file: v.csv, encoding: punycode}",
        "line 3: .*no encoding",
    ),
    "two databases": ("database: clinic", "url: sqlite:///x, database: clinic", "line 20: .*one of them"),
    "no query": (", query: SELECT * FROM given", "", r"line 20: sessions\.1\.sql\.query: Field required"),
    "a key twice": ("score: total", "score: total\n    score: total", "line 9: score stands twice"),
    "no YAML": ("users: []", "users: [", "line 3: expected a YAML file that can be read"),
    "no mapping": (GOOD, "- users", "line 1: expected a mapping with users"),
}


@pytest.mark.parametrize(("old", "new", "said"), CHANGES.values(), ids=CHANGES)
def test_what_does_not_hold_is_told_with_its_line(
    tmp_path: Path, clinic: Therapy, old: str, new: str, said: str
) -> None:
    assert old in GOOD
    with pytest.raises(MappingError, match=rf"(?s)mapping\.yaml:? ?{said}"):
        read(tmp_path, clinic, GOOD.replace(old, new, 1))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(MappingError, match=r"nothing\.yaml: expected a YAML file"):
        MappingFile.read(tmp_path / "nothing.yaml")


@pytest.mark.parametrize("units", FACTORS.values(), ids=FACTORS)
def test_units_convert_there_and_back_without_loss(units: dict[str, object]) -> None:
    for came in units:
        for wanted in units:
            assert factor(came, wanted) * factor(wanted, came) == 1


WORTH = {
    ("minutes", "hours"): 1 / 60,
    ("weeks", "days"): 7,
    ("years", "months"): 12,
    ("inches", "cm"): 2.54,
    ("pounds", "kg"): 0.45359237,
    ("percent", "fraction"): 0.01,
    ("dB", "dB"): 1,
}


@pytest.mark.parametrize(("units", "value"), WORTH.items())
def test_a_unit_is_worth_what_it_is(units: tuple[str, str], value: float) -> None:
    assert float(factor(*units)) == value
