"""Command lines: every `python -m` of the project parses its arguments before it does anything."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tests.support.waiting import LIMIT_S

FOLDERS = ("inference", "service", "training", "lunar", "benchmarks", "examples", "tests")
# Programs that benchmarks and tests start themselves, with arguments of their own.
INTERNAL = ("benchmarks/peers/", "tests/support/")


def programs() -> list[str]:
    found = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py") if "__pycache__" not in path.parts]
    names = [str(path.relative_to(ROOT)) for path in found if '__name__ == "__main__"' in path.read_text()]
    internal = [name for name in names if name.startswith(INTERNAL)]
    return sorted(set(names) - set(internal) - {Path(__file__).name, f"tests/{Path(__file__).name}"})


@pytest.mark.parametrize("name", programs())
def test_a_program_parses_its_arguments(name: str) -> None:
    calls = [node for node in ast.walk(ast.parse((ROOT / name).read_text())) if isinstance(node, ast.Call)]
    assert [call for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == "parse_args"], name


@pytest.mark.parametrize(
    ("module", "argument"),
    [("service", "--port=9000"), ("service", "start"), ("service.settings", "x"), ("benchmarks", "--quick")],
)
def test_an_unknown_argument_is_refused(module: str, argument: str) -> None:
    command = [sys.executable, "-m", module, argument]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 2
    assert argument in done.stderr.splitlines()[-1]
    assert done.stdout == ""


@pytest.mark.parametrize(("file", "words"), [("missing/lesion.png", "cannot be written"), ("lesion", "no ending")])
def test_a_lesion_that_cannot_be_drawn_is_an_error(file: str, words: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "training.drawn", str(tmp_path / file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode != 0
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("setting", ["LUNAR_PORT=abc", "LUNAR_MAX_WAITING=-1"])
def test_a_bad_setting_ends_the_start_with_its_name(setting: str) -> None:
    command = ["env", setting, sys.executable, "-m", "service"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"Lunar: {setting.partition('=')[0]}: ")
    assert len(done.stderr.splitlines()) == 1
