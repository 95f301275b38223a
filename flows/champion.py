"""The champion of a therapy, served; whoever becomes champion meanwhile takes over without a call lost."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from flows.home import Home
from flows.promotion import Promotion
from flows.registry import Registry
from flows.settings import Settings
from flows.watch import watch_canary
from posology.errors import PosologyError
from serving.listening import LOOPBACK
from serving.modes.standing import Standing
from serving.ranking import where
from serving.running import Served, serve_bundle

LOOKS_EVERY_SECONDS = 1.0  # at the audit log, whether something was decided
WATCHES_EVERY_SECONDS = 30.0  # a canary; and tries again what failed


@dataclass(frozen=True)
class Serving:
    """What one process is started for: a bundle, by a plan, with a release beside it."""

    release: str
    bundle: str
    plan: str
    beside: str | None
    environment: Mapping[str, str] = field(repr=False, compare=False)

    def serves(self, other: "Serving") -> bool:
        """Whether a process of this can go on as the other. What ran beside may end in a running process."""
        same = (self.bundle, self.plan) == (other.bundle, other.plan)
        return same and other.beside in {None, self.beside}


@dataclass
class ServedChampion:
    """A champion that answers at ``url``.

    Attributes:
        serving: what its process was started for.
        seen: how long the audit log was at the last look.
        tell: told in words what changes while it is served.
    """

    url: str
    token: str
    token_place: str
    service: Served
    serving: Serving
    chosen: "Chosen"
    seen: tuple[int, int] = (0, 0)
    tell: Callable[[str], None] = field(default=lambda _: None)
    _watched_at: float = field(default=0.0, init=False)

    @property
    def release(self) -> str:
        """The champion that answers."""
        return self.serving.release

    def wait(self) -> int:
        """Until somebody stops it; the exit status. Meanwhile what is promoted takes over, and a canary is watched."""
        while self.service.process.poll() is None:
            time.sleep(LOOKS_EVERY_SECONDS)
            try:
                self.follow()
            except Exception as error:  # whatever broke, what is served goes on; tried again soon
                self.tell(f"Still {self.release}: {error if isinstance(error, PosologyError) else where(error)}")
                self.seen = (0, 0)
                time.sleep(WATCHES_EVERY_SECONDS)
        return self.service.process.returncode

    def follow(self) -> None:
        """Do what was decided since the last look: another champion, another plan, something beside it.

        Raises:
            PosologyError: it cannot be served; what is served goes on.
        """
        if self.serving.beside and time.monotonic() - self._watched_at > WATCHES_EVERY_SECONDS:
            self._watched_at = time.monotonic()
            if told := watch_canary(self.chosen.promotion, self.chosen.therapy, datetime.now(UTC)):
                self.tell(told)
        if (seen := self.chosen.log_stamp()) == self.seen:
            return
        self.seen = seen
        now = self.chosen.now()
        if not self.serving.serves(now):
            self.service.begin(now.bundle, now.environment)
            self.tell(f"{now.release} has taken over ({now.plan}{', beside it ' + now.beside if now.beside else ''}).")
        self.serving = now


@dataclass(frozen=True)
class Chosen:
    """What is to be served now, as signatures and audit log have it."""

    promotion: Promotion
    therapy: str
    environment: Mapping[str, str] = field(repr=False)

    def now(self) -> Serving:
        """What a process would be started for."""
        standing = self.promotion.write_standing(self.therapy, datetime.now(UTC))
        version = self.promotion.live(self.therapy)
        return Serving(
            release=version.release,
            bundle=self.promotion.build(version),  # nothing to do when it is there
            plan=str(standing.plan),
            beside=_beside(standing),
            environment={**self.environment, "POSOLOGY_APPROVAL": str(self.promotion.approval_file(version))},
        )

    def log_stamp(self) -> tuple[int, int]:
        """Another one once the audit log has grown."""
        if not self.promotion.home.audit_log.exists():
            return 0, 0
        about = self.promotion.home.audit_log.stat()
        return about.st_mtime_ns, about.st_size


def _beside(standing: Standing) -> str | None:
    return f"{standing.beside.release} as {standing.beside.mode}" if standing.beside else None


@contextmanager
def champion_served(
    home: Home, settings: Settings, therapy: str, *, host: str = LOOPBACK, port: int | None
) -> Iterator[ServedChampion]:
    """The champion's bundle while the block runs.

    Raises:
        NotFound: the therapy has no champion.
        Refused: what stands in the registry was not put there by a promotion.
    """
    token = settings.token.get_secret_value() if settings.token else home.token()
    environment = {
        "POSOLOGY_STORE_URL": settings.store_url,
        "POSOLOGY_FILES": str(settings.files.expanduser().absolute()),
        "POSOLOGY_JOURNAL": str(home.journal),
        "POSOLOGY_TOKEN": token,
        "POSOLOGY_PLAN_KEY": str(home.root / "plan.key"),
        "POSOLOGY_DEMO": str(home.kind == "demo").lower(),
    }
    chosen = Chosen(Promotion(home, settings, Registry.open(home, settings)), therapy, environment)
    seen, serving = chosen.log_stamp(), chosen.now()
    with (
        (home.root / "service.log").open("ab") as log,
        serve_bundle(
            serving.bundle, bento_home=home.bento, host=host, port=port, env=serving.environment, log=log
        ) as service,
    ):
        place = "POSOLOGY_TOKEN" if settings.token else str(home.root / "token")
        yield ServedChampion(service.url, token, place, service, serving, chosen, seen)
