"""What became of every resource that came."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class NotMapped:
    """Something that is in no table, and why.

    Attributes:
        source: the file in the folder; of NDJSON with its line, from 1.
        resource: "Type/id"; empty where a whole file or line cannot be read.
        reason: in words; it repeats no value of a patient.
    """

    source: str
    resource: str
    reason: str


@dataclass(frozen=True)
class RecordsReport:
    """Resources in = mapped + not mapped + of types that no table has a place for.

    Attributes:
        resources: how many came; what cannot be read (a file, a line) counts as one.
        mapped: how many are in the tables now.
        not_mapped: the others, one by one.
        partly: parts of mapped resources that are in no table.
        no_place: how many came of each type that no table has a place for.

    Raises:
        ValueError: resources got lost on the way.
    """

    resources: int
    mapped: int
    not_mapped: tuple[NotMapped, ...]
    partly: tuple[NotMapped, ...]
    no_place: Mapping[str, int]

    def __post_init__(self) -> None:
        if self.resources != self.mapped + len(self.not_mapped) + sum(self.no_place.values()):
            raise ValueError(f"{self.resources} resources came, but mapped and reported are not as many")

    @property
    def complete(self) -> bool:
        """Whether everything that came is in the tables."""
        return self.resources == self.mapped and not self.partly

    def as_json(self) -> dict[str, Any]:
        """For programs and for ``not-mapped.json``."""
        return {"complete": self.complete, **asdict(self)}
