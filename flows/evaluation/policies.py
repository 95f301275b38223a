"""The policies that can be named: baselines, and releases by alias, name or folder."""

from collections.abc import Sequence
from pathlib import Path

from flows.home import Home
from flows.registry import RELEASE_NAME, Registry
from flows.settings import Settings
from models.policies import FixedSchedule, LastBest, MostPopular, Policy, Random
from models.release import Release
from models.released import Released
from posology.errors import CannotDo, NotFound
from posology.tables import Tables
from posology.therapy import Therapy

LOGGED = "logged"
BASELINES = (LOGGED, "random", "most-popular", "fixed", "last-best")
ALIASES = ("champion", "candidate")


def policy_named(name: str, therapy: Therapy, popular: Tables, home: Home, settings: Settings) -> Policy | None:
    """The policy of that name; None for the logged one, which is the log itself.

    Args:
        name: one of ``BASELINES`` or ``ALIASES``, a release's name, or its folder.
        therapy: whose policies.
        popular: tables that the most popular contents are counted in.
        home: where releases are kept.
        settings: where the registry is.

    Raises:
        NotFound: there is no such policy.
        CannotDo: the release is of another therapy.
    """
    simple: dict[str, Policy | None] = {
        LOGGED: None,
        "random": Random(),
        "most-popular": MostPopular.of_log(therapy, popular),
        "fixed": FixedSchedule(),
        "last-best": LastBest(),
    }
    if name in simple:
        return simple[name]
    release = Release.load(_folder(name, therapy, home, settings))
    if release.therapy.name != therapy.name:
        raise CannotDo(f"release {release.name} is of therapy {release.therapy.name}, expected {therapy.name}")
    return Released(release)


def is_release(names: Sequence[str]) -> bool:
    """Whether any of these is learnt from patients."""
    return bool(set(names) - set(BASELINES))


def _folder(name: str, therapy: Therapy, home: Home, settings: Settings) -> Path:
    if Path(name, "release.json").is_file():
        return Path(name)
    if name not in ALIASES and not RELEASE_NAME.fullmatch(name):
        expected = ", ".join((*BASELINES, *ALIASES))
        raise NotFound(f"no policy {name!r}: expected {expected}, or a release's name or folder")
    registry = Registry.open(home, settings)
    version = registry.find(name) if name not in ALIASES else getattr(registry, name)(therapy.name)
    if version is None:
        raise NotFound(f"{therapy.name} has no {name}; `posology retrain {therapy.name}` makes a candidate")
    return registry.download(version)
