"""Ids in messages are short, and nothing in them is invisible."""

from posology.errors import first_few, legible


def test_an_id_as_people_write_them_stays_as_it_is() -> None:
    assert [legible(one) for one in ("p-1", "患者 1", "O'Neil")] == ["p-1", "患者 1", "O'Neil"]


def test_control_characters_are_made_visible() -> None:
    assert legible("p\n1\x1b[31m\u202e") == "p\\n1\\x1b[31m\\u202e"


def test_a_long_id_is_shortened_and_its_length_told() -> None:
    shown = first_few(["a" * 5_000 + "the end"])
    assert len(shown) < 80
    assert shown.endswith("the end (5,007 characters)")
