"""The flow ``promote``: from a signed candidate to the champion, its bundle built and probed."""

from datetime import UTC, datetime
from pathlib import Path

from prefect import flow
from prefect.artifacts import create_markdown_artifact

from flows.home import Home
from flows.promotion import Promotion
from flows.registry import Registry
from flows.release_version import ReleaseVersion
from flows.settings import Settings
from flows.tasks import step


def _check(promotion: Promotion, therapy: str) -> ReleaseVersion:
    return promotion.check_approval(therapy)


def _build(promotion: Promotion, version: ReleaseVersion) -> str:
    return promotion.build(version)


def _probe(promotion: Promotion, version: ReleaseVersion, bundle: str) -> None:
    promotion.probe(version, bundle)


def _switch(promotion: Promotion, version: ReleaseVersion, bundle: str, by: str) -> ReleaseVersion:
    return promotion.switch(version, bundle, by=by, now=datetime.now(UTC))


check_approval = step("Check verdict and signatures", _check)
build_bundle = step("Build the bundle", _build, retries=1)
probe_bundle = step("Probe the bundle with the golden requests", _probe, retries=1)
make_champion = step("Make it the champion", _switch, retries=2)


@flow(name="promote", flow_run_name="promote {therapy}")
def promote(therapy: str, by: str, home: str | None = None) -> str:
    """Make the signed candidate of a therapy the champion; refuses without verdict or signatures.

    Args:
        therapy: the therapy's name.
        by: who promotes.
        home: the home's folder; as set in the environment when None.

    Returns:
        The release that is champion now.
    """
    settings = Settings.read(Path(home) if home else None)
    here = Home.open(settings.home)
    promotion = Promotion(here, settings, Registry.open(here, settings))
    version = check_approval(promotion, therapy)
    bundle = build_bundle(promotion, version)
    probe_bundle(promotion, version, bundle)
    champion = make_champion(promotion, version, bundle, by)
    create_markdown_artifact(
        f"**{champion.release}** is the champion of {therapy}; bundle `{bundle}`; promoted by {by}.", key="promotion"
    )
    return champion.release
