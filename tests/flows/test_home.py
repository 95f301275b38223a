"""A home is real or demo for good; what killed runs leave is swept, what others use stays."""

import multiprocessing
import os
import signal
import stat
import time
from pathlib import Path

import pytest

from flows.home import Home
from flows.leftovers import GRACE_SECONDS, sweep
from posology.errors import SettingsError

LATER = time.time() + 2 * GRACE_SECONDS


def test_a_home_is_made_real_and_stays_so(tmp_path: Path) -> None:
    assert Home.open(tmp_path / "home").kind == "real"
    assert Home.open(tmp_path / "home").kind == "real"
    with pytest.raises(SettingsError, match="real home"):
        Home.create_demo(tmp_path / "home")


def test_a_demo_home_stays_a_demo(tmp_path: Path) -> None:
    Home.create_demo(tmp_path / "home")
    assert Home.open(tmp_path / "home").kind == "demo"
    assert Home.create_demo(tmp_path / "home").kind == "demo"


def test_a_demo_takes_no_folder_in_use(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").touch()
    with pytest.raises(SettingsError, match="in use"):
        Home.create_demo(tmp_path)
    assert not (tmp_path / "home.json").exists()


@pytest.mark.parametrize("text", ["", "{}", '{"kind": "toy"}', "[]"])
def test_a_damaged_home_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "home.json").write_text(text)
    with pytest.raises(SettingsError, match="damaged"):
        Home.open(tmp_path)


def test_the_token_is_made_once_and_private(tmp_path: Path) -> None:
    home = Home.open(tmp_path)
    assert home.token() == Home.open(tmp_path).token()
    assert len(home.token()) >= 32
    assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o600


def test_a_work_folder_is_gone_after_the_work(tmp_path: Path) -> None:
    home = Home.open(tmp_path)
    with home.work_folder() as folder:
        (folder / "file").touch()
    assert list((tmp_path / "work").iterdir()) == []


def test_the_sweep_leaves_a_work_folder_that_is_in_use(tmp_path: Path) -> None:
    with Home.open(tmp_path).work_folder() as folder:
        assert sweep(tmp_path, now=LATER) == []
        assert folder.exists()


def work_and_die(root: Path) -> None:
    with Home.open(root).work_folder() as folder:
        (folder / "file").touch()
        os.kill(os.getpid(), signal.SIGKILL)


def test_the_sweep_removes_the_work_folder_of_a_killed_process(tmp_path: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(target=work_and_die, args=(tmp_path,))
    process.start()
    process.join()
    assert len(sweep(tmp_path, now=LATER)) == 1
    assert list((tmp_path / "work").iterdir()) == []


def test_the_sweep_removes_half_written_files_and_folders_once_they_are_old(tmp_path: Path) -> None:
    home = Home.open(tmp_path)
    (tmp_path / "runs" / ".release.0123abcd.partial" / "feedback").mkdir(parents=True)
    (tmp_path / ".store.json.0123abcd.partial").touch()
    (tmp_path / "runs" / "finished").mkdir()
    assert home.sweep() == []
    assert len(sweep(tmp_path, now=LATER)) == 2
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["finished", "home.json", "runs"]


def test_the_sweep_leaves_what_the_owner_of_a_work_folder_writes(tmp_path: Path) -> None:
    with Home.open(tmp_path).work_folder() as folder:
        (folder / ".training.0123abcd.partial").mkdir()  # a fit may take longer than any grace
        assert sweep(tmp_path, now=LATER) == []


def test_the_sweep_puts_back_a_folder_whose_replacement_was_killed(tmp_path: Path) -> None:
    (tmp_path / ".release.0123abcd.old").mkdir()
    (tmp_path / ".release.0123abcd.old" / "release.json").write_text("kept")
    assert Home.open(tmp_path).sweep() == [tmp_path / "release"]  # at once: a reader misses it
    assert (tmp_path / "release" / "release.json").read_text() == "kept"


def test_the_sweep_removes_what_was_replaced(tmp_path: Path) -> None:
    (tmp_path / "release").mkdir()
    (tmp_path / ".release.0123abcd.old").mkdir()
    sweep(tmp_path, now=LATER)
    assert [path.name for path in tmp_path.iterdir()] == ["release"]
