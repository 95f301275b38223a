"""The settings of one home, read once where the program is wired.

Each comes from the environment (``POSOLOGY_RETRAIN_CRON``) or, when it is not
there, from ``posology.toml`` in the home (``retrain_cron = "0 3 * * 1"``).
"""

import getpass
import os
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from posology.errors import SettingsError, first_few

PREFIX = "POSOLOGY_"
FILE_NAME = "posology.toml"
CRON_FIELD = re.compile(r"[0-9A-Za-z*/,#-]+")


class Settings(BaseSettings):
    """Addresses and rules of one home; ``Settings.read()`` gives them or says what is wrong."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, frozen=True, extra="forbid", hide_input_in_errors=True
    )

    home: Path = Field(default=Path(".posology"), description="folder of everything embedded; made absolute")
    store_url: str = Field(default="", repr=False, description="operational store; default: SQLite in the home")
    files: Path = Field(default=Path(), description="folder of the pictures that the store's rows name")
    mlflow_tracking_uri: str = Field(default="", repr=False, description="default: SQLite in the home")
    prefect_api_url: str | None = Field(default=None, description="None: a local server in the home")
    dask_address: str | None = Field(
        default=None, description="Dask scheduler whose workers fold courses; they see the home. None: folded here"
    )
    retrain_cron: str = Field(default="0 3 * * 1", description="when the scheduled retraining runs, UTC")
    retrain_therapies: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="therapies retrained on schedule; in the environment separated by commas"
    )
    required_approvals: int = Field(default=1, ge=1, description="people who must approve before promotion")
    author: str = Field(default_factory=getpass.getuser, min_length=1, description="who runs; not the only signer")
    snapshot_remote: str = Field(default="", description="where snapshots are pushed: a folder or s3://bucket/prefix")
    snapshot_endpoint_url: str = Field(default="", description="of a store that speaks S3 but is not Amazon's")
    token: SecretStr | None = Field(
        default=None, description="what callers of the service send; None: made in the home"
    )

    @classmethod
    def read(cls, home: Path | None = None) -> Self:
        """The settings of a home; raises ``SettingsError`` naming every key that is unknown or wrong.

        Args:
            home: the folder given by hand; else ``$POSOLOGY_HOME``, else ``.posology`` here.
        """
        _refuse_unknown_variables()
        try:
            return cls() if home is None else cls(home=home)
        except ValidationError as error:
            raise SettingsError(_explanation(error)) from None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, _HomeFile(settings_cls, init_settings, env_settings)

    @field_validator("retrain_therapies", mode="before")
    @classmethod
    def _split_at_commas(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("retrain_cron")
    @classmethod
    def _five_cron_fields(cls, value: str) -> str:
        fields = value.split()
        if len(fields) != 5 or not all(CRON_FIELD.fullmatch(field) for field in fields):
            raise ValueError("expected five cron fields (minute hour day month weekday), for example '0 3 * * 1'")
        return value

    @field_validator("mlflow_tracking_uri")
    @classmethod
    def _no_place_that_moves(cls, value: str) -> str:
        if value and not re.match(r"(sqlite:////|postgresql|mysql|mssql|https?://)", value):
            raise ValueError("expected sqlite:////an/absolute/path.db, postgresql://… or http(s)://…")
        return value

    @field_validator("snapshot_remote")
    @classmethod
    def _a_folder_or_a_bucket(cls, value: str) -> str:
        if "://" in value and not re.fullmatch(r"s3://[^/@?]+(/[^?]*)?", value):
            raise ValueError("expected a folder, or s3://bucket/prefix without credentials in it")
        return value.rstrip("/") if "://" in value or not value else str(Path(value).expanduser().absolute())

    @field_validator("snapshot_endpoint_url")
    @classmethod
    def _an_address_without_credentials(cls, value: str) -> str:
        if value and not re.fullmatch(r"https?://[^/@?]+/?", value):
            raise ValueError("expected http(s)://host:port; credentials go into AWS_ACCESS_KEY_ID and its like")
        return value

    @model_validator(mode="before")
    @classmethod
    def _fill_in_from_the_home(cls, values: dict[str, Any]) -> dict[str, Any]:
        home = Path(values.get("home") or ".posology").expanduser().absolute()
        return {
            "store_url": f"sqlite:///{home / 'store.db'}",
            "files": home / "files",
            "mlflow_tracking_uri": f"sqlite:///{home / 'mlflow' / 'mlflow.db'}",
            **values,
            "home": home,
        }


class _HomeFile(PydanticBaseSettingsSource):
    """What ``posology.toml`` of the home says; the home itself comes from the sources before it."""

    def __init__(self, settings_cls: type[BaseSettings], *before: PydanticBaseSettingsSource) -> None:
        super().__init__(settings_cls)
        self._before = before

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        return self().get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        home = next((values["home"] for source in self._before if (values := source()).get("home")), ".posology")
        file = Path(home).expanduser() / FILE_NAME
        try:
            found = tomllib.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        except ValueError as error:  # not TOML, or not text
            raise SettingsError(f"{file} is not TOML: {error}") from None
        if unknown := sorted(set(found) - (set(Settings.model_fields) - {"home"})):
            raise SettingsError(_unknown(f"{file} holds", unknown, set(Settings.model_fields) - {"home"}))
        return found


def _refuse_unknown_variables() -> None:
    names = {
        *Settings.model_fields,
        "max_body_bytes",
        "body_seconds",
        "max_in_flight",
    }  # the latter three are the service's own
    known = {PREFIX + name.upper() for name in names}
    if unknown := sorted(name for name in os.environ if name.upper().startswith(PREFIX) and name.upper() not in known):
        raise SettingsError(_unknown("The environment holds", unknown, known))


def _unknown(where: str, unknown: list[str], known: set[str]) -> str:
    return f"{where} what is not a setting: {first_few(unknown)}. Known: {', '.join(sorted(known))}."


def _explanation(error: ValidationError) -> str:
    """What is wrong with which setting, without repeating values: a token or a password may be among them."""
    lines = [f"{'.'.join(map(str, one['loc'])) or 'settings'}: {one['msg']}" for one in error.errors()]
    return f"Settings are wrong: {'; '.join(lines)}. Set them as {PREFIX}NAME or in {FILE_NAME} of the home."
