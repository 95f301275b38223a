"""Every error a caller may want to catch.

PosologyError
├── CannotDo            the command could not be done (exit status 2)
│   ├── TherapyError    a therapy file that is unreadable or wrong
│   ├── MappingError    a mapping file that is unreadable or wrong
│   ├── TableError      a table that is missing, unreadable or breaks its contract
│   ├── SettingsError   a setting that is unknown or wrong
│   ├── TooSmall        too little data to do the step at all
│   ├── NotFound        a release, user or decision that is not there
│   └── ServiceDown     a server that does not answer
└── Refused             it worked and the answer is no (exit status 1)
    ├── DataInvalid     a table broke a table rule
    ├── Conflict        the same id again with another content
    └── NotSigned       a signature is missing, stale or does not count

A message says what was expected, what came and what to do next. It never
repeats a patient's data: row numbers and ids of rows are named, values of
patients are not.
"""

from collections.abc import Sequence


class PosologyError(Exception):
    """Root of all errors raised on purpose."""

    exit_status = 2


class CannotDo(PosologyError):
    """The command could not be done."""


class TherapyError(CannotDo):
    """A therapy file that is unreadable or wrong."""


class MappingError(CannotDo):
    """A mapping file that is unreadable or wrong, or does not fit its therapy or its sources."""


class TableError(CannotDo):
    """A table that is missing, unreadable or breaks its contract.

    Args:
        message: what was expected and what came.
        table: the table's name, for example "sessions".
        column: the column at fault, when there is one.
    """

    def __init__(self, message: str, *, table: str, column: str | None = None) -> None:
        super().__init__(message)
        self.table = table
        self.column = column


class SettingsError(CannotDo):
    """A setting that is unknown or wrong."""


class TooSmall(CannotDo):
    """Too little data to do the step at all."""


class NotFound(CannotDo):
    """A release, user or decision that is not there."""


class ServiceDown(CannotDo):
    """A server that does not answer."""


class Refused(PosologyError):
    """It worked and the answer is no."""

    exit_status = 1


class DataInvalid(Refused):
    """A table broke a table rule."""


class Conflict(Refused):
    """The same id again with another content."""


class NotSigned(Refused):
    """A signature is missing, stale or does not count."""


def legible(item: object, longest: int = 60) -> str:
    """An id or a name as one short piece of a line: control characters made visible, a long middle left out."""
    text = str(item)
    text = text if text.isprintable() else repr(text)[1:-1]
    return text if len(text) <= longest else f"{text[: longest // 2]}…{text[-8:]} ({len(text):,} characters)"


def first_few(items: Sequence[object], limit: int = 5) -> str:
    """The first items, comma separated, then "and N more"."""
    shown = ", ".join(legible(item) for item in items[:limit])
    rest = len(items) - limit
    return f"{shown} and {rest} more" if rest > 0 else shown
