"""Sentences for patients: what may stand in them, and what comes out."""

import pytest
from pydantic import ValidationError

from posology.therapy import Therapy
from posology.therapy_file import load_therapy


@pytest.fixture
def said(clinic):
    """Makes the therapy with words."""

    def make(**words):
        told = {"chosen": "Try {title} for {minutes} minutes.", "safe_default": "Have a rest.", **words}
        return Therapy.model_validate({**clinic.model_dump(mode="json"), "words": told})

    return make


TITLES = {"rest": "a rest", "walk": "a walk"}


def test_a_sentence_names_attributes_of_the_content(said, clinic):
    words = said(titles=TITLES).words
    assert words.say("chosen", clinic.catalogue[1]) == "Try a walk for 20 minutes."
    assert words.say("never_measured", clinic.catalogue[0]) == "Have a rest."


def test_a_sentence_about_what_a_content_lacks_is_not_said(said):
    words = said(titles=TITLES).words
    assert words.say("chosen", {"content_id": "walk", "minutes": None}) is None
    assert words.say("chosen", {"content_id": "new", "minutes": 5}) is None


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({"titles": TITLES, "chosen": "You are {age}."}, "age} is not an attribute of a content"),
        ({"titles": TITLES, "chosen": "{sleep}"}, "sleep} is not an attribute"),
        ({"titles": {"rest": "a rest"}}, "contents without a title: walk"),
        ({"titles": {**TITLES, "swim": "a swim"}}, "swim is not in the catalogue"),
        ({"titles": TITLES, "chosen": "{minutes:>10}"}, "a name alone in braces"),
        ({"titles": TITLES, "chosen": "{title.upper}"}, "not an attribute"),
        ({"titles": TITLES, "chosen": "{title"}, "a brace that is meant is written twice"),
        ({"titles": TITLES, "chosen": ""}, "at least 1 character"),
        ({"titles": TITLES, "chose": "x"}, "Extra inputs"),
    ],
)
def test_words_that_cannot_be_said_are_refused_when_read(said, words, says):
    with pytest.raises(ValidationError, match=says):
        said(**words)


def test_a_complaint_names_the_line(tmp_path):
    text = (tmp_path / "calm.yaml").resolve()
    lines = ["name: calm", "title: Calm", "version: 1"]
    lines += ["feedback: {columns: {score: {kind: number}}, value: score / 100, due_hours: 24, missing: 0}"]
    lines += ["safety: {safe_default: rest}", "objective: feedback", "exploration: {floor: 0, temperature: 0.1}"]
    lines += ["user: {age: {kind: number}}", "words:", "  safe_default: Rest.", '  chosen: "At {age}"']
    text.write_text("\n".join(lines))
    with pytest.raises(Exception, match=r"line 11: words.chosen: \{age\} is not an attribute"):
        load_therapy(text)


def test_a_therapy_without_words_has_the_digest_it_had(clinic):
    assert "words" not in clinic.model_dump(mode="json")


@pytest.mark.parametrize("name", ["mci", "depression", "tinnitus"])
def test_every_content_of_a_shipped_therapy_can_be_said(name):
    therapy = load_therapy(name)
    assert all(therapy.words.say("chosen", row) for row in therapy.catalogue)
