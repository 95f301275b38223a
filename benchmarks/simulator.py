"""Simulated sessions a second, against writing and reading the same sessions as files."""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.result import Result, Row
from posology.simulators import MECHANISMS, simulate
from posology.tables import Tables
from posology.therapy_file import load_therapy

PATIENTS = 1_000


def run(patients: int = PATIENTS, therapies: Sequence[str] = tuple(MECHANISMS)) -> Result:
    """Sessions a second of each therapy's simulator."""
    rows = [_row(name, patients) for name in therapies]
    return Result(
        asks=(
            f"{patients:,} patients simulated with mechanism, clinician, shield and truth. The physical limit is "
            "writing the four tables as Parquet and reading them back."
        ),
        columns=("therapy", "sessions", "simulated per second", "written and read per second"),
        rows=tuple(rows),
        says=(f"A million sessions take {1e6 / min(float(row[2]) for row in rows):.0f} s or less.",),
    )


def _row(name: str, patients: int) -> Row:
    therapy = load_therapy(name)
    simulate(therapy, patients=20, seed=1)  # to warm up
    began = time.perf_counter()
    made = simulate(therapy, patients=patients, seed=7).tables
    simulated = time.perf_counter() - began
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        made.write(Path(folder, "tables"))
        Tables.read(Path(folder, "tables"), therapy)
        moved = time.perf_counter() - began
    return name, made.sessions.height, made.sessions.height / simulated, made.sessions.height / moved
