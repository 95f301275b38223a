"""The service's store: where its journal is, how long a row waits, and a database that is not there yet."""

import threading
import time
from pathlib import Path

import sqlalchemy as sa

from posology.errors import ServiceDown
from posology.therapy import Therapy
from serving.alarms import ALARMS, Alarm
from serving.database import engine_of, make_tables
from serving.keeping.journal import Journal
from serving.settings import ServiceSettings
from serving.store import Store

PATIENCE = 3  # deadlines: a row that is not a decision can be sent again, so it may wait longer than one
AGAIN_SECONDS = 2


def open_store(settings: ServiceSettings, therapy: Therapy) -> Store:
    """The store of these settings; also while its database is down, so that patients get the safe default meanwhile."""
    engine = engine_of(settings.store_url)
    folder = settings.journal or _beside(engine.url)
    try:
        make_tables(engine)
    except ServiceDown as error:
        ALARMS.ring(Alarm.STORE_UNAVAILABLE, f"at the start: {error}")
        threading.Thread(target=_make_tables_later, args=(engine,), name="posology-tables", daemon=True).start()
    return Store(
        engine,
        therapy,
        files=settings.files,
        patience=PATIENCE * settings.deadline_seconds,
        journal=Journal(folder / therapy.name) if folder else None,
    )


def _make_tables_later(engine: sa.Engine) -> None:
    while True:
        time.sleep(AGAIN_SECONDS)
        try:
            make_tables(engine)
        except ServiceDown:
            continue
        return


def _beside(url: sa.URL) -> Path | None:
    """The folder of the journal next to a database that is a file."""
    return Path(f"{url.database}.waiting") if url.get_backend_name() == "sqlite" else None
