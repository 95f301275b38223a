"""Retraining on a schedule, served by this process until it is stopped."""

import asyncio
import signal
from typing import cast

from prefect.deployments.runner import RunnerDeployment
from prefect.runner import Runner
from prefect.schedules import Cron
from prefect.types.entrypoint import EntrypointType

from flows.home import Home
from flows.retrain import retrain
from flows.settings import Settings
from flows.versioning import therapy_argument
from posology.therapy_file import load_therapy


def serve_schedule(home: Home, settings: Settings, therapies: tuple[str, ...]) -> None:
    """Serve one deployment a therapy until the process is asked to end, which raises ``KeyboardInterrupt``.

    The schedule stays active when the process stops, so that the next start
    goes on with it. Runs missed meanwhile end at once when they are hours
    late, and so does one that finds the last still at work.

    Args:
        therapies: names or paths, one or more.

    Raises:
        TherapyError: one of them is not there or does not hold.
    """
    deployments = [
        retrain.to_deployment(
            name=f"scheduled {load_therapy(therapy).name}",
            parameters={"therapy": therapy_argument(therapy), "home": str(home.root)},
            schedule=Cron(settings.retrain_cron, timezone="UTC"),
            entrypoint_type=EntrypointType.MODULE_PATH,  # a path would depend on where this process was started
        )
        for therapy in therapies
    ]
    runner = Runner(pause_on_shutdown=False)
    for deployment in cast(list[RunnerDeployment], deployments):
        runner.add_deployment(deployment)
    # Prefect's own handler leaves its cleaning up undone; Ctrl-C it handles well.
    runner.handle_sigterm = lambda *_: signal.raise_signal(signal.SIGINT)  # type: ignore[method-assign]
    asyncio.run(runner.start())
