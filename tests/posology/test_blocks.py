"""Tables come in blocks of whole patients, in any order of the rows, and not a row is lost."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from posology.blocks import OF_PATIENTS, ROW, blocks_of, headers_of
from posology.errors import TableError
from posology.simulators import simulate
from posology.sorted_parts import times_read
from posology.tables import NAMES, Tables, read_raw
from posology.therapy import Therapy
from posology.therapy_file import load_therapy

PATIENTS = 23


@pytest.fixture(scope="module")
def mci() -> Therapy:
    return load_therapy("mci")


@pytest.fixture(scope="module")
def raw(mci: Therapy) -> dict[str, pl.DataFrame]:
    """Rows in no order, some twice, some of nobody, some of strangers."""
    tables = simulate(mci, patients=PATIENTS, seed=5).tables
    stranger = pl.when(pl.int_range(pl.len()) % 50 == 7).then(pl.lit("ünknown")).otherwise("user_id")
    nobody = pl.when(pl.int_range(pl.len()) % 40 != 3).then("user_id")
    sessions = tables.sessions.with_columns(user_id=stranger).with_columns(user_id=nobody)
    rows = {"users": tables.users, "measurements": tables.measurements, "contents": tables.contents}
    rows["sessions"] = pl.concat([sessions, sessions[:5]])
    return {name: table.sample(fraction=1.0, shuffle=True, seed=3) for name, table in rows.items()}


def written(folder: Path, raw: dict[str, pl.DataFrame], row_group_size: int = 100) -> Path:
    folder.mkdir(exist_ok=True)
    for name, table in raw.items():
        table.write_parquet(folder / f"{name}.parquet", row_group_size=row_group_size)
    return folder


def put_together(blocks: list[dict[str, pl.DataFrame]], name: str) -> pl.DataFrame:
    return pl.concat([block[name] for block in blocks]).sort(ROW)


@pytest.mark.parametrize("patients_per_block", [1, 7, 1000])
@pytest.mark.parametrize("is_sorted", [False, True])
def test_the_blocks_together_are_the_tables(tmp_path, mci, raw, patients_per_block, is_sorted):
    if is_sorted:
        raw = {name: table.sort("user_id") if "user_id" in table.columns else table for name, table in raw.items()}
    folder = written(tmp_path / "data", raw)
    blocks = list(blocks_of(folder, mci, patients_per_block=patients_per_block, numbered=True))
    assert len(blocks) == -(-(PATIENTS + 1) // patients_per_block)
    for name in OF_PATIENTS:
        together = put_together(blocks, name)
        assert together[ROW].to_list() == list(range(raw[name].height))
        assert together.drop(ROW).equals(raw[name])
    assert all(block["contents"].drop(ROW).equals(raw["contents"]) for block in blocks)


@pytest.mark.parametrize("patients_per_block", [1, 7])
def test_a_patient_is_in_one_block_and_blocks_follow_the_ids(tmp_path, mci, raw, patients_per_block):
    blocks = list(blocks_of(written(tmp_path / "data", raw), mci, patients_per_block=patients_per_block))
    ids = [{user_id for name in OF_PATIENTS for user_id in block[name]["user_id"]} for block in blocks]
    assert None in ids[0]
    known = [sorted(block - {None}) for block in ids]
    assert [user_id for block in known for user_id in block] == sorted(set().union(*known))
    assert all(len(block) <= patients_per_block for block in known)


def test_rows_of_one_patient_stay_in_their_order(tmp_path, mci, raw, monkeypatch):
    monkeypatch.setattr("posology.sorted_parts.PART_ROWS", 64)
    for block in blocks_of(written(tmp_path / "data", raw), mci, patients_per_block=4, numbered=True):
        for (_,), rows in block["sessions"].group_by("user_id"):
            assert rows[ROW].is_sorted()


def test_a_file_in_order_is_read_where_it_lies(tmp_path, raw):
    starts = sorted(raw["users"]["user_id"])[::5][1:]
    folder = written(tmp_path / "data", raw | {"sessions": raw["sessions"].sort("user_id")}, row_group_size=20)
    assert times_read(folder / "sessions.parquet", starts) < 2
    assert times_read(written(tmp_path / "data", raw) / "sessions.parquet", starts) == len(starts) + 1
    assert times_read(tmp_path / "none.parquet", starts) == 0


def test_only_wanted_columns_are_read(tmp_path, mci, raw):
    columns = {"sessions": ["content_id", "no_such"], "users": []}
    for block in blocks_of(written(tmp_path / "data", raw), mci, patients_per_block=9, columns=columns):
        assert block["sessions"].columns == ["user_id", "content_id"]
        assert block["users"].columns == ["user_id"]
        assert block["measurements"].columns == raw["measurements"].columns


def test_ids_of_another_kind_of_string_come_as_strings(tmp_path, mci, raw):
    as_categories = {
        name: table.with_columns(pl.col("user_id").cast(pl.Categorical)) if name in OF_PATIENTS else table
        for name, table in raw.items()
    }
    blocks = list(blocks_of(written(tmp_path / "data", as_categories), mci, patients_per_block=7, numbered=True))
    assert put_together(blocks, "sessions").drop(ROW).equals(raw["sessions"])


def test_the_catalogue_stands_in_for_missing_contents(tmp_path, mci, raw):
    folder = written(tmp_path / "data", raw)
    (folder / "contents.parquet").unlink()
    for block in blocks_of(folder, mci, patients_per_block=9):
        assert block["contents"].equals(read_raw(folder, mci)["contents"])


def test_no_rows_at_all_are_one_block(tmp_path, mci):
    Tables.from_rows(mci).write(tmp_path / "data")
    (block,) = blocks_of(tmp_path / "data", mci, patients_per_block=9)
    assert [block[name].height for name in NAMES] == [0, 0, 0, 0]


@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_was_cut_off_is_refused_before_any_block(tmp_path, mci, raw, name):
    file = written(tmp_path / "data", raw) / f"{name}.parquet"
    file.write_bytes(file.read_bytes()[: np.random.default_rng(1).integers(1, file.stat().st_size)])
    for read in (
        lambda: headers_of(tmp_path / "data", mci),
        lambda: next(blocks_of(tmp_path / "data", mci, patients_per_block=4)),
    ):
        with pytest.raises(TableError, match=f"{name}.parquet: expected a Parquet file that can be read") as raised:
            read()
        assert raised.value.table == name


def test_headers_say_what_came(tmp_path, mci, raw):
    odd = raw | {"users": raw["users"].with_columns(pl.lit(1).alias("extra")).drop("consent")}
    headers = headers_of(written(tmp_path / "data", odd), mci)
    assert {name: table.schema for name, table in headers.items()} == {
        name: table.schema for name, table in odd.items()
    }
    assert all(table.is_empty() for table in headers.values())


@pytest.mark.parametrize("user_id", [pl.col("user_id").str.len_chars(), pl.lit(None, dtype=pl.List(pl.String))])
def test_patients_without_ids_that_can_be_read_are_refused(tmp_path, mci, raw, user_id):
    odd = raw | {"sessions": raw["sessions"].with_columns(user_id.alias("user_id"))}
    with pytest.raises(TableError, match=r"sessions\.parquet: expected a column user_id of strings") as raised:
        next(blocks_of(written(tmp_path / "data", odd), mci, patients_per_block=4))
    assert (raised.value.table, raised.value.column) == ("sessions", "user_id")


def test_a_block_holds_at_least_one_patient(tmp_path, mci):
    with pytest.raises(ValueError, match="1 or more, got 0"):
        next(blocks_of(tmp_path, mci, patients_per_block=0))
