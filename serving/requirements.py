"""What a module needs to be imported: the distributions it imports, pinned as they are installed."""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions, version
from importlib.util import resolve_name
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("posology", "models", "serving")  # what travels in a bundle
BY_NAME_ONLY = ("psycopg2",)  # imported by SQLAlchemy when a URL says so


def pinned_requirements(module: str) -> list[str]:
    """``name==version`` of every distribution that a module of ours imports, also through others of ours."""
    names = {name.partition(".")[0] for name in _reached(module)} | set(BY_NAME_ONLY)
    known = packages_distributions()
    found = {known[name][0] for name in names - set(sys.stdlib_module_names) - set(ROOMS) if name in known}
    return sorted(f"{name}=={version(name)}" for name in found)


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
