"""What the service is told by its environment."""

from pathlib import Path

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from posology.errors import SettingsError

PREFIX = "POSOLOGY_"
SHORTEST_TOKEN = 16  # letters; the one made in the home has 43


class ServiceSettings(BaseSettings):
    """Addresses and limits of one service; in the environment each is ``POSOLOGY_`` and its name.

    Attributes:
        store_url: where the operational store is.
        files: folder of the pictures that patients' columns name; without it they count as missing.
        token: what whoever runs the service sends as ``Authorization: Bearer``; other tokens are in the store.
        demo: lets a caller set the time with the header ``Posology-Now``.
        plan_key: file of the key that plans for days without network are signed with, made when it is not there;
            without it no plans are made.
        approval: JSON file of who signed for the release and by which plan; see ``serving.modes.standing``.
        ready: file that is made once the release is loaded.
        max_body_bytes: a larger body is refused.
        body_seconds: a body that takes longer to come is refused.
        deadline_seconds: a decision that takes longer is answered by the safe default.
        journal: folder where decisions wait while the database does not take them; beside an SQLite store when
            not given. It must be on a disk that outlives the process.
        max_in_flight: a call beyond this many at once is answered 429.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid", hide_input_in_errors=True)

    store_url: str = Field(min_length=1, repr=False)
    files: Path | None = None
    token: SecretStr = Field(min_length=SHORTEST_TOKEN)
    demo: bool = False
    approval: Path | None = None
    plan_key: Path | None = None
    deadline_seconds: float = Field(default=1.0, gt=0, le=600)
    journal: Path | None = None
    ready: Path | None = None
    max_body_bytes: int = Field(default=1_000_000, ge=1_000)
    body_seconds: float = Field(default=10.0, gt=0)
    max_in_flight: int = Field(default=64, ge=1)


def read_settings() -> ServiceSettings:
    """The settings in the environment; raises ``SettingsError`` naming each that is missing or wrong."""
    try:
        return ServiceSettings()
    except ValidationError as error:
        wrong = "; ".join(f"{PREFIX}{str(item['loc'][0]).upper()}: {item['msg']}" for item in error.errors())
        raise SettingsError(f"the service does not start: {wrong}") from None
