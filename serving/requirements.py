"""What a module needs to be imported: the distributions it imports and all they need, pinned as they are installed."""

import ast
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import files, packages_distributions, requires, version
from importlib.util import resolve_name
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("posology", "models", "serving")  # what travels in a bundle
BY_NAME_ONLY = ("psycopg2",)  # imported by SQLAlchemy when a URL says so


def pinned_requirements(module: str) -> list[str]:
    """``name==version`` of every distribution that a module of ours imports, also through others of ours, and needs."""
    imported = {owner for name in {*_reached(module), *BY_NAME_ONLY} for owner in _owners(name)}
    return sorted(f"{name}=={version(name)}" for name in _with_what_they_need(imported))


def _owners(module: str) -> Iterator[str]:
    """The distributions that a module may come from: one, unless several share a namespace and none has it alone."""
    top = module.partition(".")[0]
    if top in sys.stdlib_module_names or top in ROOMS:
        return
    owners = set(_distributions().get(top, ()))
    path = module.replace(".", "/")
    yield from (name for name in owners if len(owners) == 1 or {f"{path}.py", f"{path}/__init__.py"} & _files(name))


@cache
def _distributions() -> Mapping[str, list[str]]:
    return packages_distributions()


@cache
def _files(distribution: str) -> frozenset[str]:
    return frozenset(file.as_posix() for file in files(distribution) or ())


def _with_what_they_need(names: set[str]) -> set[str]:
    """These and what they require on this machine, to the last: a container has what was probed, not what is newest."""
    seen: set[tuple[str, str]] = set()  # with each extra asked of it
    waiting = [(canonicalize_name(name), "") for name in names]
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) not in seen:
            seen.add((name, extra))
            asked = [Requirement(text) for text in requires(name) or ()]
            needed = [each for each in asked if each.marker is None or each.marker.evaluate({"extra": extra})]
            waiting += [(canonicalize_name(each.name), more) for each in needed for more in ("", *each.extras)]
    return {name for name, _ in seen}


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
