"""A release served on a store, as a process that can be killed: python -m … RELEASE STORE JOURNAL PORT."""

import sys
from pathlib import Path

import uvicorn

from models.release import Release
from serving.app import create_app
from serving.opening import open_store
from serving.settings import ServiceSettings

TOKEN = "a token to be killed with"  # noqa: S105 - of a service on the loopback that lives for a second


def main(release_folder: str, store_url: str, journal: str, port: str) -> None:
    """Serve until killed."""
    settings = ServiceSettings(store_url=store_url, token=TOKEN, journal=Path(journal))
    release = Release.load(Path(release_folder))
    app = create_app(release, open_store(settings, release.therapy), settings)
    uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="error")


if __name__ == "__main__":
    main(*sys.argv[1:])
