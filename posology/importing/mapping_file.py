"""A mapping from its YAML file, held to a therapy, with the line in every complaint."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from posology.checked_file import CheckedFile, Kind, Misplaced
from posology.errors import CannotDo, MappingError
from posology.importing.mapping import Entry, Mapping
from posology.importing.plan import Plan
from posology.tables import NAMES
from posology.therapy import Therapy

MAPPING = Kind(MappingError, "mapping", "users, measurements, sessions", "docs/import.md")


@dataclass(frozen=True)
class MappingFile:
    """A mapping and where each of its words stands."""

    file: CheckedFile
    mapping: Mapping

    @classmethod
    def read(cls, path: Path) -> "MappingFile":
        """The mapping of a YAML file.

        Raises:
            MappingError: no such file, not YAML, or a mapping that does not hold; file and line are named.
        """
        file = CheckedFile.read(path, MAPPING)
        lines = dict(file.lines)
        for place, line in file.lines.items():  # one source alone is the first of a list
            if len(place) > 1 and isinstance(place[1], str):
                lines[place[0], 0, *place[1:]] = line
                lines.setdefault((place[0], 0), line)
        file = replace(file, lines=lines)
        return cls(file, file.value(Mapping))

    def plans(self, therapy: Therapy) -> list[Plan]:
        """What to do with every source, in the order of the tables.

        Raises:
            MappingError: the mapping does not fit the therapy.
        """
        self._check_tables(therapy)
        return [self._plan(table, place, entry, therapy) for table, place, entry in self._entries()]

    def wrong(self, plan: Plan, error: ValueError) -> CannotDo:
        """The error to raise when a source does not fit its plan."""
        deeper = error.place if isinstance(error, Misplaced) else ()
        return self.file.wrong(str(error), (plan.table, plan.place, *deeper))

    def _entries(self) -> Iterator[tuple[str, int, Entry]]:
        for table in NAMES:
            for place, entry in enumerate(getattr(self.mapping, table) or ()):
                yield table, place, entry

    def _plan(self, table: str, place: int, entry: Entry, therapy: Therapy) -> Plan:
        several = len(getattr(self.mapping, table)) > 1
        name = f"{entry.name} ({table} {place + 1})" if several else entry.name
        plan = Plan.of(table, place, entry, name=name, therapy=therapy)
        try:
            plan.check()
        except ValueError as error:
            raise self.wrong(plan, error) from error
        return plan

    def _check_tables(self, therapy: Therapy) -> None:
        has_catalogue, has_status = therapy.catalogue is not None, therapy.status is not None
        needed = {"users": True, "measurements": has_status, "contents": not has_catalogue, "sessions": True}
        for table, is_needed in needed.items():
            if is_needed and getattr(self.mapping, table) is None:
                raise self.file.wrong(f"expected {table}: its sources, or [] when there are no rows", ())
