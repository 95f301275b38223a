"""Files are whole or not there; equal values have equal digests."""

import pytest

from posology.digests import canonical_json, digest_of_file, digest_of_folder, digest_of_json
from posology.files import whole_folder, write_whole


def fill_and_fail(folder):
    with whole_folder(folder) as partial:
        (partial / "new.txt").write_text("new")
        raise RuntimeError("the power went")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_appears_when_it_is_filled(tmp_path):
    with whole_folder(tmp_path / "deep" / "folder") as partial:
        (partial / "a.txt").write_text("a")
        assert not (tmp_path / "deep" / "folder").exists()
    assert names(tmp_path / "deep") == ["folder"]
    assert (tmp_path / "deep" / "folder" / "a.txt").read_text() == "a"


def test_a_folder_that_cannot_be_filled_does_not_appear(tmp_path):
    with pytest.raises(RuntimeError):
        fill_and_fail(tmp_path / "folder")
    assert names(tmp_path) == []


def test_a_folder_that_cannot_be_filled_again_stays_as_it_was(tmp_path):
    with whole_folder(tmp_path / "folder") as partial:
        (partial / "old.txt").write_text("old")
    with pytest.raises(RuntimeError):
        fill_and_fail(tmp_path / "folder")
    assert names(tmp_path) == ["folder"]
    assert names(tmp_path / "folder") == ["old.txt"]


def test_a_folder_filled_again_holds_nothing_of_before(tmp_path):
    for name in ("old.txt", "new.txt"):
        with whole_folder(tmp_path / "folder") as partial:
            (partial / name).write_text(name)
    assert names(tmp_path) == ["folder"]
    assert names(tmp_path / "folder") == ["new.txt"]


def test_a_text_that_cannot_be_written_leaves_the_old_one(tmp_path):
    write_whole(tmp_path / "a.txt", "old")
    with pytest.raises(UnicodeEncodeError):
        write_whole(tmp_path / "a.txt", "half \ud800")
    assert names(tmp_path) == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


def test_equal_values_have_equal_digests_whatever_their_order():
    assert digest_of_json({"a": 1, "b": [1.5, None]}) == digest_of_json({"b": [1.5, None], "a": 1})
    assert digest_of_json([1, 2]) != digest_of_json([2, 1])


def test_what_has_no_json_has_no_digest():
    with pytest.raises(ValueError, match="JSON"):
        canonical_json({"a": float("nan")})


def test_the_digest_of_a_folder_changes_with_every_name_and_byte(tmp_path):
    folder = tmp_path / "folder"
    write_whole(folder / "deep" / "a.txt", "a")
    digests = {digest_of_folder(folder)}
    write_whole(folder / "deep" / "a.txt", "b")
    digests.add(digest_of_folder(folder))
    (folder / "deep" / "a.txt").rename(folder / "deep" / "b.txt")
    digests.add(digest_of_folder(folder))
    write_whole(folder / "more.txt", "")
    digests.add(digest_of_folder(folder))
    assert len(digests) == 4


def test_the_digest_of_a_file_is_of_its_bytes(tmp_path):
    for name in ("a", "b"):
        write_whole(tmp_path / name, "same")
    assert digest_of_file(tmp_path / "a") == digest_of_file(tmp_path / "b")
