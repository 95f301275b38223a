"""Snapshots without a patient: never changed, so replaced by others that were taken without them."""

import logging
from collections.abc import Mapping
from typing import Any

import polars as pl

from flows.erasure.patient import Patient
from flows.home import Home
from flows.snapshots import (
    Replaced,
    Snapshot,
    kept_snapshots,
    remove_snapshot,
    replace_snapshot,
    replaced_snapshots,
)
from flows.stages.snapshot import write_snapshot
from flows.versioning import patiently
from posology.tables import FILES, scan_raw
from posology.therapy_file import load_therapy


def decisions_in(home: Home, user_id: str) -> dict[str, set[str]]:
    """Therapy → the patient's decisions in its snapshots; a therapy is there when the patient is in any of them."""
    found: dict[str, set[str]] = {}
    patient = Patient(user_id, ())
    for repository in home.snapshots.glob("[!.]*"):
        for snapshot in kept_snapshots(home, repository.name):
            if any(_has(table, patient) for table in _tables(snapshot).values()):
                ids = found.setdefault(repository.name, set())
                ids.update(_decisions(_tables(snapshot)["sessions"], patient))
    return found


def replace_snapshots(home: Home, therapy: str, patient: Patient, *, because: str) -> None:
    """Put a snapshot without the patient in the place of each that has them."""
    names: dict[str, str] = {}
    for old in kept_snapshots(home, therapy):
        if not any(_has(table, patient) for table in _tables(old).values()):
            continue
        with home.work_folder() as work:
            new = work / "snapshot"
            new.mkdir()
            write_snapshot(new, old.folder / "therapy.yaml", _without(old, patient), old.tables / FILES, old.as_of)
            parent = old.record["parent"]
            kept = replace_snapshot(old, new, home, parent=names.get(parent, parent), because=because)
        names[old.name] = kept.name


def replaced_for(home: Home, therapy: str, because: str) -> list[Replaced]:
    """Which snapshots an erasure replaced, also where it was interrupted."""
    return [one for one in replaced_snapshots(home, therapy) if one.because == because]


def versions_with(home: Home, therapy: str, because: str) -> set[str]:
    """DVC versions of all data that held the patient: those replaced for them, and what these had replaced before."""
    all_replaced = replaced_snapshots(home, therapy)
    names = {one.old for one in all_replaced if one.because == because}
    while more := {one.old for one in all_replaced if one.new in names} - names:
        names |= more
    return {one.version for one in all_replaced if one.old in names}


def clear_cache(home: Home, therapy: str) -> None:
    """Remove what is left of replaced snapshots, and have DVC remove the objects that no kept one needs."""
    from dvc.repo import Repo

    for one in replaced_snapshots(home, therapy):
        remove_snapshot(home.snapshots / therapy / one.old)
    told = logging.getLogger("dvc")
    level = told.level
    told.setLevel(logging.WARNING)  # it tells what it removed
    try:
        with home.lock(f"snapshots-{therapy}"), Repo(str(home.snapshots / therapy)) as repo:
            patiently(repo.gc, workspace=True)
    finally:
        told.setLevel(level)


def _tables(snapshot: Snapshot) -> Mapping[str, pl.LazyFrame]:
    return scan_raw(snapshot.tables, load_therapy(snapshot.folder / "therapy.yaml"))


def _has(table: pl.LazyFrame, patient: Patient) -> bool:
    mine = patient.rows(table.collect_schema().names())
    return mine is not None and not table.filter(mine).head(1).collect().is_empty()


def _decisions(sessions: pl.LazyFrame, patient: Patient) -> Any:
    mine, columns = patient.rows(sessions.collect_schema().names()), sessions.collect_schema().names()
    if mine is None or "decision_id" not in columns:
        return ()
    return sessions.filter(mine).select(pl.col("decision_id").cast(pl.String)).drop_nulls().collect()["decision_id"]


def _without(snapshot: Snapshot, patient: Patient) -> dict[str, pl.LazyFrame]:
    tables = dict(_tables(snapshot))
    for name, table in tables.items():
        mine = patient.rows(table.collect_schema().names())
        tables[name] = table if mine is None else table.filter(~mine)
    return tables
