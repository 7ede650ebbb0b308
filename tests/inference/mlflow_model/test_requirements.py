"""A published model pins its packages, because other versions may give other numbers."""

from importlib.metadata import version

from inference.mlflow_model.packaging import REQUIREMENTS, model_files


def test_every_requirement_is_pinned_to_what_is_installed() -> None:
    with model_files() as folder:
        lines = (folder / "requirements.txt").read_text().splitlines()
    assert lines == [
        f"mlflow=={version('mlflow-skinny')}",
        *(f"{name}=={version(name)}" for name in REQUIREMENTS),
    ]
