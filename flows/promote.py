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


def _check(promotion: Promotion, therapy: str, release: str | None) -> ReleaseVersion:
    return promotion.check_approval(therapy, release)


def _build(promotion: Promotion, version: ReleaseVersion) -> str:
    return promotion.build(version)


def _probe(promotion: Promotion, version: ReleaseVersion, bundle: str) -> None:
    promotion.probe(version, bundle)


def _switch(promotion: Promotion, version: ReleaseVersion, bundle: str, by: str) -> ReleaseVersion:
    return promotion.switch(version, bundle, by=by, now=datetime.now(UTC))


check_approval = step("Check verdict and signatures", _check)
build_bundle = step("Build the bundle", _build, retries=1)
probe_bundle = step("Probe the bundle with the golden requests", _probe, retries=1)
make_champion = step("Use it as signed", _switch, retries=2)


@flow(name="promote", flow_run_name="promote {therapy}")
def promote(therapy: str, by: str, home: str | None = None, release: str | None = None) -> str:
    """Use the signed candidate of a therapy as it was signed for; refuses without verdict or signatures.

    Args:
        therapy: the therapy's name.
        by: who promotes.
        home: the home's folder; as set in the environment when None.
        release: which; the candidate when None.

    Returns:
        The release that was promoted.
    """
    settings = Settings.read(Path(home) if home else None)
    here = Home.open(settings.home)
    promotion = Promotion(here, settings, Registry.open(here, settings))
    version = check_approval(promotion, therapy, release)
    bundle = build_bundle(promotion, version)
    probe_bundle(promotion, version, bundle)
    promoted = make_champion(promotion, version, bundle, by)
    place = "is the champion" if "champion" in promoted.aliases else "runs beside the champion"
    create_markdown_artifact(
        f"**{promoted.release}** {place} of {therapy}; bundle `{bundle}`; promoted by {by}.", key="promotion"
    )
    return promoted.release
