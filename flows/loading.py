"""What a retraining needs, loaded while the server it reports to starts."""

from importlib import import_module

from flows.home import Home
from flows.registry import Registry
from flows.settings import Settings

LIBRARIES = (
    "mlflow",
    "expectations.rounds",
    "flows.stages.train",
    "flows.stages.evaluate",
    "flows.tracking",
    "dvc.repo",
)


def load_stages(home: Home, settings: Settings) -> None:
    """Import what the stages import, which takes seconds, and open the registry, which may have to be made first."""
    for name in LIBRARIES:
        import_module(name)
    Registry.open(home, settings)
