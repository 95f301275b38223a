"""A release as the registry knows it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

REQUIRED_TAGS = (
    "data_version",
    "git_commit",
    "therapy_digest",
    "envelope_digest",
    "release_digest",
    "dossier_digest",
    "verdict",
    "author",
)


@dataclass(frozen=True)
class ReleaseVersion:
    """One registered version of a therapy's release; its tags hold at least ``REQUIRED_TAGS``."""

    therapy: str
    release: str
    version: str
    run_id: str
    source: str  # URI of the release folder
    created_at: datetime
    aliases: tuple[str, ...]
    tags: Mapping[str, str] = field(repr=False)
