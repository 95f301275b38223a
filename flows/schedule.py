"""Retraining on a schedule, served by this process until it is stopped."""

from typing import cast

from prefect import serve
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.deployments.runner import RunnerDeployment
from prefect.schedules import Cron
from prefect.types.entrypoint import EntrypointType

from flows.home import Home
from flows.retrain import retrain
from flows.settings import Settings
from flows.versioning import therapy_argument
from posology.therapy_file import load_therapy


def serve_schedule(home: Home, settings: Settings, therapies: tuple[str, ...]) -> None:
    """Serve one deployment a therapy; returns when the process is asked to end.

    Runs of one therapy never overlap (the later one is cancelled), and the
    schedule stays active when the process stops, so that the next start goes
    on with it. Runs missed meanwhile end at once when they are hours late.

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
            concurrency_limit=ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW),
        )
        for therapy in therapies
    ]
    serve(*cast(list[RunnerDeployment], deployments), pause_on_shutdown=False, print_starting_message=False)
