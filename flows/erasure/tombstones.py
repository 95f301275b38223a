"""That an erased patient does not come back with data kept elsewhere."""

from pathlib import Path

import polars as pl

from flows.home import Home
from posology.audit import AuditLog
from posology.errors import CannotDo, first_few
from serving.erasure import patient_digest

KIND = "erase"


def refuse_erased(home: Home, tables: Path) -> None:
    """Raise ``CannotDo`` when a folder of tables holds somebody who was erased in this home."""
    gone = {record.facts["patient"] for record in AuditLog(home.audit_log).records() if record.kind == KIND}
    users = pl.scan_parquet(tables / "users.parquet")
    if not gone or "user_id" not in users.collect_schema():
        return
    ids = users.select(pl.col("user_id").cast(pl.String)).drop_nulls().collect()["user_id"].unique().sort()
    if back := [user_id for user_id in ids if patient_digest(user_id) in gone]:
        raise CannotDo(
            f"users.parquet holds {len(back)} who were erased in this home: {first_few(back)}; "
            "expected data without them, so take their rows out of all four tables"
        )
