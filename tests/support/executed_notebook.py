"""The notebook for Colab, executed from its first to its last cell on the smoke configuration."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
import pytest
from nbclient import NotebookClient
from traitlets.config import Config

from tests.support.paths import ROOT
from tests.support.waiting import LIMIT_S

NOTEBOOK = ROOT / "notebooks" / "train_on_colab.ipynb"


@dataclass(frozen=True, slots=True)
class Executed:
    """LUNAR_HOME of its run, and its code cells with what they printed."""

    home: Path
    cells: list[nbformat.NotebookNode]


def code_cells(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    """The cells of Python."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def execute_notebook(data: Path, home: Path) -> Executed:
    """Raises nbclient's CellExecutionError if a cell fails."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    # A TCP port may be taken between its choice and the start of the kernel.
    with pytest.MonkeyPatch.context() as environment, TemporaryDirectory() as sockets:
        environment.setenv("LUNAR_NOTEBOOK_CONFIG", "training/configs/smoke.toml")
        environment.setenv("LUNAR_NOTEBOOK_FETCH", "no")
        environment.setenv("LUNAR_DATA", str(data))
        environment.setenv("LUNAR_HOME", str(home))
        environment.setenv("TF_DETERMINISTIC_OPS", "1")
        environment.setenv("JUPYTER_PLATFORM_DIRS", "1")
        NotebookClient(
            notebook,
            timeout=None,
            startup_timeout=int(LIMIT_S),
            resources={"metadata": {"path": str(NOTEBOOK.parent)}},
            config=Config({"KernelManager": {"transport": "ipc", "ip": f"{sockets}/kernel"}}),
        ).execute()
    return Executed(home, code_cells(notebook))
