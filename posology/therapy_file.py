"""A therapy from its YAML file, with the line in every complaint."""

from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from posology.errors import TherapyError
from posology.therapy import Misplaced, Therapy

SHIPPED = Path(__file__).resolve().parent.parent / "therapies"
LARGEST = 200_000  # entries: some 20,000 contents
Lines = dict[tuple[str | int, ...], int]  # where each key or item stands


def load_therapy(name_or_path: str | Path) -> Therapy:
    """The therapy of a shipped name (``mci``) or of a YAML file's path.

    Raises:
        TherapyError: no such file, not YAML, or a definition that does not hold;
            the message names file and line and says what was expected.
    """
    path, lines = find_therapy(name_or_path), Lines()
    try:
        loader = _Loader(path.read_text(encoding="utf-8"))
        node = loader.get_single_node()
        if not isinstance(node, yaml.MappingNode):
            raise TherapyError(f"{path} line 1: expected a mapping with name, title, safety, …; see docs/therapy.md")
        _note_lines(node, (), lines, path)
        content = loader.construct_document(node)
    except (OSError, UnicodeDecodeError, RecursionError, yaml.YAMLError) as error:
        raise TherapyError(f"{path}: expected a YAML file that can be read: {error}") from error
    try:
        return Therapy.model_validate(content)
    except ValidationError as error:
        complaints = "\n".join(_complaint(path, lines, item) for item in error.errors())
        raise TherapyError(complaints) from error


class _Loader(yaml.SafeLoader):
    """Tells the line of a value that reads like a number or a date and is none."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except ValueError as error:
            raise yaml.constructor.ConstructorError(None, None, str(error), node.start_mark) from error


def find_therapy(name_or_path: str | Path) -> Path:
    """The file of a shipped therapy's name, or the path itself."""
    path = Path(name_or_path)
    if path.suffix in {".yaml", ".yml"}:
        if path.is_file():
            return path
        raise TherapyError(f"{path}: no such therapy file")
    shipped = SHIPPED / f"{name_or_path}.yaml"
    if shipped.is_file():
        return shipped
    names = ", ".join(sorted(file.stem for file in SHIPPED.glob("*.yaml")))
    raise TherapyError(f"no therapy {str(name_or_path)!r}: expected one of {names}, or the path of a .yaml file")


def _note_lines(node: yaml.Node, path: tuple[str | int, ...], lines: Lines, file: Path) -> None:
    if len(lines) > LARGEST:
        raise TherapyError(f"{file}: more than {LARGEST:,} entries, aliases counted where they stand; is it a therapy?")
    lines[path] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            step = (*path, key.value)
            if step in lines:
                raise TherapyError(f"{file} line {key.start_mark.line + 1}: {key.value} stands twice")
            _note_lines(value, step, lines, file)
            lines[step] = key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for place, value in enumerate(node.value):
            _note_lines(value, (*path, place), lines, file)


def _complaint(file: Path, lines: Lines, item: Any) -> str:
    wrong = item.get("ctx", {}).get("error")
    deeper = wrong.place if isinstance(wrong, Misplaced) else ()
    place = (*(step for step in item["loc"] if step != "[key]"), *deeper)
    known = next(place[:n] for n in range(len(place), -1, -1) if place[:n] in lines)
    name = ".".join(str(step) for step in place)
    if item["type"] == "extra_forbidden":
        return f"{file} line {lines[known]}: unknown key {name}; see docs/therapy.md for the keys there are"
    came = "" if item["type"] in {"missing", "value_error"} else f", got {item['input']!r}"
    message = item["msg"].removeprefix("Value error, ")
    return f"{file} line {lines[known]}: {name + ': ' if name else ''}{message}{came}"
