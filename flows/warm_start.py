"""The release a retraining begins with."""

from pathlib import Path

from flows.home import Home
from flows.registry import RELEASE_NAME, Registry
from flows.settings import Settings
from posology.errors import NotFound


def find_release(home: Home, settings: Settings, name: str) -> Path:
    """The folder of a release, by its name in the registry or its place.

    Raises:
        NotFound: there is none.
    """
    if Path(name, "release.json").is_file():
        return Path(name)
    if not RELEASE_NAME.fullmatch(name):
        raise NotFound(
            f"no release {name!r} to begin with: expected a release's name (`posology review list` shows them) "
            "or its folder, with release.json"
        )
    registry = Registry.open(home, settings)
    return registry.download(registry.find(name))
