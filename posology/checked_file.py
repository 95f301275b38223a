"""A YAML file read into a value that checks itself, with file and line in every complaint."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from posology.errors import CannotDo

LARGEST = 200_000  # entries: some 20,000 contents of a therapy
LONGEST = 8_000_000  # bytes: LARGEST entries of 40 bytes each
Place = tuple[str | int, ...]
Lines = dict[Place, int]  # where each key or item stands
Value = TypeVar("Value", bound=BaseModel)
_LOGIN = re.compile(r"://\S*@")  # of an address; it may hold a password


class Misplaced(ValueError):
    """A complaint about one place deeper in the definition, for example ("safety", "rules", 0, "forbid")."""

    def __init__(self, message: str, *place: str | int) -> None:
        super().__init__(message)
        self.place = place


@dataclass(frozen=True)
class Kind:
    """What a file should be: its error, its name in words, its first keys, and the page that explains it."""

    error: type[CannotDo]
    name: str
    keys: str
    guide: str


@dataclass(frozen=True)
class CheckedFile:
    """The content of a YAML file and the line of each key."""

    path: Path
    kind: Kind
    content: Any
    lines: Lines

    @classmethod
    def read(cls, path: Path, kind: Kind) -> "CheckedFile":
        """The file, whose keys are not yet known to be right.

        Raises:
            CannotDo: as ``kind`` says, when it is not YAML, holds no mapping, or a key stands twice.
        """
        lines = Lines()
        try:
            loader = _Loader(_text(path, kind))
            node = loader.get_single_node()
            if not isinstance(node, yaml.MappingNode):
                raise kind.error(f"{path} line 1: expected a mapping with {kind.keys}, …; see {kind.guide}")
            _note_lines(node, (), lines, path, kind)
            content = loader.construct_document(node)
        except (OSError, UnicodeDecodeError, RecursionError, yaml.YAMLError) as error:
            raise kind.error(f"{path}{_why(error)}") from error
        return cls(path, kind, content, lines)

    def value(self, model: type[Value]) -> Value:
        """The content as a checked value.

        Raises:
            CannotDo: it does not hold; one line for each complaint.
        """
        try:
            return model.model_validate(self.content)
        except ValidationError as error:
            raise self.kind.error("\n".join(self._complaint(item) for item in error.errors())) from error

    def wrong(self, message: str, place: Sequence[str | int]) -> CannotDo:
        """The error to raise for something wrong at a place."""
        return self.kind.error(self._say(message, tuple(place)))

    def _complaint(self, item: Any) -> str:
        wrong = item.get("ctx", {}).get("error")
        deeper = wrong.place if isinstance(wrong, Misplaced) else ()
        place = (*(step for step in item["loc"] if step != "[key]"), *deeper)
        if item["type"] == "extra_forbidden":
            name = ".".join(str(step) for step in place)
            return f"{self._line(place)}: unknown key {name}; see {self.kind.guide} for the keys there are"
        came = "" if item["type"] in {"missing", "value_error"} else f", got {item['input']!r}"
        return self._say(item["msg"].removeprefix("Value error, ") + came, place)

    def _say(self, message: str, place: Place) -> str:
        name = ".".join(str(step) for step in place)
        return _LOGIN.sub("://…@", f"{self._line(place)}: {name + ': ' if name else ''}{message}")

    def _line(self, place: Place) -> str:
        known = next(place[:n] for n in range(len(place), -1, -1) if place[:n] in self.lines)
        return f"{self.path} line {self.lines[known]}"


class _Loader(yaml.SafeLoader):
    """Tells the line of a value that reads like a number or a date and is none."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, TypeError, LookupError, AttributeError) as error:  # how the reader meets !!bool x, !!int ""
            said = str(error) if type(error) is ValueError else f"expected what {node.tag} says, got something else"
            raise yaml.constructor.ConstructorError(None, None, said, node.start_mark) from error


def _why(error: Exception) -> str:
    """The line and what is wrong there, without what stands there: it may be a password."""
    mark = getattr(error, "problem_mark", None)
    where = f" line {mark.line + 1}" if mark else ""
    if isinstance(error, OSError):
        said = error.strerror or "it cannot be opened"
    elif isinstance(error, RecursionError):
        said = "it is nested too deep"
    elif isinstance(error, UnicodeDecodeError):
        said = "it is not UTF-8"
    else:
        said = str(getattr(error, "problem", None) or getattr(error, "reason", "it is none"))
    return f"{where}: expected a YAML file that can be read: {said}"


def _text(path: Path, kind: Kind) -> str:
    size = path.stat().st_size
    if size > LONGEST:
        raise kind.error(f"{path}: expected a {kind.name} of at most {LONGEST:,} bytes, got {size:,}; is it one?")
    return path.read_text(encoding="utf-8")


def _note_lines(node: yaml.Node, path: Place, lines: Lines, file: Path, kind: Kind) -> None:
    if len(lines) > LARGEST:
        raise kind.error(
            f"{file}: more than {LARGEST:,} entries, aliases counted where they stand; is it a {kind.name}?"
        )
    lines[path] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise kind.error(
                    f"{file} line {key.start_mark.line + 1}: expected a name as a key, got a list or mapping"
                )
            step = (*path, key.value)
            if step in lines:
                raise kind.error(f"{file} line {key.start_mark.line + 1}: {key.value} stands twice")
            _note_lines(value, step, lines, file, kind)
            lines[step] = key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for place, value in enumerate(node.value):
            _note_lines(value, (*path, place), lines, file, kind)
