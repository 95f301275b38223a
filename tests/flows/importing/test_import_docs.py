"""The example of docs/import.md runs, and says what the page says."""

import re
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner

from flows.cli.app import app

PAGE = Path(__file__).resolve().parents[3] / "docs" / "import.md"
PATIENTS = """\
PatNr;Aufnahme;AlterMonate;Geschlecht;Bildung;Sturz;MMSE_0;MMSE_12
P-001;02.03.2026 09:30;876;W;10,5;nein;24;25
P-002;03.03.2026 14:00;901;M;13;ja;22;
P-003;29.03.2026 02:30;950;W;9;nein;23;23
P-004;04.03.2026 10:00;880;M;12;nein;21
"""
GAMES = "('flanker', 'attention_05_flankers', 40), ('pairs', 'memory_01_pairs', 0)"
PLAYED = """\
('P-001', 'flanker', TIMESTAMP '2026-03-02 10:00', 10, 'memory_01_pairs|attention_05_flankers', 400, 32, true, 5),
('P-001', 'pairs', TIMESTAMP '2026-03-03 10:00', 10, 'memory_01_pairs|attention_05_flankers', 410, 3, true, 2),
('P-002', 'flanker', TIMESTAMP '2026-03-04 11:00', 11, 'memory_01_pairs|attention_05_flankers', 500, 35, false, 3)
"""


@pytest.fixture
def mapping(tmp_path: Path) -> Path:
    """The mapping file of the page, beside the files it names."""
    (tmp_path / "patients.csv").write_text(PATIENTS, encoding="latin-1")
    with duckdb.connect(str(tmp_path / "games.duckdb")) as connection:
        connection.execute(f"CREATE TABLE games AS FROM (VALUES {GAMES}) AS t(game, content, possible)")
        names = "patient, game, played_at, hour, offered, sleep_minutes, points, finished, stars"
        connection.execute(f"CREATE TABLE played AS FROM (VALUES {PLAYED}) AS t({names})")
    path = tmp_path / "mapping.yaml"
    path.write_text(blocks("yaml")[0])
    return path


def blocks(kind: str) -> list[str]:
    found = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [text for name, text in found if name == kind]


def test_the_page_shows_what_the_command_prints(mapping: Path) -> None:
    printed = CliRunner().invoke(app, ["import", "mci", "--mapping", str(mapping), "--dry-run"])
    assert printed.exit_code == 1, printed.output
    shown = next(block for block in blocks("") if block.startswith("Rows"))
    assert shown in printed.stdout
