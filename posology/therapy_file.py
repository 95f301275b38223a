"""A therapy from its YAML file, with the line in every complaint."""

from pathlib import Path

from posology.checked_file import CheckedFile, Kind
from posology.errors import TherapyError
from posology.therapy import Therapy

SHIPPED = Path(__file__).resolve().parent.parent / "therapies"
THERAPY = Kind(TherapyError, "therapy", "name, title, safety", "docs/therapy.md")


def load_therapy(name_or_path: str | Path) -> Therapy:
    """The therapy of a shipped name (``mci``) or of a YAML file's path.

    Raises:
        TherapyError: no such file, not YAML, or a definition that does not hold;
            the message names file and line and says what was expected.
    """
    return CheckedFile.read(find_therapy(name_or_path), THERAPY).value(Therapy)


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
