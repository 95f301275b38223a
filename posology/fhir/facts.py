"""What a number of resources say, gathered by kind, each resource accounted for."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import polars as pl

from posology.fhir.bundles import Document, Entry, documents_of, entries_of
from posology.fhir.mapping import KINDS, fact_of, schema_of_kind
from posology.fhir.release import FhirRelease
from posology.fhir.report import NotMapped
from posology.fhir.resource import Reading
from posology.fhir.values import Json, Unmapped
from posology.therapy import Therapy

ROWS_AT_ONCE = 20_000  # held as dicts before they become a frame


@dataclass
class Facts:
    """Resources read so far: frames by kind (see ``schema_of_kind``), and what was not mapped."""

    therapy: Therapy
    untagged: FhirRelease
    resources: int = 0
    not_mapped: list[NotMapped] = field(default_factory=list)
    partly: list[NotMapped] = field(default_factory=list)
    no_place: Counter[str] = field(default_factory=Counter)
    _frames: dict[str, list[pl.DataFrame]] = field(default_factory=dict)
    _rows: dict[str, list[Json]] = field(default_factory=dict)

    def read(self, path: Path, folder: Path) -> None:
        """All resources of one file."""
        for document in documents_of(path, folder):
            for entry in self._entries(document):
                self._read(entry)

    def add(self, other: "Facts") -> None:
        """The facts of other files, after these."""
        self.resources += other.resources
        self.not_mapped += other.not_mapped
        self.partly += other.partly
        self.no_place += other.no_place
        for kind, frames in other.settled()._frames.items():
            self.settled()._frames.setdefault(kind, []).extend(frames)

    def settled(self) -> Self:
        """The same, with all rows in frames: small to hand to another process."""
        for kind in list(self._rows):
            self._spill(kind)
        return self

    def frame(self, kind: str) -> pl.DataFrame:
        """All facts of one kind, in the order in which they were read."""
        self._spill(kind)
        return pl.concat(self._frames.pop(kind))

    def _entries(self, document: Document) -> Iterable[Entry]:
        try:
            return list(entries_of(document, self.untagged))
        except Unmapped as reason:
            self.resources += 1
            self.not_mapped.append(NotMapped(document.source, "", str(reason)))
            return []

    def _read(self, entry: Entry) -> None:
        self.resources += 1
        kind_of_resource = entry.resource.get("resourceType") if isinstance(entry.resource, dict) else None
        if isinstance(kind_of_resource, str) and kind_of_resource not in KINDS:
            self.no_place[kind_of_resource] += 1
            return
        try:
            reading = Reading.of(entry, self.therapy)
            kind, row = fact_of(reading)
        except Unmapped as reason:
            self.not_mapped.append(NotMapped(entry.source, entry.key, str(reason)))
            return
        self.partly += [NotMapped(entry.source, entry.key, reason) for reason in reading.partly]
        rows = self._rows.setdefault(kind, [])
        rows.append({**row, "@source": entry.source, "@resource": entry.key})
        if len(rows) >= ROWS_AT_ONCE:
            self._spill(kind)

    def _spill(self, kind: str) -> None:
        frame = pl.DataFrame(self._rows.pop(kind, []), schema=schema_of_kind(kind, self.therapy))
        self._frames.setdefault(kind, []).append(frame)
