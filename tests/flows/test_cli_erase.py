"""``posology erase``: the receipt, in words and as JSON, and what is refused."""

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from flows.cli.app import app
from flows.home import Home
from flows.settings import Settings
from posology.tables import Tables
from posology.therapy import Therapy
from serving.store import Store


@pytest.fixture
def known(home: Home, settings: Settings, calm: Therapy, calm_data: Path) -> Home:
    with closing(Store.open(settings.store_url, calm)) as store:
        store.load(Tables.read(calm_data, calm))
    return home


def erase(known: Home, *words: Any) -> Result:
    return CliRunner().invoke(app, ["erase", *words, "--home", str(known.root)])


def test_a_receipt_is_printed(known: Home) -> None:
    assert '"complete": true' in erase(known, "calm-007", "--json").stdout
    again = erase(known, "calm-007")
    assert again.exit_code == 0
    assert "Nothing in the home names them any more." in again.stdout
    assert "Nobody waits to be erased." in erase(known, "--pending").stdout


def test_what_still_names_the_patient_is_said(known: Home) -> None:
    (known.root / "notes.txt").write_text("about calm-007")
    answer = erase(known, "calm-007", "--json")
    assert answer.exit_code == 1
    assert '"notes.txt"' in answer.stdout


@pytest.mark.parametrize("words", [(), ("calm-007", "--pending"), ("nobody",)])
def test_nobody_or_two_things_at_once_is_refused(known: Home, words: tuple[str, ...]) -> None:
    assert isinstance(erase(known, *words).exception, Exception)
