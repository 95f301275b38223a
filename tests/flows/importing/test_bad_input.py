"""Bad input ends as a clear error with nothing written, or as rows kept aside; no row is lost."""

import json
import random
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import polars as pl
import pytest

from expectations import validate
from posology.errors import CannotDo, MappingError, PosologyError, TableError
from posology.tables import Tables
from posology.therapy import Therapy

AT = datetime(2026, 3, 1, 9, tzinfo=UTC)
FRAME = pl.DataFrame({"id": ["p1", "p2", "p3"], "at": [AT] * 3, "score": [1.0, 2.0, 3.0]})
SOURCE = {"parquet": "a.parquet"}


def test_a_truncated_file_is_refused_and_leaves_nothing(readings, tmp_path: Path) -> None:
    FRAME.write_parquet(tmp_path / "a.parquet")
    whole = (tmp_path / "a.parquet").read_bytes()
    for content in (whole[:-20], whole[:40], b"PAR1", b"", b"id,at,score\n", whole[:60] + b"\xff" * 40 + whole[100:]):
        (tmp_path / "a.parquet").write_bytes(content)
        with pytest.raises(TableError, match="can be read to its end"):
            readings(SOURCE)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a.parquet", "mapping.yaml"]


def test_a_file_with_flipped_bytes_is_read_whole_or_refused(readings, tmp_path: Path) -> None:
    FRAME.write_parquet(tmp_path / "a.parquet")
    whole, rng = (tmp_path / "a.parquet").read_bytes(), random.Random(7)
    for _ in range(60):
        content = bytearray(whole)
        for place in rng.sample(range(len(whole)), k=3):
            content[place] = rng.randrange(256)
        (tmp_path / "a.parquet").write_bytes(content)
        with suppress(CannotDo):
            assert readings(SOURCE).tables["measurements"].rows == FRAME.height


def test_nan_and_infinities_are_kept_aside_as_they_came(readings, tmp_path: Path) -> None:
    scores = [1.0, float("nan"), float("inf"), None, -float("inf")]
    pl.DataFrame({"id": list("abcde"), "at": [AT] * 5, "score": scores}).write_parquet(tmp_path / "a.parquet")
    done = readings(SOURCE)
    assert done.rows("measurements")["score"].to_list() == [1.0, None]
    assert done.complaints("measurements") == [("score", "is NaN or infinite", 3, (2, 3, 5))]
    assert [json.loads(raw)["score"] for raw in done.kept("measurements")["raw"]] == ["NaN", "inf", "-inf"]


def test_mixed_zones_are_read_where_each_time_carries_its_own(readings, tmp_path: Path) -> None:
    times = ["2026-03-01T09:00:00Z", "2026-03-01 10:00+01:00", "2026-03-01T04:00:00.000-0500", "2026-03-01 09:00"]
    pl.DataFrame({"id": list("abcd"), "at": times, "score": 1}).write_parquet(tmp_path / "a.parquet")
    done = readings(SOURCE)
    assert done.rows("measurements")["measured_at"].to_list() == [AT, AT, AT]
    assert done.complaints("measurements") == [("measured_at", "is a time without a zone (name time_zone)", 1, (4,))]
    named = readings(SOURCE, measured_at={"column": "at", "time_zone": "America/New_York"})
    assert named.rows("measurements")["measured_at"].to_list()[3] == datetime(2026, 3, 1, 14, tzinfo=UTC)


def test_local_times_that_clocks_skip_or_repeat_are_not_guessed(readings, tmp_path: Path) -> None:
    times = ["2026-03-29 01:59", "2026-03-29 02:30", "2026-10-25 02:30", "2026-10-25 02:30+0200", "2026-10-25 03:00"]
    pl.DataFrame({"id": list("abcde"), "at": times, "score": 1}).write_csv(tmp_path / "a.csv")
    done = readings({"csv": "a.csv"}, measured_at={"column": "at", "time_zone": "Europe/Berlin"})
    assert done.complaints("measurements") == [
        ("measured_at", "is a time that Europe/Berlin skips (clocks go forward)", 1, (2,)),
        ("measured_at", "is a time that comes twice in Europe/Berlin (clocks go back)", 1, (3,)),
    ]
    assert done.rows("measurements")["user_id"].to_list() == ["a", "d", "e"]


def test_times_without_a_zone_need_one_named(readings, tmp_path: Path) -> None:
    frame = FRAME.with_columns(pl.col("at").dt.replace_time_zone(None), day=date(2026, 3, 1))
    frame.write_parquet(tmp_path / "a.parquet")
    for column in ("at", "day"):
        with pytest.raises(MappingError, match=r"measured_at: .*without a zone; name time_zone"):
            readings(SOURCE, measured_at=column)
    zoned = readings(SOURCE, measured_at={"column": "day", "time_zone": "Europe/Berlin", "plus": "10 hours"})
    assert zoned.rows("measurements")["measured_at"].to_list() == [AT] * 3


def test_an_expression_that_divides_by_zero_names_the_rows(readings, tmp_path: Path) -> None:
    FRAME.with_columns(of=pl.Series([2, 0, None])).write_parquet(tmp_path / "a.parquet")
    for expression in ("score / of", "LEAST(score / of, 27)", "DIV(27, of)", "MOD(27, of)", "27 % of"):
        done = readings(SOURCE, score={"expression": expression})
        assert done.complaints("measurements") == [("score", "the expression divides by zero", 1, (2,))]
        assert done.rows("measurements")["user_id"].to_list() == ["p1", "p3"]
    guarded = readings(SOURCE, score={"expression": "CASE WHEN of = 0 THEN 0 ELSE score / of END"})
    assert guarded.rows("measurements")["score"].to_list() == [0.5, 0.0, None]


@pytest.mark.parametrize(
    "expression",
    [
        "read_csv('/etc/passwd')",
        "score + (SELECT 1 FROM read_parquet('b.parquet'))",
        "score IN (SELECT score FROM 'b.parquet')",
        "getenv('HOME')",
        "score; DROP TABLE users",
        "SUM(score)",
        "1 + 1",
    ],
)
def test_an_expression_that_is_more_than_one_of_a_row_is_refused(readings, tmp_path: Path, expression: str) -> None:
    FRAME.write_parquet(tmp_path / "a.parquet")
    with pytest.raises(MappingError, match=r"mapping\.yaml line \d+: measurements\.0\.columns\.score\.expression"):
        readings(SOURCE, score={"expression": expression})
    with pytest.raises(MappingError, match=r"mapping\.yaml line \d+: measurements\.0\.where"):
        readings(SOURCE, where=expression)


def test_a_million_duplicates_go_through_and_are_judged_later(importing, clinic: Therapy, tmp_path: Path) -> None:
    count = 1_000_000
    frame = pl.DataFrame({"id": pl.repeat("p1", count, eager=True), "at": pl.repeat(AT, count, eager=True)})
    frame.write_parquet(tmp_path / "a.parquet")
    columns = {
        "user_id": "id",
        "enrolled_at": "at",
        "consent": {"constant": True},
        **{name: {"constant": None} for name in ("age", "sex", "voice")},
    }
    done = importing(users={"parquet": "a.parquet", "columns": columns})
    assert done.tables["users"].mapped == count
    assert Tables.read(done.folder, clinic).users.height == count


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Great Expectations imports modules that Python deprecates
def test_unicode_ids_and_duplicates_reach_validation_whole(importing, clinic: Therapy, tmp_path: Path) -> None:
    frame = pl.DataFrame({"id": ["患者", "🧠", "🧠", "é"], "at": "2026-03-01T09:00Z", "lang": ["f", "m", "f", "f"]})
    frame.write_csv(tmp_path / "a.csv")
    columns = {
        "user_id": "id",
        "enrolled_at": "at",
        "consent": {"constant": True},
        "age": {"constant": 50},
        "sex": {"column": "lang", "map": {"f": "female", "m": "male"}},
        "voice": {"constant": None},
    }
    done = importing(users={"csv": "a.csv", "columns": columns})
    found = validate(clinic, done.folder, docs=None)
    assert found.counts["users"].rows == 4
    assert found.counts["users"].accepted + found.counts["users"].quarantined == 4
    assert found.counts["users"].accepted == 2


def test_a_file_that_cannot_be_opened_is_named(readings, tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"a\.parquet: no such file"):
        readings(SOURCE)
    (tmp_path / "a.parquet").mkdir()
    with pytest.raises(TableError, match=r"a\.parquet: no such file"):
        readings(SOURCE)


def test_a_reader_killed_on_the_way_leaves_no_table(readings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    FRAME.write_parquet(tmp_path / "a.parquet")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("flows.importing.writing.Writers.write", killed)
    with pytest.raises(KeyboardInterrupt):
        readings(SOURCE)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.parquet", "mapping.yaml"]


def test_types_that_no_table_has_are_kept_as_text(readings, tmp_path: Path) -> None:
    odd = {
        "score": "1.5::DECIMAL(5, 2)",
        "clock": "TIME '10:00'",
        "list": "[1.5, 'nan'::DOUBLE]",
        "struct": "{'a': 1}",
        "bytes": "'x'::BLOB",
        "huge": "7::HUGEINT",
        "uuid": "'00000000-0000-0000-0000-000000000001'::UUID",
        "kind": "'a'::ENUM ('a', 'b')",
        "map": "MAP {'k': 1}",
    }
    query = f"SELECT 'p1' AS id, 'never' AS \"at\", {', '.join(f'{value} AS {name}' for name, value in odd.items())}"
    duckdb.connect(str(tmp_path / "clinic.db")).close()
    done = readings({"sql": {"database": "clinic.db", "query": query}})
    raw = json.loads(done.kept("measurements")["raw"][0])
    assert raw == {
        "id": "p1",
        "at": "never",
        "score": "1.50",
        "clock": "10:00:00",
        "list": ["1.5", "NaN"],
        "struct": {"a": "1"},
        "bytes": "78",
        "huge": "7",
        "uuid": "00000000-0000-0000-0000-000000000001",
        "kind": "a",
        "map": '{"k": 1}',
    }


def test_a_type_that_nothing_here_can_hold_is_refused(readings, tmp_path: Path) -> None:
    duckdb.connect(str(tmp_path / "clinic.db")).close()
    with pytest.raises(TableError, match="column score is month_day_nano_interval; cast it in the query"):
        readings(
            {"sql": {"database": "clinic.db", "query": "SELECT 'p1' AS id, '' AS \"at\", INTERVAL 3 DAY AS score"}}
        )


@pytest.mark.parametrize(
    ("kind", "far"),
    [
        (pl.Datetime("ms", "UTC"), 2**62),
        (pl.Datetime("ms", "UTC"), 9 * 10**15),
        (pl.Datetime("us", "UTC"), 2**63 - 1),
        (pl.Date(), 2**31 - 1),
    ],
    ids=str,
)
def test_times_beyond_every_calendar_are_kept_aside(readings, tmp_path: Path, kind: pl.DataType, far: int) -> None:
    numbers = pl.Series([far, 0, -far], dtype=pl.Int32 if kind == pl.Date else pl.Int64)
    FRAME.with_columns(at=numbers.cast(kind)).write_parquet(tmp_path / "a.parquet")
    zone = {"time_zone": "UTC"} if kind == pl.Date else {}
    done = readings(SOURCE, measured_at={"column": "at", **zone})
    assert done.rows("measurements")["user_id"].to_list() == ["p2"]
    assert [json.loads(raw)["at"] for raw in done.kept("measurements")["raw"]] == [str(far), str(-far)]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "ascii"])
def test_text_of_another_encoding_is_refused(readings, tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.csv").write_text("id,at,score\nJürgen,2026-03-01T09:00:00Z,1\nb,2026-03-01T09:00:00Z,1\n", "utf-8")
    with pytest.raises(PosologyError, match=r"a\.csv: expected|no column id among the 1"):
        readings({"csv": {"file": "a.csv", "encoding": encoding}})
    assert not (tmp_path / "out").exists()
