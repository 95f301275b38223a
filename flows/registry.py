"""The releases MLflow's registry holds, and which of them is candidate, champion and previous."""

import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlparse
from urllib.request import url2pathname

from flows.home import Home
from flows.release_version import REQUIRED_TAGS, ReleaseVersion
from flows.settings import Settings
from posology.errors import CannotDo, NotFound, ServiceDown, SettingsError
from posology.files import whole_folder

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

Alias = Literal["candidate", "champion", "previous"]
COMPLETED = "completed"
SUFFIX = "-release"
RELEASE_NAME = re.compile(r"(?P<therapy>[\w-]+)-[0-9a-f]{12}")


class Registry:
    """Reads and moves releases in the registry; sees only versions whose registration was completed."""

    def __init__(self, tracking_uri: str, *, copies: Path) -> None:
        """Use ``Registry.open`` unless the database is known to exist.

        Args:
            copies: folder for copies of releases whose artifacts are on another machine.
        """
        from mlflow import MlflowClient

        self._client = MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)
        self._tracking_uri = tracking_uri
        self._copies = copies

    @classmethod
    def open(cls, home: Home, settings: Settings) -> "Registry":
        """The registry of a home; its database is made when there is none."""
        prepare(home, settings)
        return cls(settings.mlflow_tracking_uri, copies=home.releases)

    def register_release(
        self, therapy: str, *, run_id: str, release: str, artifact_uri: str, tags: Mapping[str, str]
    ) -> ReleaseVersion:
        """Enter a release; it is seen once all its tags are there. With the same tags again gives the one that is."""
        if missing := [name for name in REQUIRED_TAGS if not tags.get(name)]:
            raise CannotDo(f"Release {release} cannot be registered without the tags {', '.join(missing)}.")
        known = self._newest(therapy, release)
        if known and all(known.tags.get(name) == value for name, value in tags.items()):
            return known
        name = therapy + SUFFIX
        self._ensure_model(name)
        made = self._client.create_model_version(
            name, source=artifact_uri, run_id=run_id, tags={**tags, "release": release}
        )
        self._client.set_model_version_tag(name, str(made.version), COMPLETED, "true")
        return self.version(therapy, str(made.version))

    def find(self, release: str) -> ReleaseVersion:
        """The release of that name, for example ``mci-3fa4c1d2e5b6``."""
        name = RELEASE_NAME.fullmatch(release)
        if not name or not (found := self._newest(name["therapy"], release)):
            raise NotFound(f"No release {release} in the registry; `posology review list` shows what is there.")
        return found

    def version(self, therapy: str, version: str) -> ReleaseVersion:
        """One version as it is now. Asked one by one: a search leaves the aliases out."""
        return _as_release(therapy, self._client.get_model_version(therapy + SUFFIX, version))

    def learnt_from(self, therapy: str, data_versions: Collection[str]) -> list[ReleaseVersion]:
        """The releases that were trained on these data, the newest first."""
        found: list[ReleaseVersion] = []
        page, name = None, therapy + SUFFIX
        while page != "":
            versions = self._client.search_model_versions(f"name = '{name}'", page_token=page)
            found += [self.version(therapy, str(one.version)) for one in versions if _is_of(one, data_versions)]
            page = versions.token or ""
        return found

    def therapies(self) -> list[str]:
        """Names of the therapies that have a registered release."""
        models = self._client.search_registered_models(f"name LIKE '%{SUFFIX}'")
        return sorted(model.name.removesuffix(SUFFIX) for model in models)

    def candidate(self, therapy: str) -> ReleaseVersion | None:
        """The newest release put up for review."""
        return self._at(therapy, "candidate")

    def champion(self, therapy: str) -> ReleaseVersion | None:
        """The release that is live."""
        return self._at(therapy, "champion")

    def previous(self, therapy: str) -> ReleaseVersion | None:
        """The release that a rollback brings back."""
        previous, champion = self._at(therapy, "previous"), self._at(therapy, "champion")
        return previous if previous and champion and previous.version != champion.version else None

    def set_candidate(self, version: ReleaseVersion) -> None:
        """Put a release up for review."""
        self._point("candidate", version)

    def make_champion(self, version: ReleaseVersion) -> None:
        """Make a release live; the one before becomes previous. At no moment is there none."""
        before = self.champion(version.therapy)
        if before and before.version != version.version:
            self._point("previous", before)
        self._point("champion", version)
        candidate = self.candidate(version.therapy)
        if candidate and candidate.version == version.version:
            self._client.delete_registered_model_alias(version.therapy + SUFFIX, "candidate")

    def roll_back(self, to: ReleaseVersion, *, then_previous: ReleaseVersion | None) -> None:
        """Make an earlier release live again.

        Args:
            then_previous: what a further rollback would bring back.
        """
        self._point("champion", to)
        self._point("previous", then_previous or to)  # previous and champion in one: there is none before

    def tag(self, version: ReleaseVersion, name: str, value: str) -> None:
        """Note something on a release."""
        self._client.set_model_version_tag(version.therapy + SUFFIX, version.version, name, value)

    def download(self, version: ReleaseVersion) -> Path:
        """The release folder on this machine; copied here once when its artifacts are elsewhere."""
        place = urlparse(version.source)
        folder = Path(url2pathname(place.path)) if place.scheme in ("", "file") else self._copy(version)
        if (folder / "release.json").is_file():
            return folder
        raise NotFound(f"Release {version.release}: expected a release folder at {version.source}.")

    def _copy(self, version: ReleaseVersion) -> Path:
        from mlflow.artifacts import download_artifacts

        copy = self._copies / f"{version.release}-{version.version}"
        if not copy.exists():
            with whole_folder(copy) as partial:
                download_artifacts(artifact_uri=version.source, tracking_uri=self._tracking_uri, dst_path=str(partial))
        return next((path.parent for path in copy.rglob("release.json")), copy)

    def _ensure_model(self, name: str) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self._client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    def _newest(self, therapy: str, release: str) -> ReleaseVersion | None:
        found = self._client.search_model_versions(f"name = '{therapy + SUFFIX}' AND tag.release = '{release}'")
        completed = [one for one in found if one.tags.get(COMPLETED) == "true"]
        newest = max(completed, key=lambda one: int(one.version), default=None)
        return self.version(therapy, str(newest.version)) if newest else None

    def _at(self, therapy: str, alias: Alias) -> ReleaseVersion | None:
        from mlflow.exceptions import MlflowException

        try:
            found = self._client.get_model_version_by_alias(therapy + SUFFIX, alias)
        except MlflowException as error:
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return None
            raise
        return _as_release(therapy, found) if found.tags.get(COMPLETED) == "true" else None

    def _point(self, alias: Alias, version: ReleaseVersion) -> None:
        self._client.set_registered_model_alias(version.therapy + SUFFIX, alias, version.version)


def prepare(home: Home, settings: Settings) -> None:
    """Make MLflow's database once, however many processes come at the same time; raises ``ServiceDown``."""
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    if home.kind == "demo" and not settings.mlflow_tracking_uri.startswith(f"sqlite:///{home.root}/"):
        raise SettingsError("A demo keeps its registry to itself; unset POSOLOGY_MLFLOW_TRACKING_URI.")
    home.mlflow.mkdir(parents=True, exist_ok=True)
    with home.lock("mlflow"):
        try:
            MlflowClient(tracking_uri=settings.mlflow_tracking_uri).get_experiment("0")
        except (MlflowException, SQLAlchemyError, OSError) as error:
            raise ServiceDown(
                f"MLflow does not answer at POSOLOGY_MLFLOW_TRACKING_URI: {type(error).__name__}."
            ) from error


def _is_of(version: "ModelVersion", data_versions: Collection[str]) -> bool:
    return version.tags.get(COMPLETED) == "true" and version.tags.get("data_version") in data_versions


def _as_release(therapy: str, found: "ModelVersion") -> ReleaseVersion:
    return ReleaseVersion(
        therapy=therapy,
        release=found.tags["release"],
        version=str(found.version),
        run_id=found.run_id or "",
        source=found.source or "",
        created_at=datetime.fromtimestamp(found.creation_timestamp / 1000, UTC),
        aliases=tuple(sorted(found.aliases)),
        tags=dict(found.tags),
    )
