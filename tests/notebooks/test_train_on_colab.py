"""The notebook for Colab, executed from its first to its last cell on the smoke configuration."""

import json
import os
import sys
from pathlib import Path

import nbformat
import pytest

from tests.support.executed_notebook import NOTEBOOK, Executed, code_cells

pytestmark = pytest.mark.slow


def printed(cell: nbformat.NotebookNode) -> str:
    return "".join(output.text for output in cell.outputs if output.output_type == "stream")


def test_the_committed_notebook_has_ten_cells_and_no_results() -> None:
    """Results would be large, and could show images of the data set."""
    cells = code_cells(nbformat.read(NOTEBOOK, as_version=4))
    assert len(cells) == 10
    assert not [cell for cell in cells if cell.outputs or cell.execution_count]


def execute_cell(words: str, names: dict[str, object]) -> None:
    """Execute the one cell that contains `words`, with the names that earlier cells have set."""
    (source,) = [cell.source for cell in code_cells(nbformat.read(NOTEBOOK, as_version=4)) if words in cell.source]
    exec(source, names)  # noqa: S102  # our own notebook


def test_an_interrupted_download_is_continued(tmp_path: Path) -> None:
    """The folder exists, and has the metadata, long before the images are complete."""
    (tmp_path / "HAM10000_metadata.csv").touch()
    commands: list[tuple[object, ...]] = []
    execute_cell(
        '"fetch"',
        {"DATA": tmp_path, "FETCH": True, "sys": sys, "run": lambda *command: commands.append(command)},
    )
    assert [command[-2:] for command in commands] == [("fetch", tmp_path)]


def test_the_curves_are_those_of_the_last_of_several_runs(tmp_path: Path) -> None:
    for number, name in enumerate(("b-first", "a-last", "c-interrupted")):
        report = tmp_path / "runs" / name / "report"
        (report / "plots").mkdir(parents=True)
        for plot in ("training", "roc", "confusion", "reliability"):
            (report / "plots" / f"{plot}.svg").write_text("<svg/>")
        if name != "c-interrupted":
            (report / "numbers").mkdir()
            (report / "numbers" / "classification_report.txt").touch()
            os.utime(report / "numbers" / "classification_report.txt", (number, number))
    names: dict[str, object] = {"HOME": tmp_path}
    execute_cell("SVG(", names)
    assert names["report"] == tmp_path / "runs" / "a-last" / "report"


def test_it_runs_from_nothing_to_an_answer(executed_notebook: Executed) -> None:
    *_, trained, curves, numbers, promoted, archive, answer = executed_notebook.cells
    assert "is version 1, alias candidate" in printed(trained)
    assert [output.output_type for output in curves.outputs] == ["display_data"] * 4
    assert "macro avg" in printed(numbers)
    assert "@champion is version 1" in printed(promoted)
    assert (executed_notebook.home / "bundle.zip").stat().st_size > 1e6
    assert "MB" in printed(archive)
    assert set(json.loads(printed(answer)[printed(answer).index("{") :])["probabilities"]) >= {"mel", "nv"}
