"""What a module needs to be imported: the distributions it imports, pinned as they are installed."""

import ast
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import files, packages_distributions, version
from importlib.util import resolve_name
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("posology", "models", "serving")  # what travels in a bundle
BY_NAME_ONLY = ("psycopg2",)  # imported by SQLAlchemy when a URL says so


def pinned_requirements(module: str) -> list[str]:
    """``name==version`` of every distribution that a module of ours imports, also through others of ours."""
    found = {name for reached in (*_reached(module), *BY_NAME_ONLY) for name in _holders(reached)}
    return sorted(f"{name}=={version(name)}" for name in found)


def _holders(module: str) -> set[str]:
    """The distributions a module is from; several share one name at the top, such as ``opentelemetry``."""
    top = module.partition(".")[0]
    if top in sys.stdlib_module_names or top in ROOMS:
        return set()
    holders = set(_top_level().get(top, ()))
    return holders if len(holders) <= 1 else {name for name in holders if _holds(name, module.replace(".", "/"))}


@cache
def _top_level() -> Mapping[str, list[str]]:
    return packages_distributions()


def _holds(distribution: str, path: str) -> bool:
    return any(file.as_posix() in {f"{path}.py", f"{path}/__init__.py"} for file in files(distribution) or ())


def _reached(module: str) -> set[str]:
    """Every module imported from a module of ours, followed through ours only."""
    reached: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += _imports(name)
    return reached


@cache
def _imports(module: str) -> tuple[str, ...]:
    file = _file_of(module)
    if file is None:
        return ()
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    return tuple(_imported(ast.parse(file.read_text(encoding="utf-8")), package))


def _imported(tree: ast.Module, package: str) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            name = resolve_name("." * node.level + (node.module or ""), package)
            yield name
            yield from (f"{name}.{alias.name}" for alias in node.names)


def _file_of(module: str) -> Path | None:
    path = ROOT.joinpath(*module.split("."))
    if path.relative_to(ROOT).parts[0] not in ROOMS:
        return None
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)
