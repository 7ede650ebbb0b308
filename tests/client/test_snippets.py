"""The programs of docs/clients.md, each run as it stands there, where its language is installed."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.lesion_images import lesion
from tests.support.paths import ROOT
from tests.support.waiting import LIMIT_S

PAGE = (ROOT / "docs" / "clients.md").read_text()
ADDRESS = "http://localhost:8000"
LANGUAGES = {
    "sh": ("snippet.sh", ("sh",)),
    "python": ("snippet.py", (sys.executable,)),
    "js": ("snippet.mjs", ("node",)),
    "java": ("Classify.java", ("java",)),
    "go": ("snippet.go", ("go", "run")),
}


def snippets(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_each_language_has_one_program() -> None:
    assert {language: len(snippets(language)) for language in LANGUAGES} == dict.fromkeys(LANGUAGES, 1)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_program_of_the_page_gets_an_answer(language: str, starter_service: str, tmp_path: Path) -> None:
    name, command = LANGUAGES[language]
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    (tmp_path / "lesion.png").write_bytes(lesion("PNG"))
    (program := tmp_path / name).write_text(snippets(language)[0].replace(ADDRESS, starter_service))
    environment = os.environ | {"PYTHONPATH": str(ROOT / "client" / "src")}
    done = subprocess.run(
        [*command, str(program)], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=LIMIT_S
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"\b(akiec|bcc|bkl|df|mel|nv|vasc)\b", done.stdout)
