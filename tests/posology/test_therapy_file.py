"""A therapy file that does not hold is refused with file, line and what was expected."""

from pathlib import Path

import pytest

from posology.errors import TherapyError
from posology.therapy_file import load_therapy

GOOD = """\
name: calm
title: Breathing exercises
version: 1
status:
  instrument: PHQ-9
  minimum: 0
  maximum: 27
  better: lower
  smallest_important_change: 5
  final_after_days: 56
  final_window_days: 14
user:
  age: {kind: number, minimum: 18, maximum: 110}
context:
  mood: {kind: number, minimum: 0, maximum: 10}
content:
  level: {kind: number, minimum: 0, maximum: 10}
  minutes: {kind: number, minimum: 0, maximum: 60}
  style: {kind: category, values: [slow, fast]}
feedback:
  columns:
    score: {kind: number, minimum: 0, maximum: 100}
  value: "score / 100"
  due_hours: 24
  missing: null
safety:
  safe_default: rest
  rules:
    - {code: S001, forbid: "level > 7 AND age > 85", because: "frustration"}
  caps: {same_content_in_a_row: 2, minutes_per_day: 45, feature: style, feature_share_of_last_10: 0.6}
objective: constrained
noninferiority_margin: 0.5
exploration: {floor: 0.01, temperature: 0.1}
catalogue:
  - {content_id: rest, level: 0, minutes: 0, style: slow}
  - {content_id: breath, level: 5, minutes: 10, style: fast}
"""
WRONG = {
    "an unknown key": ("title: Breathing", "colour: blue\ntitle: Breathing", 2, "unknown key colour"),
    "an unknown key deep inside": ("because: ", "why: x, because: ", 29, "unknown key safety.rules.0.why"),
    "a duplicate key": ("version: 1", "version: 1\nname: calm", 4, "name stands twice"),
    "a duplicate key deep inside": ("  better: lower", "  better: lower\n  minimum: 1", 9, "minimum stands twice"),
    "a missing key": ("title: Breathing exercises\n", "", 1, "title: Field required"),
    "an impossible range of the instrument": ("maximum: 27", "maximum: 0", 4, "minimum 0 is not below maximum 0"),
    "an impossible range of a column": (
        "minimum: 18, maximum: 110",
        "minimum: 110, maximum: 18",
        13,
        "minimum 110 is not below",
    ),
    "a change larger than the instrument": ("_change: 5", "_change: 28", 4, "larger than the instrument's range"),
    "a window longer than the wait": ("_window_days: 14", "_window_days: 56", 4, "must be shorter than final_after"),
    "an unknown column in F": ('"score / 100"', '"points / 100"', 23, "unknown column points"),
    "an unknown column in a rule": ("age > 85", "agee > 85", 29, "unknown column agee"),
    "F of words": ('"score / 100"', "\"'good'\"", 23, "looks at a column"),
    "F that is no number": ('"score / 100"', '"CAST(score AS VARCHAR)"', 23, "expected a number"),
    "a rule that is no condition": ("level > 7 AND age > 85", "level + age", 29, "expected a condition"),
    "a rule that compares words with numbers": ("age > 85", "style > 85", 29, "does not fit its columns"),
    "a query": ("level > 7 AND age > 85", "level > (SELECT 7)", 29, "got a query"),
    "an aggregate": ("level > 7 AND age > 85", "SUM(level) > 7", 29, "unknown function sum"),
    "a clock": ("age > 85", "CURRENT_DATE IS NULL", 29, "the same at any time"),
    "half an expression": ("level > 7 AND age > 85", "level > 7 AND", 29, "expected a SQL expression"),
    "a rule code nobody knows": ("S001", "X1", 29, "safety.rules.0.code"),
    "a safe default that is not there": (
        "safe_default: rest",
        "safe_default: nap",
        27,
        "'nap' is not in the catalogue",
    ),
    "a floor that is too large": ("floor: 0.01", "floor: 0.6", 33, "0.6 for each of 2 contents sums to more than 1"),
    "an objective without its part": (GOOD[GOOD.index("status:") : GOOD.index("user:")], "", 23, "needs status"),
    "a margin without the constraint": (
        "objective: constrained",
        "objective: status",
        1,
        "noninferiority_margin belongs",
    ),
    "a constraint without a margin": ("noninferiority_margin: 0.5\n", "", 1, "constrained needs it"),
    "drop-out that pays": (
        "objective: constrained",
        "dropout: -1\nobjective: constrained",
        31,
        "greater than or equal",
    ),
    "minutes capped without minutes": (
        "minutes: {kind: number, minimum: 0, maximum: 60}",
        "dose: {kind: number}",
        30,
        "needs a content column minutes",
    ),
    "a share of no category": (
        "feature: style",
        "feature: level",
        30,
        "'level' is not a content column of kind category",
    ),
    "a share without its feature": ("feature: style, ", "", 30, "feature and feature_share_of_last_10 belong together"),
    "a column twice": ("  mood:", "  age:", 15, "context.age: is declared twice"),
    "a column of the contract": ("  mood:", "  user_id:", 15, "a name of the table contract"),
    "a column with a capital": ("  mood:", "  Mood:", 15, "context.Mood"),
    "a category without values": (
        "{kind: category, values: [slow, fast]}",
        "{kind: category}",
        19,
        "a category needs them",
    ),
    "values of a number": ("{kind: number, minimum: 18,", "{kind: number, values: [a],", 13, "belong to kind category"),
    "a value twice": ("[slow, fast]", "[slow, slow]", 19, "one or more different names"),
    "an unknown kind": ("{kind: number, minimum: 18", "{kind: integer, minimum: 18", 13, "user.age.kind"),
    "a number that is no number": ("due_hours: 24", "due_hours: soon", 24, "feedback.due_hours"),
    "NaN": ("temperature: 0.1", "temperature: .nan", 33, "exploration.temperature"),
    "infinity": ("maximum: 27", "maximum: .inf", 7, "status.maximum"),
    "a number that overflows": ("maximum: 27", "maximum: 1.0e+999", 7, "status.maximum"),
    "a whole number that overflows": ("level: 5", f"level: 1{'0' * 400}", 36, "outside its declaration"),
    "infinity in the catalogue": ("level: 5", "level: .inf", 36, "outside its declaration"),
    "a content outside its declaration": ("style: fast}", "style: loud}", 36, "style is 'loud'"),
    "a content with an unknown column": ("style: fast}", "style: fast, sound: 1}", 36, "unknown column sound"),
    "a content with a column missing": (", style: fast}", "}", 36, "style is None"),
    "a content twice": ("content_id: breath", "content_id: rest", 34, "content_id rest stands twice"),
    "a content without id": ("content_id: breath, ", "", 34, "every content needs a content_id"),
    "a list where a mapping is expected": (
        "context:\n  mood: {kind: number, minimum: 0, maximum: 10}",
        "context: [mood]",
        14,
        "valid dictionary",
    ),
    "a mapping where a list is expected": ("[slow, fast]", "{slow: fast}", 19, "content.style.values"),
    "missing feedback worth more than one": ("missing: null", "missing: 2", 25, "less than or equal to 1"),
}
UNREADABLE = {
    "a list as a key": (GOOD + "? [a]\n: 1", "line 37: expected a name as a key"),
    "a mapping as a key": (GOOD + "? {a: b}\n: 1", "line 37: expected a name as a key"),
    "no truth value": (GOOD + "more: !!bool hello", "line 37"),
    "no whole number": (GOOD + 'more: !!int ""', "line 37"),
    "no number": (GOOD + 'more: !!float ""', "line 37"),
    "no time": (GOOD + "more: !!timestamp x", "line 37"),
    "a key that is no truth value": (GOOD + "? !!bool q\n: 1", "line 37"),
    "brackets without end in a value": (GOOD + "more: " + "[" * 5_000, "nested too deep"),
    "megabytes": (GOOD + "# " + "x" * 8_000_000, "at most 8,000,000 bytes"),
    "an empty file": ("", "line 1: expected a mapping"),
    "a list": ("- name: calm", "line 1: expected a mapping"),
    "one word": ("calm", "line 1: expected a mapping"),
    "an open bracket": (GOOD + "more: [", "line 37"),
    "a tab": (GOOD + "\tmore: 1", "line 37"),
    "two documents": (GOOD + "---\nname: calm", "line 37"),
    "a foreign tag": (GOOD + "more: !!python/object/apply:os.getcwd []", "line 37"),
    "a date that is none": (GOOD.replace("version: 1", "version: 2025-13-45"), "line 3"),
    "a number of 5000 digits": (GOOD.replace("version: 1", "version: " + "1" * 5000), "line 3"),
    "a list inside itself": (GOOD + "more: &more [*more]", "expected a YAML file that can be read"),
    "brackets without end": ("[" * 5000, "expected a YAML file that can be read"),
}


@pytest.fixture
def file(tmp_path):
    return tmp_path / "calm.yaml"


def complaint(file: Path, text: str) -> str:
    file.write_text(text, encoding="utf-8")
    with pytest.raises(TherapyError) as raised:
        load_therapy(file)
    return str(raised.value)


def test_a_cost_of_drop_out_needs_to_know_when_a_course_is_over(file):
    without = GOOD[: GOOD.index("status:")] + GOOD[GOOD.index("user:") :]
    by_feedback = without.replace("constrained\nnoninferiority_margin: 0.5", "feedback\ndropout: 10")
    assert "dropout: needs status, whose final_after_days" in complaint(file, by_feedback)


def test_costs_left_out_are_no_part_of_the_therapy_but_those_put_are(file):
    file.write_text(GOOD, encoding="utf-8")
    plain = load_therapy(file).model_dump()
    file.write_text(GOOD + "dropout: 10\n", encoding="utf-8")
    assert load_therapy(file).model_dump() == {**plain, "dropout": 10}


def test_the_file_the_others_are_spoilt_from_is_good(file):
    file.write_text(GOOD, encoding="utf-8")
    assert load_therapy(file).name == "calm"


@pytest.mark.parametrize(("good", "bad", "line", "says"), WRONG.values(), ids=WRONG)
def test_a_refusal_names_file_and_line_and_what_was_expected(file, good, bad, line, says):
    assert GOOD.count(good) == 1
    told = complaint(file, GOOD.replace(good, bad))
    assert f"{file} line {line}: " in told
    assert says in told


@pytest.mark.parametrize(("text", "says"), UNREADABLE.values(), ids=UNREADABLE)
def test_what_is_not_a_yaml_mapping_is_refused(file, text, says):
    told = complaint(file, text)
    assert str(file) in told
    assert says in told


def test_bytes_that_are_no_text_are_refused(file):
    file.write_bytes(b"name: \xff\xfe")
    with pytest.raises(TherapyError, match="expected a YAML file"):
        load_therapy(file)


def test_all_complaints_are_told_at_once(file):
    told = complaint(file, GOOD.replace("version: 1", "version: 0").replace("due_hours: 24", "due_hours: -1"))
    assert [line.split(": ")[0] for line in told.splitlines()] == [f"{file} line 3", f"{file} line 24"]


def test_a_therapy_without_status_and_feedback_is_refused(file):
    text = GOOD[: GOOD.index("status:")] + GOOD[GOOD.index("user:") : GOOD.index("feedback:")]
    assert "a therapy needs status or feedback" in complaint(file, text + GOOD[GOOD.index("safety:") :])


@pytest.mark.parametrize("name", ["nothing.yaml", "folder.yml"])
def test_a_file_that_is_not_there_is_refused(tmp_path, name):
    (tmp_path / "folder.yml").mkdir()
    with pytest.raises(TherapyError, match="no such therapy file"):
        load_therapy(tmp_path / name)


def test_an_unknown_name_is_answered_with_the_names_there_are():
    with pytest.raises(TherapyError, match="expected one of depression, mci, tinnitus"):
        load_therapy("gout")


def test_the_digest_does_not_depend_on_the_layout_of_the_file(file):
    file.write_text(GOOD, encoding="utf-8")
    digest = load_therapy(file).digest
    parts = GOOD.replace("{floor: 0.01, temperature: 0.1}", "\n  temperature: 1.0e-1\n  floor: 0.010").split(
        "objective:"
    )
    file.write_text("# a comment\nobjective:" + parts[1] + parts[0], encoding="utf-8")
    assert load_therapy(file).digest == digest


@pytest.mark.parametrize(
    ("good", "changed"),
    [
        ("age > 85", "age > 84"),
        ("floor: 0.01", "floor: 0.02"),
        ("minutes: 10", "minutes: 11"),
        ("title: B", "title: A"),
    ],
)
def test_the_digest_changes_with_what_the_file_says(file, good, changed):
    file.write_text(GOOD, encoding="utf-8")
    digest = load_therapy(file).digest
    file.write_text(GOOD.replace(good, changed), encoding="utf-8")
    assert load_therapy(file).digest != digest


def test_aliases_that_multiply_are_refused(tmp_path):
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    (tmp_path / "bomb.yaml").write_text("\n".join(lines))
    with pytest.raises(TherapyError, match="entries"):
        load_therapy(tmp_path / "bomb.yaml")
