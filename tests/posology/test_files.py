"""Files and folders are whole or not there, also when several write the same or one is killed."""

import errno
import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from posology.files import whole_folder, write_whole


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def fill(target: Path, text: str) -> None:
    with whole_folder(target) as partial:
        (partial / "file").write_text(text)


def test_a_folder_appears_when_the_block_ends_and_not_before(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "folder"
    with whole_folder(target) as partial:
        (partial / "file").write_text("new")
        assert not target.exists()
    assert (target / "file").read_text() == "new"
    assert names(target.parent) == ["folder"]


def test_nothing_is_left_when_the_block_raises(tmp_path: Path) -> None:
    fill(tmp_path / "folder", "old")
    with pytest.raises(FileNotFoundError), whole_folder(tmp_path / "folder") as partial:
        (partial / "missing").rename(partial / "half")
    assert names(tmp_path) == ["folder"]
    assert (tmp_path / "folder" / "file").read_text() == "old"


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    fill(tmp_path / "folder", "old")
    with whole_folder(tmp_path / "folder") as partial:
        (partial / "other").touch()
    assert names(tmp_path / "folder") == ["other"]
    assert names(tmp_path) == ["folder"]


def test_who_puts_something_there_meanwhile_does_not_disturb(tmp_path: Path) -> None:
    with whole_folder(tmp_path / "folder") as partial:
        (partial / "file").write_text("late")
        fill(tmp_path / "folder", "quicker")
    assert (tmp_path / "folder" / "file").read_text() == "late"
    assert names(tmp_path) == ["folder"]


def test_a_folder_never_takes_the_place_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("a file")
    with pytest.raises(OSError, match="folder") as refusal:
        fill(tmp_path / "folder", "new")
    assert refusal.value.errno == errno.ENOTDIR
    assert (tmp_path / "folder").read_text() == "a file"
    assert names(tmp_path) == ["folder"]


def die_while_replacing(target: Path) -> None:
    rename = Path.rename

    def rename_and_die(self: Path, to: Path) -> None:
        rename(self, to)
        if to.suffix == ".old":
            os.kill(os.getpid(), signal.SIGKILL)

    Path.rename = rename_and_die  # type: ignore[method-assign,assignment]
    fill(target, "new")


def test_who_is_killed_while_replacing_leaves_the_old_folder_beside(tmp_path: Path) -> None:
    fill(tmp_path / "folder", "old")
    process = multiprocessing.get_context("spawn").Process(target=die_while_replacing, args=(tmp_path / "folder",))
    process.start()
    process.join()
    (old,) = tmp_path.glob(".folder.*.old")
    assert (old / "file").read_text() == "old"


def test_a_text_is_replaced_as_a_whole(tmp_path: Path) -> None:
    write_whole(tmp_path / "deep" / "text", "old")
    write_whole(tmp_path / "deep" / "text", "new")
    assert (tmp_path / "deep" / "text").read_text() == "new"
    assert names(tmp_path / "deep") == ["text"]
