"""The table contract: what is read, what is refused, and that the same data are the same bytes."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from polars.testing import assert_frame_equal

from posology.digests import digest_of_folder
from posology.errors import TableError
from posology.tables import NAMES, OPTIONAL, Tables, catalogue_of, fits, schema_of
from posology.therapy import Therapy

START = datetime(2026, 1, 1, 9, tzinfo=UTC)
CALM = {
    "name": "calm",
    "title": "Breathing exercises",
    "version": 1,
    "status": {
        "instrument": "PHQ-9",
        "minimum": 0,
        "maximum": 27,
        "better": "lower",
        "smallest_important_change": 5,
        "final_after_days": 56,
        "final_window_days": 14,
    },
    "user": {"age": {"kind": "number"}, "sex": {"kind": "category", "values": ["female", "male"]}},
    "context": {"mood": {"kind": "number"}},
    "content": {"level": {"kind": "number"}, "standing": {"kind": "boolean"}, "sound": {"kind": "embedding"}},
    "feedback": {
        "columns": {"score": {"kind": "number"}, "comment": {"kind": "text"}},
        "value": "score / 100",
        "due_hours": 24,
        "missing": None,
    },
    "safety": {"safe_default": "rest"},
    "objective": "feedback",
    "exploration": {"floor": 0.01, "temperature": 0.1},
}
CATALOGUE = [
    {"content_id": "rest", "level": 0, "standing": False, "sound": [0.0]},
    {"content_id": "breath", "level": 5, "standing": True, "sound": [1.0]},
]
WRONG = {
    "an unknown column": ("users", pl.lit(1).alias("shoe_size"), "unknown column shoe_size"),
    "a word for a number": ("users", pl.lit("old").alias("age"), "column age is String, expected Float64"),
    "a number for a word": ("sessions", pl.lit(1).alias("content_id"), "column content_id is Int"),
    "a number for a truth": ("users", pl.lit(1).alias("consent"), "column consent is Int"),
    "a truth for a number": ("sessions", pl.lit(value=True).alias("mood"), "column mood is Boolean"),
    "a time without zone": ("sessions", pl.lit(START.replace(tzinfo=None)).alias("decided_at"), "set the time zone"),
    "a day for a time": ("users", pl.lit(START.date()).alias("enrolled_at"), "column enrolled_at is Date"),
    "a word for a list": ("sessions", pl.lit("rest").alias("eligible"), "column eligible is String"),
    "numbers in a list of words": ("sessions", pl.lit([1, 2]).alias("eligible"), "column eligible is List"),
    "truths in a list of words": ("sessions", pl.lit([True]).alias("eligible"), "column eligible is List"),
    "words in a list of numbers": ("contents", pl.lit(["a"]).alias("sound"), "column sound is List"),
}


@pytest.fixture(scope="module")
def therapy() -> Therapy:
    return Therapy.model_validate(CALM)


@pytest.fixture(scope="module")
def tables(therapy: Therapy) -> Tables:
    users = [
        {"user_id": f"u{n}", "enrolled_at": START, "consent": True, "age": 30 + n, "sex": "male"} for n in range(3)
    ]
    measurements = [
        {"user_id": f"u{n}", "measured_at": START + timedelta(days=7 * week), "instrument": "PHQ-9", "score": 9.0}
        for n in range(3)
        for week in range(2)
    ]
    sessions = [
        {
            "decision_id": f"d{n}{day}",
            "user_id": f"u{n}",
            "decided_at": START + timedelta(days=day),
            "content_id": "breath",
            "eligible": ["breath", "rest"],
            "probability": 0.5,
            "mood": 5,
            "score": 50.0 + day,
            "feedback_at": START + timedelta(days=day, hours=1),
        }
        for n in range(3)
        for day in range(4)
    ]
    return Tables.from_rows(therapy, users=users, measurements=measurements, contents=CATALOGUE, sessions=sessions)


def raw_of(tables: Tables) -> dict[str, pl.DataFrame]:
    return {name: getattr(tables, name) for name in NAMES}


def assert_equal(one: Tables, other: Tables) -> None:
    for name in NAMES:
        assert_frame_equal(getattr(one, name), getattr(other, name))


def test_what_was_written_is_read(therapy, tables, tmp_path):
    tables.write(tmp_path / "data")
    assert_equal(Tables.read(tmp_path / "data", therapy), tables)


@pytest.mark.parametrize("seed", range(3))
def test_the_same_data_in_any_order_are_written_as_the_same_bytes(therapy, tables, tmp_path, seed):
    tables.write(tmp_path / "one")
    shuffled = {name: frame.sample(fraction=1, shuffle=True, seed=seed) for name, frame in raw_of(tables).items()}
    parts = {name: pl.concat([frame[:1], frame[1:]], rechunk=False) for name, frame in shuffled.items()}
    columns = {name: frame.select(sorted(frame.columns)) for name, frame in parts.items()}
    Tables.conform(therapy, columns).write(tmp_path / "other")
    assert digest_of_folder(tmp_path / "one") == digest_of_folder(tmp_path / "other")


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_file_is_refused_with_the_columns_it_should_have(therapy, tables, tmp_path, name):
    tables.write(tmp_path / "data")
    (tmp_path / "data" / f"{name}.parquet").unlink()
    with pytest.raises(TableError, match=f"{name}.parquet: missing; expected .*{next(iter(schema_of(name, therapy)))}"):
        Tables.read(tmp_path / "data", therapy)


def test_a_missing_folder_is_refused(therapy, tmp_path):
    with pytest.raises(TableError, match=r"no such folder; expected users\.parquet"):
        Tables.read(tmp_path / "data", therapy)


@pytest.mark.parametrize("spoil", [lambda _: b"", lambda _: b"user_id,age\n1,2\n", lambda good: good[: len(good) // 2]])
def test_a_file_that_is_no_parquet_is_refused(therapy, tables, tmp_path, spoil):
    tables.write(tmp_path / "data")
    file = tmp_path / "data" / "users.parquet"
    file.write_bytes(spoil(file.read_bytes()))
    with pytest.raises(TableError, match=r"users.parquet: expected a Parquet file"):
        Tables.read(tmp_path / "data", therapy)


def test_a_time_zone_that_nobody_keeps_is_refused_by_its_column(therapy, tables, tmp_path):
    tables.write(tmp_path / "data")
    file = tmp_path / "data" / "sessions.parquet"
    table = pq.read_table(file)
    place = table.column_names.index("decided_at")
    odd = table["decided_at"].cast(pa.timestamp("us", "Mars/Olympus"))
    pq.write_table(table.set_column(place, "decided_at", odd), file)
    with pytest.raises(TableError, match="column decided_at has the time zone Mars/Olympus, which is unknown"):
        Tables.read(tmp_path / "data", therapy)


def test_contents_may_be_absent_when_the_therapy_lists_them(tables, tmp_path):
    therapy = Therapy.model_validate(CALM | {"catalogue": CATALOGUE})
    tables.write(tmp_path / "data")
    (tmp_path / "data" / "contents.parquet").unlink()
    assert_equal(Tables.read(tmp_path / "data", therapy), tables)
    assert_frame_equal(catalogue_of(therapy), tables.contents)


def test_measurements_may_be_absent_when_the_therapy_has_no_status(tables, tmp_path):
    therapy = Therapy.model_validate(CALM | {"status": None})
    tables.write(tmp_path / "data")
    (tmp_path / "data" / "measurements.parquet").unlink()
    assert Tables.read(tmp_path / "data", therapy).measurements.is_empty()


def test_a_therapy_without_catalogue_lists_no_contents(therapy):
    with pytest.raises(TableError, match="has no catalogue"):
        catalogue_of(therapy)


@pytest.mark.parametrize("name", NAMES)
def test_every_column_is_needed_but_the_optional_ones(therapy, tables, name):
    for column in schema_of(name, therapy):
        raw = raw_of(tables) | {name: getattr(tables, name).drop(column)}
        if column in OPTIONAL:
            filled = getattr(Tables.conform(therapy, raw), name)
            assert filled.schema == getattr(tables, name).schema
            assert filled[column].null_count() == filled.height
        else:
            with pytest.raises(TableError, match=f"{name}.parquet: missing column {column}") as raised:
                Tables.conform(therapy, raw)
            assert (raised.value.table, raised.value.column) == (name, column)


@pytest.mark.parametrize(("name", "column", "says"), WRONG.values(), ids=WRONG)
def test_what_breaks_the_contract_is_refused(therapy, tables, name, column, says):
    raw = raw_of(tables) | {name: getattr(tables, name).with_columns(column)}
    with pytest.raises(TableError, match=f"{name}.parquet: .*{says}") as raised:
        Tables.conform(therapy, raw)
    assert raised.value.table == name


def test_types_that_lose_nothing_are_cast(therapy, tables):
    berlin = ZoneInfo("Europe/Berlin")
    loose = {
        "users": tables.users.with_columns(pl.col("age").cast(pl.Int16), pl.col("sex").cast(pl.Categorical)),
        "measurements": tables.measurements.with_columns(pl.col("score").cast(pl.Float32)),
        "contents": tables.contents.with_columns(pl.col("sound").cast(pl.List(pl.Int64)), active_from=pl.lit(None)),
        "sessions": tables.sessions.with_columns(
            pl.col("decided_at").dt.convert_time_zone(berlin.key).dt.cast_time_unit("ms"),
            pl.col("content_id").cast(pl.Enum(["breath", "rest"])),
        ),
    }
    assert_equal(Tables.conform(therapy, loose), tables)


@pytest.mark.parametrize(
    ("came", "kind", "is_fit"),
    [
        (pl.Null(), pl.List(pl.String()), True),
        (pl.List(pl.Null()), pl.List(pl.String()), True),
        (pl.List(pl.Float32()), pl.List(pl.Float64()), True),
        (pl.List(pl.Boolean()), pl.List(pl.String()), False),
        (pl.Datetime("ns"), pl.Datetime("us", "UTC"), False),
        (pl.Datetime("ns", "Asia/Seoul"), pl.Datetime("us", "UTC"), True),
        (pl.Decimal(10, 2), pl.Float64(), True),
        (pl.String(), pl.Float64(), False),
        (pl.Float64(), pl.Boolean(), False),
    ],
)
def test_a_type_fits_when_nothing_is_lost(came, kind, is_fit):
    assert fits(came, kind) == is_fit


def test_rows_of_a_table_without_rows_are_none(therapy):
    empty = Tables.from_rows(therapy)
    assert all(getattr(empty, name).is_empty() for name in NAMES)
    assert all(dict(getattr(empty, name).schema) == schema_of(name, therapy) for name in NAMES)
    assert empty.as_of is None
    assert Tables.conform(therapy, {**raw_of(empty), "users": empty.users.drop("site")}).users.is_empty()


def test_rows_that_do_not_fit_are_refused_without_their_values(therapy):
    with pytest.raises(TableError, match="users: a row does not fit") as raised:
        Tables.from_rows(therapy, users=[{"user_id": "u1", "age": "forty-two"}])
    assert "forty-two" not in str(raised.value)


def test_the_tables_of_some_users_hold_all_of_theirs_and_every_content(tables):
    some = tables.of_users(["u2", "u0", "nobody"])
    assert some.users["user_id"].to_list() == ["u0", "u2"]
    assert set(some.sessions["user_id"]) == set(some.measurements["user_id"]) == {"u0", "u2"}
    assert some.sessions.height == 8
    assert some.contents.height == 2


def test_the_latest_thing_that_happened_is_as_of(therapy, tables):
    assert tables.as_of == START + timedelta(days=7)
    late = Tables.from_rows(
        therapy,
        users=[{"user_id": "u1", "enrolled_at": START}],
        sessions=[{"decided_at": START, "feedback_at": START + timedelta(days=9)}],
    )
    assert late.as_of == START + timedelta(days=9)


def test_a_folder_that_cannot_be_written_stays_as_it_was(tables, tmp_path):
    tables.write(tmp_path / "data")
    digest = digest_of_folder(tmp_path / "data")
    broken = Tables(tables.users, tables.measurements, tables.contents, sessions=np.zeros(1))
    with pytest.raises(AttributeError):
        broken.write(tmp_path / "data")
    assert digest_of_folder(tmp_path / "data") == digest
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_milliseconds_that_microseconds_cannot_hold_are_refused(therapy: Therapy) -> None:
    tables = Tables.from_rows(therapy, contents=therapy.catalogue or [])
    users = pl.DataFrame({"user_id": ["p-1"], "enrolled_at": [2**55], "consent": [True]}).with_columns(
        pl.col("enrolled_at").cast(pl.Datetime("ms", "UTC")),
        *(pl.lit(None, kind).alias(name) for name, kind in schema_of("users", therapy).items() if name in therapy.user),
    )
    raw = {name: getattr(tables, name) for name in NAMES} | {"users": users}
    with pytest.raises(TableError, match="enrolled_at holds 1 times that no calendar has"):
        Tables.conform(therapy, raw)
