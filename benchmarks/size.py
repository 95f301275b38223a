"""Validation and features of a national roll-out: time, memory, how both grow, and the same on a Dask cluster."""

import json
import tempfile
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.cohorts import SEED, mci
from benchmarks.processes import run_module
from benchmarks.result import Result
from flows.stages.snapshot import snapshot
from flows.workspace import Workspace
from posology.growing import growing_table
from posology.simulators import simulate
from posology.tables import Tables

ROOT = Path(__file__).resolve().parent.parent
PATIENTS = (1_000, 10_000, 100_000)
COURSES = 3  # simulated ones that make one patient's: some 100 sessions
APART = timedelta(days=400)
CHUNK_ROWS = 200_000
MEMORY_LIMIT_GIB = 4
TIMES = ("enrolled_at", "measured_at", "decided_at", "feedback_at")


def run(sizes: tuple[int, ...] = PATIENTS, on_dask: int = 10_000) -> Result:
    """Seconds and memory of the stages ``validate`` and ``featurize`` in a process of their own."""
    base = merged(min(sizes))
    found: dict[int, Mapping[str, Any]] = {}
    for patients in (min(sizes), *sizes):  # the first compiles what is compiled, and is measured again
        with tempfile.TemporaryDirectory() as folder:
            found[patients] = _stages(Path(folder), base, patients, and_dask=patients == on_dask)
    seconds = {patients: each["validate"] + each["featurize"] for patients, each in found.items()}
    exponent = _exponent({each["sessions"]: seconds[patients] for patients, each in found.items()})
    least, *_, most = sizes
    return Result(
        asks=(
            "The stages `validate` (with Data Docs) and `featurize` on mci courses of some 100 sessions, the files in "
            "the order of time, so that patients lie scattered in them. Memory is the most that the process and its "
            "children held at once."
        ),
        columns=("patients", "sessions", "validate, s", "featurize, s", "peak GiB"),
        rows=tuple(
            (f"{patients:,}", each["sessions"], each["validate"], each["featurize"], each["peak_bytes"] / 2**30)
            for patients, each in found.items()
        ),
        says=(
            f"From {least:,} to {most:,} patients the time grows with the power {exponent:.2f} of the sessions "
            "(what is done once, such as imports, included).",
            *_growth({each["sessions"]: seconds[patients] for patients, each in found.items()}),
            f"The limit for memory is {MEMORY_LIMIT_GIB} GiB.",
            *(
                f"On a local Dask cluster of two workers, through Prefect, the features of {patients:,} patients took "
                f"{each['dask']['featurize']:.0f} s and are {'the same' if _is_same(each) else 'NOT the same'} bytes."
                for patients, each in found.items()
                if "dask" in each
            ),
        ),
    )


def merged(patients: int) -> Tables:
    """Patients of whom each has the courses of several simulated ones, one after the other."""
    made = simulate(mci(), patients=COURSES * patients, seed=SEED).tables
    places = made.users.select("user_id", nth=pl.int_range(pl.len()))
    owner = places.select("user_id", owner=made.users["user_id"].gather(places["nth"] // COURSES * COURSES))
    back = places["nth"] % COURSES - COURSES + 1
    shift = owner.with_columns(back=pl.lit(back) * pl.lit(APART))
    first = {name: _moved(getattr(made, name), shift) for name in ("users", "measurements", "sessions")}
    users = first["users"].filter(made.users["user_id"].is_in(owner["owner"].implode()))
    return Tables.conform(mci(), {**first, "users": users, "contents": made.contents})


def write_tiled(base: Tables, tiles: int, folder: Path) -> int:
    """Write the tables so many times under new ids, in the order of time; gives the number of sessions."""
    folder.mkdir(parents=True)
    base.contents.write_parquet(folder / "contents.parquet")
    for name, time in {"users": "enrolled_at", "measurements": "measured_at", "sessions": "decided_at"}.items():
        rows = getattr(base, name).sort(time)
        step = max(1, CHUNK_ROWS // tiles)
        with growing_table(folder / f"{name}.parquet", rows.schema) as table:
            for begin in range(0, rows.height, step):
                some = rows[np.arange(begin, min(begin + step, rows.height))]
                table.add(pl.concat(_renamed(some, tile) for tile in range(tiles)))
    return base.sessions.height * tiles


def _stages(folder: Path, base: Tables, patients: int, *, and_dask: bool) -> dict[str, Any]:
    sessions = write_tiled(base, patients // base.users.height, folder / "data")
    workspace = Workspace(folder / "work")
    snapshot(workspace, mci().name, folder / "data")
    said, family = run_module("benchmarks.size_run", workspace.root, folder=ROOT)
    found = {"sessions": sessions, "peak_bytes": family.peak_bytes, **json.loads(said)}
    if and_dask:
        said, _ = run_module("benchmarks.size_run", workspace.root, folder / "home", folder=ROOT)
        found["dask"] = json.loads(said)
    return found


def _exponent(sessions_to_seconds: Mapping[int, float]) -> float:
    slope, _ = np.polyfit(np.log(list(sessions_to_seconds)), np.log(list(sessions_to_seconds.values())), 1)
    return float(slope)


def _growth(sessions_to_seconds: Mapping[int, float]) -> Iterator[str]:
    """What is done once falls out of differences: of three sizes, each r times the one before, a + b·nᵖ gives
    (t₂ - t₁) / (t₁ - t₀) = rᵖ."""
    if len(sessions_to_seconds) != 3:
        return
    sessions, seconds = np.array(sorted(sessions_to_seconds.items())).T
    more, cost = np.diff(sessions), np.diff(seconds)
    if (cost > 0).all():
        power = np.log(cost[1] / cost[0]) / np.log(more[1] / more[0])
        yield (
            f"A million sessions more cost {cost[0] / more[0] * 1e6:.1f} s from the smallest to the middle size and "
            f"{cost[1] / more[1] * 1e6:.1f} s from there to the largest: without what is done once the power is "
            f"{power:.2f} (asked: 1.05 at most)."
        )


def _is_same(found: Mapping[str, Any]) -> bool:
    return bool(found["digest"] == found["dask"]["digest"])


def _moved(rows: pl.DataFrame, shift: pl.DataFrame) -> pl.DataFrame:
    known = rows.join(shift, on="user_id", how="left", maintain_order="left")
    times = [name for name in TIMES if name in rows.columns]
    moved = known.with_columns(pl.col(times) + pl.col("back"), user_id=pl.col("owner"))
    return moved.select(rows.columns)


def _renamed(rows: pl.DataFrame, tile: int) -> pl.DataFrame:
    ids = [name for name in ("user_id", "decision_id") if name in rows.columns]
    return rows.with_columns(pl.format("{}-{}", pl.lit(f"{tile:03d}"), pl.col(name)).alias(name) for name in ids)
