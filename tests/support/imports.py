"""What a file of the project imports, directly or through others, read without executing anything."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.support.paths import ROOT

ROOMS = ("inference", "service", "training", "lunar", "benchmarks", "tests")


def imported_modules(path: Path) -> frozenset[str]:
    """Names in the imports of the file and of the project's files that it imports.

    Of packages from elsewhere the first part: numpy, training, training.config. What the file imports inside its own
    functions counts; what other files import inside theirs does not.
    """
    found: set[str] = set()
    waiting, seen = list(_imports(path, functions=True)), set[Path]()
    while waiting:
        name = waiting.pop()
        if name.partition(".")[0] not in ROOMS:
            found.add(name.partition(".")[0])
            continue
        found.add(name)
        for source in _sources(name):
            if source not in seen:
                seen.add(source)
                waiting += _imports(source)
    return frozenset(found)


def imported_names(path: Path) -> frozenset[str]:
    """Every dotted name that stands in an import of the file: `a.b` and `a.b.c` for `from a.b import c`."""
    return frozenset(_imports(path, functions=True))


@cache
def _imports(path: Path, *, functions: bool = False) -> tuple[str, ...]:
    names: list[str] = []
    for node in _statements(ast.parse(path.read_text(encoding="utf-8")), functions=functions):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return tuple(names)


def _statements(node: ast.AST, *, functions: bool) -> Iterator[ast.AST]:
    """Those that an import executes, or also those in functions; what only type checkers read is left out."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and not functions:
            continue
        if isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING":
            continue
        yield child
        yield from _statements(child, functions=functions)


def _sources(name: str) -> Iterator[Path]:
    """The files that importing a module of the project executes: its own and those of the packages around it."""
    parts = name.split(".")
    for count in range(1, len(parts) + 1):
        base = ROOT.joinpath(*parts[:count])
        for source in (base / "__init__.py", base.with_suffix(".py")):
            if source.is_file():
                yield source
