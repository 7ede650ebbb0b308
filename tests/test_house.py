"""The house's own rules: its words, the size of files and functions, and what tests import."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.imports import imported_modules, imported_names
from tests.support.paths import ROOT

PACKAGES = ("inference", "service", "training", "lunar", "client/src/lunar_client", "benchmarks")
FOLDERS = (*PACKAGES, "tests", "docs", "templates", "static", "deploy", "examples", ".ci")
TEXTS = {".py", ".md", ".toml", ".html", ".css", ".js", ".json", ".yml", ".yaml", ".sh", ".cfg", ".env", ""}
FUNCTION_LINES, FILE_LINES, TEST_FILE_LINES = 40, 250, 300
RETIRED_WORDS = (
    *("dossier", "findings", "course", "teach", "wish", "lane"),
    *("visit", "visits", "presence", "novelty", "material", "spoilers"),
)
# Fixed by the HTTP contract and by the format of bundles.
FIXED_NAMES = re.compile(r"expired-visit|novelty\\?\.(npz|json)")
RETIRED = re.compile(rf"(?<![A-Za-z])({'|'.join(RETIRED_WORDS)})(?![A-Za-z])", re.IGNORECASE)
TEST_MODULE = re.compile(r"tests\.(\w+\.)*(conftest|test_\w+)$")


def files(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from (path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def python_files(*folders: str) -> list[Path]:
    return sorted(path for path in files(*folders) if path.suffix == ".py")


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def retired_words(text: str) -> list[str]:
    return RETIRED.findall(FIXED_NAMES.sub("", text))


def test_no_test_imports_another_or_a_conftest() -> None:
    """What tests share lies in tests/support."""
    found = {
        str(path.relative_to(ROOT)): sorted(filter(TEST_MODULE.match, imported_names(path)))
        for path in python_files("tests", "benchmarks")
    }
    assert {path: names for path, names in found.items() if names} == {}


def test_benchmarks_import_nothing_that_is_a_test() -> None:
    """Neither pytest, directly or through tests/support, nor a part of tests beside it."""
    for path in python_files("benchmarks"):
        assert "pytest" not in imported_modules(path), path
        assert [name for name in imported_names(path) if re.match(r"tests\.(?!support)", name)] == [], path


def test_there_are_no_fixtures_in_support() -> None:
    assert [path.name for path in python_files("tests/support") if "@pytest.fixture" in path.read_text()] == []


def test_no_function_is_longer_than_forty_lines() -> None:
    long = [
        f"{path.relative_to(ROOT)}:{function.lineno} {function.name}: {lines} lines"
        for path in python_files(*PACKAGES)
        for function in functions(path)
        if (lines := (function.end_lineno or 0) - function.lineno + 1) > FUNCTION_LINES
    ]
    assert not long, "\n".join(long)


@pytest.mark.parametrize(("folders", "most"), [(PACKAGES, FILE_LINES), (("tests",), TEST_FILE_LINES)])
def test_no_file_is_longer_than_its_limit(folders: tuple[str, ...], most: int) -> None:
    long = [
        f"{path.relative_to(ROOT)}: {lines} lines"
        for path in python_files(*folders)
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > most
    ]
    assert not long, "\n".join(long)


def test_no_retired_word_is_used() -> None:
    paths = [path for path in files(*FOLDERS) if path != Path(__file__)]
    paths += [path for path in ROOT.iterdir() if path.is_file() and path.suffix != ".lock"]
    used = [
        f"{path.relative_to(ROOT)}:{number}: {', '.join(words)}"
        for path in sorted(paths)
        if path.suffix in TEXTS
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if (words := retired_words(line))
    ]
    assert not used, "\n".join(used)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A Lane, a wish_list", ["Lane", "wish"]),
        ("plane, teaching, of course", ["course"]),
        ("novelty.npz, novelty\\.json, urn:lunar:problem:expired-visit", []),
        ("the visit", ["visit"]),
    ],
)
def test_a_retired_word_is_found_as_a_whole_word(text: str, words: list[str]) -> None:
    assert retired_words(text) == words


def test_every_room_says_what_belongs_there() -> None:
    rooms = sorted({path.parent for path in python_files(*PACKAGES)})
    silent = [
        str(room.relative_to(ROOT))
        for room in rooms
        if not (room / "__init__.py").exists() or not ast.get_docstring(ast.parse((room / "__init__.py").read_text()))
    ]
    assert silent == []
