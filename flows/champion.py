"""The champion of a therapy, served."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from flows.home import Home
from flows.promotion import Promotion
from flows.registry import Registry
from flows.settings import Settings
from serving.running import Served, serve_bundle


@dataclass(frozen=True)
class ServedChampion:
    """A champion that answers at ``url``."""

    release: str
    url: str
    token: str
    token_place: str
    service: Served

    def wait(self) -> int:
        """Until somebody stops it; the exit status."""
        return self.service.wait()


@contextmanager
def champion_served(home: Home, settings: Settings, therapy: str, *, port: int | None) -> Iterator[ServedChampion]:
    """The champion's bundle on the loopback while the block runs.

    Raises:
        NotFound: the therapy has no champion.
        Refused: what stands in the registry was not put there by a promotion.
    """
    promotion = Promotion(home, settings, Registry.open(home, settings))
    version = promotion.live(therapy)
    bundle = promotion.build(version)  # nothing to do when it is there
    token = settings.token.get_secret_value() if settings.token else home.token()
    environment = {
        "POSOLOGY_STORE_URL": settings.store_url,
        "POSOLOGY_FILES": str(settings.files.expanduser().absolute()),
        "POSOLOGY_JOURNAL": str(home.journal),
        "POSOLOGY_TOKEN": token,
        "POSOLOGY_APPROVAL": str(promotion.approval_file(version)),
        "POSOLOGY_PLAN_KEY": str(home.root / "plan.key"),
        "POSOLOGY_DEMO": str(home.kind == "demo").lower(),
    }
    with (
        (home.root / "service.log").open("ab") as log,
        serve_bundle(bundle, bento_home=home.bento, port=port, env=environment, log=log) as service,
    ):
        place = "POSOLOGY_TOKEN" if settings.token else str(home.root / "token")
        yield ServedChampion(version.release, service.url, token, place, service)
