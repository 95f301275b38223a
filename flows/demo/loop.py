"""The loop itself, from a simulated cohort to the second candidate."""

import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from flows.announce import listening
from flows.champion import champion_served
from flows.demo.living import App, Lived, live
from flows.demo.result import Result
from flows.demo.truth import Known, comparison
from flows.home import Home
from flows.keys import DEMO_REVIEWER
from flows.orchestration import orchestrated
from flows.registry import Registry
from flows.review import Review
from flows.settings import Settings
from posology.simulators import Cohort, World, simulate
from posology.therapy_file import load_therapy

THERAPY = "mci"
NEW_PATIENTS = 60
PAUSE_DAYS = 14  # between the last historical reading and the first patient of the app


def demo_home(folder: Path | None) -> Home:
    """A home for a demonstration: the folder given, else a new temporary one."""
    return Home.create_demo(folder or Path(tempfile.mkdtemp(prefix="posology-demo-")))


@dataclass(frozen=True)
class Demo:
    """One demonstration in a home of its own.

    Attributes:
        patients: in the historical cohort.
        weeks: that new patients live through the API.
        step: told what happens now.
        detail: told how far that is.
    """

    home: Home
    patients: int
    weeks: int
    seed: int
    step: Callable[[str], None] = field(repr=False)
    detail: Callable[[str], None] = field(repr=False)

    def run(self) -> Result:
        """Everything, in order."""
        settings = Settings.read(self.home.root)
        therapy = load_therapy(THERAPY)
        self.step(f"Simulate {self.patients} patients treated by clinicians")
        cohort = simulate(therapy, patients=self.patients, seed=self.seed)
        known = Known(cohort.truth.decisions.select("decision_id", "expected_feedback"), cohort.truth.patients)
        self._fill_store(settings, cohort)
        self.step("Start the Prefect server")
        with orchestrated(self.home, settings), listening(self.step):
            first = self._retrain()
            figures = [comparison(self._evidence(first), known)]
            self._sign_and_promote(settings, first)
            lived = self._live(settings, cohort)
            second = self._retrain()
            figures.append(comparison(self._evidence(second), known.with_decisions(lived.truth)))
        return Result(self.home, [first, second], figures, lived)

    def _fill_store(self, settings: Settings, cohort: Cohort) -> None:
        from serving.store import Store

        self.step("Put them into the operational store")
        with closing(Store.open(settings.store_url, load_therapy(THERAPY))) as store:
            store.load(cohort.tables)

    def _retrain(self) -> dict[str, Any]:
        from flows.retrain import retrain

        return dict(retrain(THERAPY, None, str(self.home.root)) or {})

    def _sign_and_promote(self, settings: Settings, retrained: dict[str, Any]) -> None:
        from flows.promote import promote

        self.step("Sign with the demo key (a real home refuses it)")
        review = Review(self.home, settings, Registry.open(self.home, settings))
        review.sign(
            retrained["release"],
            name=DEMO_REVIEWER,
            meaning="approve",
            reason="a demonstration on simulated patients",
            now=datetime.now(UTC),
        )
        promote(THERAPY, settings.author, str(self.home.root))

    def _live(self, settings: Settings, cohort: Cohort) -> Lived:
        last = cohort.tables.as_of
        if last is None:
            raise ValueError("the cohort is empty")
        start = (last + timedelta(days=PAUSE_DAYS)).replace(hour=0, minute=0, second=0, microsecond=0)
        world = World(
            load_therapy(THERAPY),
            patients=NEW_PATIENTS,
            seed=self.seed + 1,
            start=start,
            prefix="app",
            enrolment_days=7,
        )
        self.step("Start the service")
        with (
            champion_served(self.home, settings, THERAPY, port=None) as served,
            App(served.url, served.token) as app,
        ):
            self.step(f"{NEW_PATIENTS} new patients live {self.weeks} weeks through the HTTP API")
            return live(app, world, days=7 * self.weeks + 1, seed=self.seed, detail=self.detail)

    def _evidence(self, retrained: dict[str, Any]) -> Path:
        return self.home.runs / retrained["release"] / "evaluation"
